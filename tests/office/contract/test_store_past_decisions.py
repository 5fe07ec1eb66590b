"""Past assignments are read from the rows of lists and the parts of units, on either database: of one agency and a year,
the newest letters first, without what was handed back, sealed or recalled."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.handling import PartState, UnitPart
from gateway.domain.text import name_key
from gateway.domain.wall_clock import local
from gateway_office.accounts import tags_and_views
from gateway_office.policy.suggestions import PastDecision, receiver_key
from gateway_office.store.store import SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, incoming, seed_incoming

FINANCE, PLANNING = "phong tai chinh", "phong ke hoach"


async def assigned(
    store: SqlOfficeStore,
    clock: ManualClock,
    unit: str,
    *,
    scope: AgencyScope = NORTH,
    part_state: PartState = PartState.OPEN,
    deadline: date | None = None,
    **fields: Any,
) -> IncomingDocument:
    """Seed a letter that was assigned to the unit; each one is a minute younger."""
    clock.advance(60)
    letter = await seed_incoming(store, incoming(clock, scope=scope, **{"state": InState.ASSIGNED} | fields))
    part = UnitPart(
        id=clock.new_id("prt_"),
        document_id=letter.id,
        unit=unit,
        is_lead=True,
        deadline=deadline,
        given_by="prn_head",
        given_at=clock.now(),
        state=part_state,
    )
    async with committing(store, scope) as work:
        await work.parts.add(part)
        await work.parts.add(replace(part, id=clock.new_id("prt_"), is_lead=False, unit="another one"))
    while await store.fold_lists(100):
        pass
    return letter


async def newest(store: SqlOfficeStore, at: datetime, limit: int = 10) -> list[PastDecision]:
    async with store.read(NORTH) as work:
        return [*await work.office.past.newest(at, limit)]


async def test_decisions_of_the_agency_are_read_the_newest_first(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    today = local(clock.now()).date()
    first = await assigned(
        store,
        clock,
        FINANCE,
        deadline=today + timedelta(days=5),
        sender_name="Sở Tài chính",
        subject="Dự toán",
    )
    second = await assigned(store, clock, PLANNING, part_state=PartState.DONE)
    await assigned(store, clock, PLANNING, scope=SOUTH)

    newer, older = await newest(store, clock.now())

    assert (newer.document_id, newer.choice, newer.days) == (second.id, receiver_key(PLANNING, None), None)
    assert (older.document_id, older.choice, older.days) == (first.id, receiver_key(FINANCE, None), 5)
    assert older.party == name_key("Sở Tài chính")
    assert " du toan " in older.words
    assert await newest(store, clock.now(), 1) == [newer]
    clock.advance(367 * 86_400)
    assert await newest(store, clock.now()) == []


async def test_what_was_handed_back_or_left_the_office_is_no_decision(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    for state in (PartState.RETURNED, PartState.SETTLED, PartState.CHANGED):
        await assigned(store, clock, FINANCE, part_state=state)
    for own in (InState.RECALLED, InState.REPLACED, InState.ACCEPTED):
        await assigned(store, clock, FINANCE, state=own)
    letter = await assigned(store, clock, FINANCE)
    assert [d.document_id for d in await newest(store, clock.now())] == [letter.id]

    async with committing(store) as work:
        stored = await work.incoming.get(letter.id)
        await work.incoming.save(replace(stored, state=InState.SEALED))

    # At once, before rows of lists are written.
    assert await newest(store, clock.now()) == []


async def test_labels_of_assigned_letters_are_decisions_and_so_is_a_letter_without_one(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    bare = await assigned(store, clock, FINANCE, subject="Hội nghị")
    marked = await assigned(store, clock, FINANCE, subject="Dự toán", sender_name="Sở Tài chính")
    await seed_incoming(store, incoming(clock, state=InState.NEW))
    other = await assigned(store, clock, FINANCE, scope=SOUTH)
    await tags_and_views.put_tag(store, clock, NORTH, "Ngân sách", marked.id)
    await tags_and_views.put_tag(store, clock, SOUTH, "Ngân sách", other.id)

    async with store.read(NORTH) as work:
        (tag,) = await work.office.tags.all()
        newer, older = await work.office.past.newest_labels(clock.now(), 10)

    assert (newer.document_id, newer.choice, newer.days) == (marked.id, tag.id, None)
    assert newer.party == name_key("Sở Tài chính")
    assert " du toan " in newer.words
    assert (older.document_id, older.choice) == (bare.id, "")
