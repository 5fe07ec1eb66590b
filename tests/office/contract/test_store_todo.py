"""The to-do list asks either database for open work only, of one agency only, the oldest first; notes, reminders and
calendar days read back as they were written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.domain.account import AgencyScope
from gateway.domain.document import InState, Kind, OutState
from gateway.domain.office_calendar import CalendarDay, DayKind
from gateway.domain.states import Track
from gateway.domain.status import Fact, RequestKind
from gateway.store.deliveries import delivery_row
from gateway.store.events import NODE
from gateway.store.facts import fact_row
from gateway.store.incoming import incoming_row
from gateway.store.outbox import from_domain as outbox_row
from gateway.store.tables import DeliveryRow, FactRow, IncomingRow, OutboxRow
from gateway.store.tables_records import WorkFileRow
from gateway_office.domain.task import TaskNote
from gateway_office.domain.work_file import FileKind, WorkFile
from gateway_office.store import todo, work_files
from gateway_office.store.reminders import Claim
from gateway_office.store.store import SqlOfficeStore
from tests.long.contract.test_store_plans import fill, plan
from tests.support.clock import ManualClock
from tests.support.stores import (
    NORTH,
    SOUTH,
    committing,
    delivery,
    incoming,
    outbox_item,
    outgoing,
    seed_incoming,
    stored,
)

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)


async def test_only_documents_that_wait_for_their_clerk_are_to_be_taken_in(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    late = await seed_incoming(store, incoming(clock))
    clock.advance(60)
    held_document = await seed_incoming(store, incoming(clock, state=InState.HELD))
    await seed_incoming(store, incoming(clock, state=InState.ACCEPTED))
    await seed_incoming(store, incoming(clock, kind=Kind.RECALL))
    await seed_incoming(store, incoming(clock, scope=SOUTH))

    async with store.read(NORTH) as work:
        assert await work.office.tasks.to_take_in(10) == [late, held_document]
        assert await work.office.tasks.to_take_in(1) == [late]


async def test_a_reply_is_wanted_until_the_document_is_done(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    document = await seed_incoming(store, incoming(clock, reply_required=True, due_on=date(2026, 11, 23)))
    await seed_incoming(store, incoming(clock, reply_required=True, due_on=date(2026, 11, 24)))
    await seed_incoming(store, incoming(clock, reply_required=False, due_on=date(2026, 11, 23)))

    async with store.begin(NORTH) as work:
        assert await work.office.tasks.replies(date(2026, 11, 23), 10) == [document]
        await work.incoming.save(replace(document, state=InState.DONE))
        assert await work.office.tasks.replies(date(2026, 11, 23), 10) == []


async def test_requests_come_with_everything_known_about_their_document(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    requested = await seed_incoming(store, incoming(clock, state=InState.ACCEPTED))
    sealed = await seed_incoming(store, incoming(clock, state=InState.SEALED))
    request = Fact(
        track=Track.REQUEST, code="asked", at=NOW, request_id="p-1", request_kind=RequestKind.RECALL
    )
    answer = Fact(track=Track.REQUEST, code="16", at=NOW, stated_at=NOW, request_id="p-1")
    async with store.begin(NORTH) as work:
        await work.facts.add(requested.id, request)
        await work.facts.add(requested.id, answer)
        await work.facts.add(sealed.id, request)
        await work.facts.add("dlv-of-ours", request)

        ((document, facts),) = await work.office.tasks.asked_back(NOW - timedelta(days=1), 10)
        assert await work.office.tasks.asked_back(NOW + timedelta(seconds=1), 10) == []

    assert document == requested
    assert set(facts) == {request, answer}


async def test_deliveries_that_came_back_are_found_with_their_documents(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    document = outgoing(clock)
    deliveries = [
        delivery(document, "Z91.02", "failed"),
        delivery(document, "Z91.03", "rejected"),
        delivery(document, "Z91.04", "delivered"),
    ]
    async with store.begin(NORTH) as work:
        await work.outgoing.add(document)
        await work.deliveries.add(deliveries)
        await work.deliveries.save_state(
            deliveries[1].id, "rejected", (), document.created_at + timedelta(hours=1)
        )

        rows = await work.office.tasks.returned(document.created_at, 10)
        later_rows = await work.office.tasks.returned(document.created_at + timedelta(minutes=1), 10)

    assert [back.recipient.code for back, _ in rows] == ["Z91.02", "Z91.03"]
    assert {d.id for _, d in rows} == {document.id}
    assert [back.recipient.code for back, _ in later_rows] == ["Z91.03"]


async def test_what_has_left_or_was_cancelled_is_not_unsent(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    states = (OutState.DRAFT, OutState.PACKED, OutState.BLOCKED, OutState.CANCELLED, OutState.QUEUED)
    async with store.begin(NORTH) as work:
        for state in states:
            await work.outgoing.add(outgoing(clock, state=state))
        documents = await work.office.tasks.unsent(10)

    assert [d.state for d in documents] == [OutState.DRAFT, OutState.BLOCKED, OutState.QUEUED]


async def test_a_note_reads_back_and_belongs_to_one_agency(store: SqlOfficeStore) -> None:
    note = TaskNote(task="failed:dlv-1", noted_by="prn_north", noted_at=NOW, owner="A. Clerk")
    rests = replace(note, snoozed_until=NOW + timedelta(days=1), note="They move house")
    async with committing(store) as work:
        await work.office.tasks.save_note(note)
        await work.office.tasks.save_note(rests)

    async with store.read(NORTH) as work:
        assert await work.office.tasks.notes(["failed:dlv-1", "failed:dlv-2"]) == {"failed:dlv-1": rests}
    async with store.read(SOUTH) as work:
        assert await work.office.tasks.notes(["failed:dlv-1"]) == {}


async def test_a_reminder_is_claimed_once_in_each_agency_until_it_is_forgotten(store: SqlOfficeStore) -> None:
    async with committing(store) as work:
        assert await work.office.reminders.first_time("digest:1", NOW)
        assert not await work.office.reminders.first_time("digest:1", NOW)
    async with store.begin(SOUTH) as work:
        assert await work.office.reminders.first_time("digest:1", NOW)
    async with store.begin(NORTH) as work:
        await work.office.reminders.forget(NOW)
        assert not await work.office.reminders.first_time("digest:1", NOW)
        await work.office.reminders.forget(NOW + timedelta(seconds=1))
        assert await work.office.reminders.first_time("digest:1", NOW)


async def test_a_claim_that_is_not_committed_does_not_take_the_reminder(store: SqlOfficeStore) -> None:
    async with store.begin(NORTH) as work:
        assert await work.office.reminders.first_time("digest:1", NOW)
    async with store.begin(NORTH) as work:
        assert await work.office.reminders.first_time("digest:1", NOW)


@pytest.mark.parametrize("agency_id", [NORTH.agency_id, NODE], ids=["agency", "node"])
async def test_a_reminder_is_sent_under_a_lease_until_it_is_confirmed_and_its_mail_keeps_its_id(
    store: SqlOfficeStore, agency_id: str
) -> None:
    scope, lease_end = AgencyScope(agency_id=agency_id, principal_id="node"), NOW + timedelta(minutes=5)
    first = Claim(key="k1", mail="m1", is_first=True)
    repeat = replace(first, is_first=False)

    async def claim(mail: str, at: datetime, key: str = "k1") -> Claim | None:
        async with store.changing(scope) as work:
            claim = await work.office.reminders.claim(key, mail, at, at + timedelta(minutes=5))
            assert await work.office.reminders.unclaimed([key], at) == []
        return claim

    async with store.read(scope) as work:
        assert await work.office.reminders.unclaimed(["k1", "k2"], NOW) == ["k1", "k2"]
    assert await claim("m1", NOW) == first
    assert await claim("m2", lease_end - timedelta(seconds=1)) is None
    assert await claim("m2", lease_end) == repeat
    async with store.changing(scope) as work:
        await work.office.reminders.release(["k1"], lease_end, lease_end)  # the first lease, which is over
    assert await claim("m3", lease_end) is None
    async with store.changing(scope) as work:
        await work.office.reminders.release(["k1"], lease_end + timedelta(minutes=5), lease_end)
    assert await claim("m4", lease_end) == repeat
    async with store.changing(scope) as work:
        await work.office.reminders.confirm(["k1"])
    assert await claim("m5", NOW + timedelta(days=29)) is None


async def test_days_are_put_over_and_removed(store: SqlOfficeStore) -> None:
    flood = CalendarDay(day=date(2026, 11, 25), kind=DayKind.HOLIDAY, name="Flood")
    swap = CalendarDay(day=date(2026, 11, 21), kind=DayKind.WORKDAY, name="Instead")
    await store.calendar.save([flood, swap], NOW, "prn_1")
    await store.calendar.save([replace(flood, name="Storm")], NOW, "prn_1")

    assert await store.calendar.days() == [swap, replace(flood, name="Storm")]
    assert await store.calendar.remove(swap.day, NOW, "prn_1")
    assert not await store.calendar.remove(swap.day, NOW, "prn_1")
    assert [d.name for d in await store.calendar.days()] == ["Storm"]
    node = AgencyScope(agency_id=NODE, principal_id="")
    async with store.begin(node) as work:
        events = await work.events.of_subject("calendar")
    assert [str(d.kind) for d in events] == ["calendar.set", "calendar.set", "calendar.removed"]
    assert {d.principal_id for d in events} == {"prn_1"}
    assert [d["name"] for d in events[0].data["days"]] == ["Flood", "Instead"]
    assert events[2].data["day"] == "2026-11-21"


async def test_the_list_reads_by_index_what_is_open_however_long_the_history(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    document, many = outgoing(clock), 2000
    await stored(store, document)
    documents = [replace(incoming(clock), state=InState.DONE) for _ in range(many)]
    sent = [replace(delivery(document, "Z91.02", "done"), id=f"dlv-{n}") for n in range(many)]
    envelopes = [outbox_item(clock, kind=Kind.STATUS, state="sent") for _ in range(many)]
    fact = Fact(track=Track.BUSINESS, code="03", at=NOW)
    await fill(store, IncomingRow, [incoming_row(d).values() for d in documents])
    await fill(store, DeliveryRow, [delivery_row(d, 1).values() for d in sent])
    await fill(store, OutboxRow, [outbox_row(d).values() for d in envelopes])
    file = WorkFile(
        id="",
        code="",
        title="",
        kind=FileKind.USUAL,
        year=2026,
        closed_on=NOW.date(),
        owner="",
        archived_on=NOW.date(),
    )
    files = [replace(file, id=f"fil-{n}", code=str(n)) for n in range(many)]
    rows = [WorkFileRow.from_value(f, agency_id=NORTH.agency_id).values() for f in files]
    await fill(store, WorkFileRow, rows)
    await fill(store, FactRow, [fact_row(NORTH.agency_id, d.id, fact).values() for d in documents])

    parameters = {"agency": NORTH.agency_id, "most": 100}
    plans = {
        "ix_incoming_state": await plan(store, todo.TO_TAKE_IN, state="new", **parameters),
        "ix_incoming_reply_by": await plan(store, todo.REPLIES, by=date(2026, 11, 23), **parameters),
        "ix_fact_asked": await plan(store, todo.WITH_REQUESTS, since=NOW, **parameters),
        "ix_delivery_returned": await plan(store, todo.BACK, since=NOW, **parameters),
        "ix_delivery_marked": await plan(store, todo.LEFT, since=NOW, **parameters),
        "ix_outgoing_state": await plan(store, todo.UNSENT, state="draft", **parameters),
        "ix_work_file_open": await plan(store, work_files.CLOSED_FILES, since=NOW.date(), **parameters),
    }
    silent = await plan(store, todo.PENDING, since=NOW, until=NOW, **parameters)

    # A table of one row is read whole by a server, whatever its indexes.
    assert [name for name, how in plans.items() if name not in how] in ([], ["ix_outgoing_state"]), plans
    assert "ix_outbox_state" in silent or "ix_outbox_claim" in silent, silent
