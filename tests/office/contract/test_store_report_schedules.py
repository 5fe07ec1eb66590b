"""Report schedules: one process sends each period, under a lease; one that died is followed by another, which knows who has
the report already; figures that have not followed yet hold it up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta

import pytest

from gateway.domain.event import EventKind
from gateway.errors import NotFound, StaleLease
from gateway.store import figures
from gateway_office.policy import report_schedules as rules
from gateway_office.policy.report_schedules import PeriodKind, Problem, ReportSchedule, ScheduleWish
from gateway_office.store import report_schedules
from gateway_office.store.report_schedules import LEASE, SqlReportSchedules
from gateway_office.store.store import OfficeWork, SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing

WISH = ScheduleWish(
    report="incoming", by="month", period=PeriodKind.MONTH, people=("prn_an", "prn_binh"), to_programs=True
)


def rows(work: OfficeWork) -> SqlReportSchedules:
    return SqlReportSchedules(work.office.tx, work.scope)


async def make(store: SqlOfficeStore, clock: ManualClock) -> ReportSchedule:
    schedule = ReportSchedule(
        id=clock.new_id("rsc_"),
        wish=WISH,
        made_by="prn_an",
        made_at=clock.now(),
        due_on=date(2026, 11, 1),
    )
    async with committing(store) as work:
        rows(work).add(schedule)
    return schedule


async def due(store: SqlOfficeStore, clock: ManualClock) -> list[tuple[str, ReportSchedule]]:
    async with store.asking() as tx:
        return [*await report_schedules.find_due(tx, date(2026, 11, 20), clock.now())]


async def claim(
    store: SqlOfficeStore, clock: ManualClock, schedule: ReportSchedule, token: str
) -> ReportSchedule | None:
    async with committing(store) as work:
        return await rows(work).claim(schedule, token, clock.now())


async def test_a_schedule_is_of_its_agency_and_comes_back_as_it_was_stored(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    schedule = await make(store, clock)

    async with store.read(NORTH) as work:
        assert await rows(work).all() == [schedule]
        assert await rows(work).get(schedule.id) == schedule
    async with store.read(SOUTH) as work:
        assert await rows(work).all() == []
        with pytest.raises(NotFound):
            await rows(work).get(schedule.id)
    assert await due(store, clock) == [(NORTH.agency_id, schedule)]


async def test_of_many_that_claim_at_once_one_sends(store: SqlOfficeStore, clock: ManualClock) -> None:
    schedule = await make(store, clock)

    claims = await asyncio.gather(*(claim(store, clock, schedule, f"token{n}") for n in range(4)))

    assert [c for c in claims if c is not None] == [schedule]
    assert await due(store, clock) == []


async def test_after_a_lease_ran_out_another_goes_on_where_the_first_one_was(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    schedule = await make(store, clock)
    await claim(store, clock, schedule, "first")
    async with committing(store) as work:
        await rows(work).mark_sent(schedule.id, "first", ("prn_an",), clock.now())
    clock.advance(LEASE)

    assert [due_schedule.sent_to for _, due_schedule in await due(store, clock)] == [("prn_an",)]
    second = await claim(store, clock, schedule, "second")

    assert second == replace(schedule, sent_to=("prn_an",))
    with pytest.raises(StaleLease):
        async with committing(store) as work:
            await rows(work).mark_sent(schedule.id, "first", ("prn_an", "prn_binh"), clock.now())
    sent = rules.advance(second, [Problem.NO_ADDRESS], clock.now())
    async with committing(store) as work:
        await rows(work).release(sent, "second")
    async with store.read(NORTH) as work:
        stored = await rows(work).get(schedule.id)
    assert stored == sent
    assert (stored.due_on, stored.sent_to, stored.problem) == (date(2026, 12, 1), (), "no_address")
    assert await claim(store, clock, schedule, "third") is None


async def test_a_failed_try_waits_and_a_pause_ends_with_the_present_period(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    schedule = await make(store, clock)
    await claim(store, clock, schedule, "token")
    async with committing(store) as work:
        await rows(work).release(rules.failed(schedule, Problem.MAIL_DOWN, clock.now()), "token")
    assert await due(store, clock) == []
    clock.advance(timedelta(minutes=2))
    ((_, retried),) = await due(store, clock)
    assert (retried.problem, retried.tries) == ("mail_down", 1)

    async with committing(store) as work:
        paused = [await rows(work).set_pause(schedule.id, clock.now(), schedule.due_on) for _ in range(2)]
    assert (paused, await due(store, clock)) == ([True, False], [])
    async with committing(store) as work:
        assert await rows(work).set_pause(schedule.id, None, date(2026, 12, 1))
        assert (await rows(work).get(schedule.id)).due_on == date(2026, 12, 1)
        assert await rows(work).remove(schedule.id)
        assert not await rows(work).remove(schedule.id)


async def test_a_period_is_counted_once_its_last_event_is(store: SqlOfficeStore, clock: ManualClock) -> None:
    end = clock.now() + timedelta(hours=1)

    async def counted() -> bool:
        async with store.asking() as tx:
            return await report_schedules.are_counted(tx, end)

    async def fold() -> None:
        while await store.number_events():
            pass
        while await figures.fold_next(store):
            pass

    assert await counted()
    async with committing(store) as work:
        await work.events.append(EventKind.TASK_NOTED, "task", clock.now())
    assert not await counted()
    await fold()
    assert await counted()
    async with committing(store) as work:
        await work.events.append(EventKind.TASK_NOTED, "task", end)
    while await store.number_events():
        pass
    assert await counted()
