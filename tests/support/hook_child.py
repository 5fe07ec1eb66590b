"""A node in a process of its own makes events and pushes them to its webhooks, for tests that kill it. In: its folder, and
the number of events. It says on stdout when the last is committed; its workers go on until it is killed."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from gateway.bootstrap.node import OpenNode, open_node
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway_labs.demo import stage
from tests.support.hooks import near
from tests.support.node import DEPARTMENT

AT_ONCE = 25


async def make(node: OpenNode, count: int) -> None:
    """Make the events that are still missing, each once: a process that died before had committed whole batches."""
    agency = await node.store.accounts.hosted_by_code(DEPARTMENT)
    assert agency is not None
    scope = AgencyScope(agency_id=agency.id, principal_id="child")
    async with node.store.read(scope) as work:
        total = len(await work.events.of_subject("made"))
    while total < count:
        async with node.store.changing(scope) as work:
            batch = [(EventKind.DELIVERY_RETRY, {"n": n}) for n in range(total, min(total + AT_ONCE, count))]
            await work.events.append_many("made", node.clock.now(), batch)
        total += len(batch)
        node.store.wake.ring("sequencer")
        await asyncio.sleep(0.02)
    print("made", flush=True)


async def main(folder: Path, count: int) -> None:
    settings = near(stage.settings_for(folder), timeout_s=5)
    settings = replace(settings, workers=replace(settings.workers, lease_s=15))
    async with open_node(settings) as node, asyncio.TaskGroup() as tasks:
        tasks.create_task(node.run_workers(asyncio.Event()))
        await make(node, count)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
