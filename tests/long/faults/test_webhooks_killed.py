"""A thousand events happen while the node is killed four times: each is pushed at least once, none is forged, none is
missing. WEBHOOK_EVENTS and WEBHOOK_KILLS make it as long as one likes."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

import pytest

from gateway.bootstrap.node import open_node
from gateway.domain.account import AgencyScope
from gateway.domain.event import Event, EventKind
from gateway.webhooks import NewWebhook
from gateway_labs.demo import stage
from tests.support import api
from tests.support.hooks import Receiver, near, receiving
from tests.support.node import DEPARTMENT

EVENTS = int(os.environ.get("WEBHOOK_EVENTS", "1000"))
KILLS = int(os.environ.get("WEBHOOK_KILLS", "4"))


@pytest.mark.timeout(1800)
async def test_events_while_the_node_is_killed_are_neither_lost_nor_forged(tmp_path: Path) -> None:
    folder, chance = tmp_path / "node", random.Random(15)
    await api.stage_in(folder)
    async with receiving() as receiver:
        secret = await hook(folder, receiver.url)
        for n in range(KILLS):
            await run_until(folder, receiver, (n + 1) * EVENTS // (KILLS + 2) + chance.randrange(20))
        events = await run_until(folder, receiver, None)

    assert receiver.all_signed(secret)
    bodies = {body["sequence"]: body for body in receiver.bodies}
    by_seq = {event.agency_seq: event for event in events}
    assert bodies.keys() == by_seq.keys()
    assert sorted(body["data"]["n"] for body in bodies.values()) == list(range(EVENTS))
    assert sorted(bodies) == list(range(min(bodies), min(bodies) + EVENTS)), "no hole"
    for sequence, body in bodies.items():
        assert body["id"].removeprefix("evt_").rpartition("-")[0] == by_seq[sequence].id.removeprefix("evt_")
    repeats = len(receiver.bodies) - EVENTS
    assert repeats <= KILLS * 20, f"{repeats} were told again; a kill repeats one batch at most"


async def hook(folder: Path, url: str) -> str:
    async with open_node(near(stage.settings_for(folder))) as node:
        agency = await node.store.accounts.hosted_by_code(DEPARTMENT)
        assert agency is not None
        scope = AgencyScope(agency_id=agency.id, principal_id="clerk")
        secret, _ = await node.webhooks.add(scope, NewWebhook(url=url, types=("message.retry",)))
        return secret


async def run_until(folder: Path, receiver: Receiver, count: int | None) -> list[Event]:
    """Run a node's process and kill it after `count` events; without a count wait for all, and return the events of
    retries."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.hook_child", str(folder), str(EVENTS)
    )
    try:
        waiting = asyncio.create_task(receiver.until_all(EVENTS if count is None else count))
        dying = asyncio.create_task(child.wait())
        await asyncio.wait([waiting, dying], return_when=asyncio.FIRST_COMPLETED)
        assert waiting.done(), "the process ended by itself"
    finally:
        child.kill()
        await child.wait()
    if count is not None:
        return []
    async with open_node(near(stage.settings_for(folder))) as node:
        agency = await node.store.accounts.hosted_by_code(DEPARTMENT)
        assert agency is not None
        retries, last_seq = list[Event](), 0
        while batch := await node.store.events_after(agency.id, last_seq, 500):
            retries += [event for event in batch if event.kind is EventKind.DELIVERY_RETRY]
            last_seq = batch[-1].agency_seq or last_seq
        return retries
