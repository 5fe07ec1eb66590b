"""Lists move although no document is written: moments of lateness when the calendar changes, and counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from gateway.domain.document import FileItem, FileRole, InState, Urgency
from gateway.domain.identity import Digest
from gateway.domain.office_calendar import CalendarDay, DayKind
from gateway.domain.status import Duty
from gateway_office.domain.listing import Filter, Side
from gateway_office.store.store import SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, incoming, outgoing, stored

OUT = Filter(side=Side.OUT)


async def test_a_new_holiday_moves_what_is_waited_for_and_counts_follow(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    """Taken in within two hours of an open day here; what was late this morning is not late any more."""
    node = SqlOfficeStore(
        str(store.writer.url.render_as_string(hide_password=False)), clock, reckon=_two_hours
    )
    arrived, late = incoming(clock), Filter(side=Side.IN, overdue=True)
    await stored(node, arrived)
    clock.advance(3 * 3_600)
    while await node.rewrite_due(1):
        pass
    async with node.read(NORTH) as view:
        line_before = await view.office.lists.line(arrived.id)
        assert (await view.office.lists.count(late)).n == 1

    await node.calendar.save([_holiday(arrived.arrived_at.date())], clock.now(), "operator")
    while await node.rewrite_due(1):
        pass

    async with node.read(NORTH) as view:
        line_after = await view.office.lists.line(arrived.id)
        assert (await view.office.lists.count(late)).n == 0
    await node.close()
    assert line_before is not None
    assert line_after is not None
    assert line_before.due_at == arrived.arrived_at + timedelta(hours=2)
    assert line_after.due_at == arrived.arrived_at + timedelta(days=1, hours=2)


def _holiday(day: date) -> CalendarDay:
    return CalendarDay(day=day, kind=DayKind.HOLIDAY, name="Nghỉ")


def _two_hours(days: Sequence[CalendarDay], chosen: object) -> Callable[[str, Duty, Urgency], datetime]:
    holidays = {day.day for day in days}

    def due(agency_id: str, duty: Duty, urgency: Urgency) -> datetime:
        return duty.since + timedelta(days=int(duty.since.date() in holidays), hours=2)

    return due


async def test_a_count_follows_what_this_node_writes_at_once(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    for expected in (1, 2):
        await stored(store, outgoing(clock))
        async with store.read(NORTH) as view:
            assert (await view.office.lists.count(OUT)).n == expected
            assert (await view.office.lists.tabs(Side.OUT))[None].n == expected


async def test_a_document_is_unread_until_somebody_reads_it_or_it_is_taken_in(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    first, second, third = (incoming(clock) for _ in range(3))
    await stored(store, first, second, third, incoming(clock, state=InState.DONE))
    assert await unread(store) == {first.id, second.id, third.id}

    async with committing(store) as work:
        assert await work.office.lists.mark_read([first.id, "inc_nobody"]) == 1
        assert await work.office.lists.mark_read([]) == 0
    async with committing(store, SOUTH) as work:
        assert await work.office.lists.mark_read([second.id]) == 0
    assert await unread(store) == {second.id, third.id}

    async with committing(store) as work:
        saved = await work.incoming.save(first)
        await work.incoming.save(replace(second, state=InState.ACCEPTED))
    assert await unread(store) == {third.id}

    async with committing(store) as work:
        assert await work.office.lists.mark_read([saved.id], unread=True) == 1
    assert await unread(store) == {first.id, third.id}


async def unread(store: SqlOfficeStore) -> set[str]:
    """Return the unread documents; the filter, the rows and the count must agree on them."""
    arrived = Filter(side=Side.IN)
    async with store.read(NORTH) as view:
        ids = {
            line.id for line in (await view.office.lists.page(replace(arrived, unread=True), limit=50)).lines
        }
        every = (await view.office.lists.page(arrived, limit=50)).lines
        assert ids == {line.id for line in every if line.unread}
        assert (await view.office.lists.count(replace(arrived, unread=True))).n == len(ids)
    return ids


async def test_attachments_are_found_by_their_filter(store: SqlOfficeStore, clock: ManualClock) -> None:
    letter, annex = (
        FileItem(
            n=n, name="a.pdf", role=role, content_type="application/pdf", size=9, sha256=Digest(f"{n}" * 64)
        )
        for n, role in enumerate((FileRole.LEAD, FileRole.APPENDIX), start=1)
    )
    plain, full = outgoing(clock, files=(letter,)), outgoing(clock, files=(letter, annex))
    await stored(store, plain, full)

    async with store.read(NORTH) as view:
        for attached, expected in ((True, full), (False, plain)):
            (line,) = (await view.office.lists.page(replace(OUT, attached=attached), limit=9)).lines
            assert line.id == expected.id
