"""The loops themselves: a batch ends together, a step that breaks ends no loop, a lease is kept while its work runs, and
what is done now and then comes again also where the clock was ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.domain.queues import Lease
from gateway.errors import NotFound, StaleLease, StoreFailure
from gateway.incoming import settle
from gateway.workers import loop
from gateway.workers.clocks import Clocks
from gateway.workers.loop import Turn
from tests.support.clock import START
from tests.support.node import DEPARTMENT, LEASE_S, PROVINCE, Town, recall_of
from tests.support.waiting import within_limit
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


class Turning:
    """A loop that stops at its last turn; `act` says what happens in each, and whether there was work."""

    def __init__(
        self,
        last: int,
        act: Callable[[int, loop.Waker], bool | loop.StepResult],
        waker: loop.Waker | None = None,
    ) -> None:
        self.turns, self._last, self._act = 0, last, act
        self._stop, self._bell = asyncio.Event(), waker or loop.Waker()

    async def run(self, poll_s: float = 3600.0, first_s: float | None = None) -> None:
        turning = loop.forever("test", self._step, self._bell, self._stop, poll_s, first_s=first_s)
        await within_limit(turning, "the loop")
        assert self.turns == self._last

    async def _step(self) -> bool | loop.StepResult:
        self.turns += 1
        if self.turns == self._last:
            self._stop.set()
            self._bell.ring()
        return self._act(self.turns, self._bell)


def breaking(turns: int, error: BaseException) -> Callable[[int, loop.Waker], bool]:
    def act(turn: int, waker: loop.Waker) -> bool:
        waker.ring()
        if turn < turns:
            raise error
        return False

    return act


async def test_a_step_that_breaks_is_tried_again_and_the_loop_ends_with_its_stop() -> None:
    """Also one that a library cancelled."""
    await Turning(3, breaking(3, RuntimeError("broken step"))).run(0.001)
    await Turning(2, breaking(2, asyncio.CancelledError())).run()


async def test_a_failure_that_has_a_name_is_told_by_it_and_without_a_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await Turning(2, breaking(2, StoreFailure("the server does not answer"))).run()

    (broken_record,) = [record for record in caplog.records if getattr(record, "action", "") == "test.broke"]
    assert (broken_record.getMessage(), broken_record.exc_info) == ("the server does not answer", None)


async def test_a_ring_while_one_looked_is_not_missed() -> None:
    await Turning(2, breaking(0, AssertionError())).run()


@pytest.mark.parametrize("worked", [True, False], ids=["worked", "rung"])
async def test_a_worker_whose_work_rings_no_bell_looks_soon_after_finding_work(worked: bool) -> None:
    def act(turn: int, waker: loop.Waker) -> bool:
        if turn == 1 and not worked:
            waker.ring()
        return worked and turn == 1

    await Turning(8, act).run(first_s=0.001)


def test_a_batch_that_is_not_full_was_all_that_there_was() -> None:
    assert [loop.StepResult.batch(count, 2) for count in range(3)] == [*loop.StepResult]
    assert [bool(outcome) for outcome in loop.StepResult] == [False, True, True]


async def test_one_that_did_all_there_was_looks_again_when_it_is_rung_and_rings_for_others_at_once() -> None:
    """A ring in the middle of its step is not missed."""
    waits: list[float] = []
    rounds: list[int] = []

    class CountingWaker(loop.Waker):
        async def wait(self, timeout_s: float, ticket: asyncio.Event | None = None) -> bool:
            assert ticket is not None
            waits.append(len(rounds))
            return ticket.is_set()

    ends = {1: loop.StepResult.MORE, 2: loop.StepResult.ALL, 3: loop.StepResult.NOTHING}
    turning, stop = Turning(4, lambda turn, waker: ends.get(turn, False), CountingWaker()), asyncio.Event()
    turning._stop = stop
    running = loop.forever("test", turning._step, turning._bell, stop, 3600.0, then=lambda: rounds.append(1))
    await within_limit(running, "the loop")

    assert (turning.turns, waits) == (4, [2, 2, 2])


async def test_its_looks_come_ever_less_often() -> None:
    waits: list[float] = []

    class Unheard(loop.Waker):
        async def wait(self, timeout_s: float, ticket: asyncio.Event | None = None) -> bool:
            waits.append(timeout_s)
            return False

    await Turning(7, lambda turn, waker: turn == 1, Unheard()).run(0.01, first_s=0.001)

    assert waits == [0.001, 0.002, 0.004, 0.008, 0.01, 0.01]


async def test_a_worker_that_is_not_rung_waits_its_time_turn_after_turn() -> None:
    waker = loop.Waker()

    for _ in range(3):
        ticket = waker.ticket()
        assert not ticket.is_set()
        assert not await waker.wait(0.01, ticket)


async def test_a_ring_shortens_the_wait_and_leaves_no_time_running() -> None:
    waker = loop.Waker()
    asyncio.get_running_loop().call_soon(waker.ring)
    await within_limit(waker.wait(0.02), "a ring")
    ticket = waker.ticket()

    await loop.Waker().wait(0.05)  # what ran on would be over by then

    assert not ticket.is_set()


async def test_a_loop_that_is_cancelled_ends() -> None:
    begun = asyncio.Event()

    async def step() -> bool:
        begun.set()
        await asyncio.Event().wait()
        return True

    running = asyncio.create_task(loop.forever("test", step, loop.Waker(), asyncio.Event(), 3600.0))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within_limit(running, "a loop that was cancelled")


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

    async with loop.keep_leases(Store(), "job", job.lease, lease_s=0.003):  # type: ignore[arg-type]  # renew is all that is asked
        await within_limit(third.wait(), "the third renewal")

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
    clocks = Clocks(town.node.settings.node.data_dir)
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


EVERY = timedelta(minutes=10)


def test_a_turn_comes_at_once_and_after_each_span_also_where_the_clock_was_ahead_or_work_failed() -> None:
    turn = Turn(EVERY)

    assert [turn.take(START), turn.take(START), turn.take(START + EVERY / 2), turn.take(START + EVERY)] == [
        *(True, False),
        *(False, True),
    ]

    turn = Turn(EVERY)
    assert turn.take(START + timedelta(days=400))

    assert turn.take(START)
    assert not turn.take(START)

    turn = Turn(EVERY)

    assert turn.has_come(START)
    assert turn.has_come(START)
    turn.mark_done(START)
    assert not turn.has_come(START)
