"""An unforeseen error counts as a try, has its reason on the row, and ends visibly at the limit: in a packing job, in a
courier's row, in a packet that is judged, in a webhook."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain import feed
from gateway.domain.event import Event
from gateway.domain.feed import ClientWords
from gateway.domain.webhook import DeliveryState, EndpointState, TryCode
from gateway.outgoing import dispatch, package
from gateway.policy import upkeep
from gateway.workers import webhooks as webhook_worker
from tests.support.faulty import Faulty
from tests.support.hooks import Hooked, near, receiving
from tests.support.node import DEPARTMENT, LEASE_S, Town, opened

TURNS = 100
BREAK = timedelta(hours=2)


def broken(*arguments: object, **keywords: object) -> None:
    raise ValueError("a library broke")


@pytest.mark.usefixtures("keys_away")
async def test_a_packing_job_ends_failed_with_its_reason(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = await town.send("15")
    monkeypatch.setattr(package, "_write_and_verify", broken)
    tries = 0

    for _ in range(TURNS):
        tries += await town.pack()
        town.clock.advance(BREAK)

    assert tries == upkeep.MOST_UNFORESEEN
    assert (await town.delivery(sent)).state == "failed"
    assert "ValueError: a library broke" in await town.notes_of(sent)


async def test_a_couriers_row_ends_failed_with_its_reason(tmp_path: Path) -> None:
    axis = Faulty("axis", "publish")
    async with opened(tmp_path / "node", wrap=axis) as town:
        await town._host()
        axis.error = ValueError("a library broke")
        sent = await town.send("15")
        await town.pack()

        for _ in range(TURNS):
            for rows in dispatch.group_into_passes(await town.node.store.claim_outbox(50, LEASE_S)):
                await dispatch.run(town.node.out, rows)
            town.clock.advance(BREAK)

        (row,) = await town.outbox(DEPARTMENT)
        assert row.state == "failed"
        assert "ValueError: a library broke" in str(row.last_error)
        assert (await town.delivery(sent)).state == "failed"


async def test_an_event_that_cannot_be_told_stands_in_the_way_of_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "node", change=near) as town, receiving() as receiver:
        hooked = Hooked(town=town)
        _, endpoint = await hooked.add(receiver.url)
        await hooked.happen(1)
        make_body, spoiled = feed.event_body, list[int | None]()

        def breaks_once(event: Event, code: str, words: ClientWords) -> dict[str, object]:
            if not spoiled:
                spoiled.append(event.agency_seq)
            if event.agency_seq == spoiled[0]:
                raise ValueError("a catalogue lacks a word")
            return dict(make_body(event, code, words))

        monkeypatch.setattr(feed, "event_body", breaks_once)
        await hooked.happen(3)
        for _ in range(TURNS):
            await hooked.push()
            town.clock.advance(BREAK)

        (failed,) = [x for x in await hooked.log(endpoint.id) if x.sequence == spoiled[0]]
        assert failed.state is DeliveryState.FAILED
        assert {x.code for x in failed.tries} == {TryCode.UNMADE}
        assert [sequence for sequence in receiver.sequences if sequence > failed.sequence]


async def test_a_webhook_whose_turns_break_is_paused_and_its_owner_is_notified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "node", change=near) as town, receiving() as receiver:
        hooked = Hooked(town=town)
        _, endpoint = await hooked.add(receiver.url)
        monkeypatch.setattr(feed, "is_wanted", broken)
        # Turns are counted by the worker's process, and each push of the test is one.
        monkeypatch.setattr(webhook_worker, "MOST_BROKEN", 1)
        await hooked.happen(1)

        await hooked.push()

        assert (await hooked.endpoint(endpoint.id)).state is EndpointState.PAUSED
