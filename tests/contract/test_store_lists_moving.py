"""What moves in a list although nobody writes a document: moments of lateness when the calendar changes, and counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

from gateway.domain.document import Urgency
from gateway.domain.listing import Side
from gateway.domain.office_calendar import CalendarDay, DayKind
from gateway.ports.lists import Wanted
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, incoming, outgoing

OUT = Wanted(side=Side.OUT)


async def test_a_new_holiday_moves_what_is_waited_for_and_counts_follow(
    store: SqlStore, clock: ManualClock
) -> None:
    """Taken in within two hours of an open day here; what was late this morning is not late any more."""
    node = SqlStore(str(store.writer.url.render_as_string(hide_password=False)), clock, reckon=_two_hours)
    arrived, late = incoming(clock), Wanted(side=Side.IN, overdue=True)
    async with node.begin(NORTH) as work:
        await work.incoming.add(arrived)
        await work.commit()
    clock.advance(3 * 3_600)
    while await node.write_due_again(1):
        pass
    async with node.read(NORTH) as view:
        before = await view.lists.line(arrived.id)
        assert (await view.lists.count(late)).n == 1

    await node.calendar.put([_holiday(arrived.arrived_at.date())], clock.now())
    while await node.write_due_again(1):
        pass
    clock.advance(10)

    async with node.read(NORTH) as view:
        after = await view.lists.line(arrived.id)
        assert (await view.lists.count(late)).n == 0
    await node.close()
    assert before is not None
    assert after is not None
    assert before.due_at == arrived.arrived_at + timedelta(hours=2)
    assert after.due_at == arrived.arrived_at + timedelta(days=1, hours=2)


def _holiday(day: date) -> CalendarDay:
    return CalendarDay(day=day, kind=DayKind.HOLIDAY, name="Nghỉ")


def _two_hours(days: Sequence[CalendarDay]) -> Callable[[Side, datetime, Urgency], datetime]:
    off = {each.day for each in days}

    def due(side: Side, since: datetime, urgency: Urgency) -> datetime:
        return since + timedelta(days=int(since.date() in off), hours=2)

    return due


async def test_a_count_follows_what_this_node_writes_at_once(store: SqlStore, clock: ManualClock) -> None:
    for expected in (1, 2):
        async with store.begin(NORTH) as work:
            await work.outgoing.add(outgoing(clock))
            await work.commit()
        async with store.read(NORTH) as view:
            assert (await view.lists.count(OUT)).n == expected
            assert (await view.lists.tabs(Side.OUT))[None].n == expected
