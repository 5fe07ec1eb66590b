"""The loops themselves: a batch ends together, a step that breaks ends no loop, a lease is kept while its work runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from gateway.errors import NotFound, StaleLease, StoreFailure
from gateway.incoming import settle
from gateway.ports import Lease
from gateway.workers import loop
from gateway.workers.clocks import Clocks
from tests.support.node import DEPARTMENT, LEASE_S, PROVINCE, Town, recall_of
from tests.unit.workers.conftest import carried_by_workers


async def test_one_that_breaks_lets_the_others_of_its_batch_finish_first() -> None:
    finished = []
    gate = asyncio.Event()

    async def breaks() -> None:
        gate.set()
        raise NotFound("gone")

    async def works() -> None:
        await gate.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        finished.append(True)

    with pytest.raises(NotFound):
        await loop.together([breaks(), works(), works()])

    assert finished == [True, True]


async def test_a_step_that_breaks_is_tried_again_and_the_loop_ends_with_its_stop() -> None:
    stop, bell, turns = asyncio.Event(), loop.Bell(), 0

    async def step() -> bool:
        nonlocal turns
        turns += 1
        if turns == 3:
            stop.set()
            return False
        bell.ring()
        raise RuntimeError("broken step")

    await asyncio.wait_for(loop.forever("test", step, bell, stop, 0.001), 60)

    assert turns == 3


async def test_a_step_that_a_library_cancelled_ends_no_loop() -> None:
    stop, bell, turns = asyncio.Event(), loop.Bell(), 0

    async def step() -> bool:
        nonlocal turns
        turns += 1
        if turns == 2:
            stop.set()
        bell.ring()
        if turns == 1:
            raise asyncio.CancelledError
        return False

    await asyncio.wait_for(loop.forever("test", step, bell, stop, 3600.0), 60)

    assert turns == 2


async def test_a_loop_that_is_cancelled_ends() -> None:
    begun = asyncio.Event()

    async def step() -> bool:
        begun.set()
        await asyncio.Event().wait()
        return True

    running = asyncio.create_task(loop.forever("test", step, loop.Bell(), asyncio.Event(), 3600.0))
    await begun.wait()
    running.cancel()
    (end,) = await asyncio.wait_for(asyncio.gather(running, return_exceptions=True), 60)

    assert isinstance(end, asyncio.CancelledError)


async def test_a_failure_that_has_a_name_is_told_by_it_and_without_a_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop, bell, turns = asyncio.Event(), loop.Bell(), 0

    async def step() -> bool:
        nonlocal turns
        turns += 1
        if turns == 2:
            stop.set()
            bell.ring()
            return False
        bell.ring()
        raise StoreFailure("the server does not answer")

    await asyncio.wait_for(loop.forever("test", step, bell, stop, 3600.0), 60)

    (told,) = [record for record in caplog.records if getattr(record, "action", "") == "test.broke"]
    assert (told.getMessage(), told.exc_info) == ("the server does not answer", None)


async def test_a_ring_while_one_looked_is_not_missed() -> None:
    stop, bell, turns = asyncio.Event(), loop.Bell(), 0

    async def step() -> bool:
        nonlocal turns
        turns += 1
        if turns == 1:
            bell.ring()
        else:
            stop.set()
            bell.ring()
        return False

    await asyncio.wait_for(loop.forever("test", step, bell, stop, 3600.0), 60)

    assert turns == 2


@pytest.mark.parametrize("worked", [True, False], ids=["worked", "rung"])
async def test_one_whose_work_rings_no_bell_looks_again_soon_after_some_came(worked: bool) -> None:
    stop, bell, turns = asyncio.Event(), loop.Bell(), 0

    async def step() -> bool:
        nonlocal turns
        turns += 1
        if turns == 1 and not worked:
            bell.ring()
        if turns == 8:
            stop.set()
            bell.ring()
        return worked and turns == 1

    await asyncio.wait_for(loop.forever("test", step, bell, stop, 3600.0, first_s=0.001), 60)

    assert turns == 8


async def test_its_looks_come_ever_less_often() -> None:
    stop, bell, looks = asyncio.Event(), loop.Bell(), list[float]()
    now = asyncio.get_running_loop().time

    async def step() -> bool:
        looks.append(now())
        if len(looks) == 7:
            stop.set()
            bell.ring()
        return len(looks) == 1

    await asyncio.wait_for(loop.forever("test", step, bell, stop, 0.01, first_s=0.001), 60)

    slept = [later - earlier for earlier, later in pairwise(looks[1:])]
    assert all(
        each >= least * 0.9 for each, least in zip(slept, (0.001, 0.002, 0.004, 0.008, 0.01), strict=True)
    )


async def test_one_who_is_not_rung_waits_his_time_and_then_waits_again() -> None:
    bell, began = loop.Bell(), asyncio.get_running_loop().time()

    for _ in range(3):
        ticket = bell.ticket()
        assert not ticket.is_set()
        await bell.heard(0.05, ticket)

    assert asyncio.get_running_loop().time() - began >= 0.15


async def test_a_ring_shortens_the_wait_and_leaves_no_time_running() -> None:
    bell = loop.Bell()
    asyncio.get_running_loop().call_later(0.01, bell.ring)
    async with asyncio.timeout(5):
        await bell.heard(0.1)
    ticket = bell.ticket()

    await asyncio.sleep(0.15)

    assert not ticket.is_set()


@pytest.mark.usefixtures("keys_away")
async def test_a_renewal_that_fails_once_is_tried_again_and_a_lost_lease_ends_it(town: Town) -> None:
    await town.send("15")
    (job,) = await town.node.store.claim_jobs("pack", 1, LEASE_S)
    renewed: list[str] = []
    third = asyncio.Event()

    class Store:
        """The node's store, whose first renewal fails."""

        async def renew(self, table: str, lease: Lease, lease_s: float) -> Lease:
            renewed.append(table)
            if len(renewed) == 1:
                raise StoreFailure("busy")
            if len(renewed) == 3:
                third.set()
                raise StaleLease("lost")
            return await town.node.store.renew(table, lease, LEASE_S)

    async with loop.kept(Store(), "job", job.lease, lease_s=0.003):  # type: ignore[arg-type]  # renew is all that is asked
        await asyncio.wait_for(third.wait(), 60)

    assert renewed == ["job"] * 3


async def test_the_workers_carry_a_document_there_and_its_answer_back(town: Town) -> None:
    await town._host()
    sent = await town.send("15")

    await carried_by_workers(town)

    assert (await town.delivery(sent)).state == "delivered"
    events = await town.node.store.events_after(None, 0, 1000)
    assert [event.node_seq for event in events] == list(range(1, len(events) + 1))


async def test_the_clock_looks_every_ten_minutes_and_at_start(town: Town) -> None:
    packet = town.forge(recall_of())
    await town.brought(packet)
    town.clock.advance(timedelta(days=2, hours=23, minutes=55))
    clocks = Clocks()
    assert await clocks.step(town.node.inn) is False
    assert (await town.row(PROVINCE, packet)).state == "waiting"

    town.clock.advance(timedelta(minutes=6))
    await clocks.step(town.node.inn)
    assert (await town.row(PROVINCE, packet)).state == "waiting"
    town.clock.advance(timedelta(minutes=5))
    await clocks.step(town.node.inn)

    assert (await town.row(PROVINCE, packet)).state == "quarantined"
    assert await settle.give_up_overdue(town.node.inn) == 0
    assert (await town.inbox(DEPARTMENT))[0].state == "quarantined"
