"""Units, parts of their persons, and comments come back to their own agency alone, on either database; a part ends once,
also when two end one at the same moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta

import pytest

from gateway.domain.comments import Comment
from gateway.domain.document import IncomingDocument
from gateway.domain.handling import PartState, Share, Unit, UnitPart
from gateway.errors import Clash, NotFound
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, incoming, refused, seed_incoming

UNIT = Unit(id="unt_1", name="Phòng Tổng hợp")


def part(clock: ManualClock, document: IncomingDocument, **changes: object) -> UnitPart:
    unit_part = UnitPart(
        id=clock.new_id("prt_"),
        document_id=document.id,
        unit=UNIT.name,
        is_lead=False,
        deadline=None,
        given_by="prn_head",
        given_at=clock.now(),
    )
    return replace(unit_part, **changes)  # type: ignore[arg-type]  # fields of a part


async def test_a_unit_is_one_agencys_and_its_name_is_taken_once(store: SqlStore) -> None:
    below = Unit(id="unt_2", name="Tổ Một", parent_id=UNIT.id, position=1)
    async with committing(store) as work:
        await work.units.add(UNIT)
        await work.units.add(below)
    async with committing(store, SOUTH) as work:
        await work.units.add(UNIT)

    async with refused(store, NORTH, Clash) as work:
        await work.units.add(Unit(id="unt_3", name="PHÒNG TỔNG HỢP"))
    async with store.read(NORTH) as work:
        assert list(await work.units.all()) == [UNIT, below]
        with pytest.raises(NotFound):
            await work.units.get("unt_3")
    async with store.read(SOUTH) as work:
        assert list(await work.units.open()) == [UNIT]


async def test_open_parts_follow_a_rename_and_ended_ones_keep_their_name(
    store: SqlStore, clock: ManualClock
) -> None:
    document = await seed_incoming(store, incoming(clock))
    async with committing(store) as work:
        await work.units.add(UNIT)
        await work.parts.add(part(clock, document))
        await work.parts.add(part(clock, document, state=PartState.DONE))

    async with committing(store) as work:
        renamed = await work.units.rename(UNIT, "Phòng Nội vụ")
        renamed_back = await work.units.rename(renamed, UNIT.name)
        last = await work.units.rename(renamed_back, "Phòng Nội vụ")

    async with store.read(NORTH) as work:
        assert await work.units.get(UNIT.id) == last
        parts = (await work.parts.of_documents([document.id]))[document.id]
    assert (last.name, last.former) == ("Phòng Nội vụ", (UNIT.name,))
    assert renamed_back.former == ("Phòng Nội vụ",)
    assert {(p.state, p.unit, p.key) for p in parts} == {
        (PartState.OPEN, "Phòng Nội vụ", "phong noi vu"),
        (PartState.DONE, UNIT.name, UNIT.key),
    }


async def test_a_share_finds_parts_of_the_unit_of_the_person_and_of_all_whom_it_leads(
    store: SqlStore, clock: ManualClock
) -> None:
    document = await seed_incoming(store, incoming(clock))
    of_unit, own = part(clock, document), part(clock, document, person_id="prn_1")
    other = part(clock, document, person_id="prn_2", is_informed=True)
    async with committing(store) as work:
        for new in (of_unit, own, other):
            await work.parts.add(new)
    key = frozenset({UNIT.key})

    async def find_ids(share: Share) -> set[str]:
        async with store.read(NORTH) as work:
            return {p.id for p, _ in await work.parts.open_of(share, 9)}

    assert await find_ids(Share(units=key, persons=frozenset({"prn_1"}))) == {of_unit.id, own.id}
    assert await find_ids(Share(leading=key)) == {of_unit.id, own.id, other.id}
    assert await find_ids(Share(persons=frozenset({"prn_2"}))) == {other.id}
    assert await find_ids(Share()) == set()
    async with store.read(NORTH) as work:
        late = await work.parts.overdue(clock.now().date(), clock.now() + timedelta(days=1), 9)
    assert {p.id for p, _ in late} == {of_unit.id, own.id}


async def test_comments_are_unread_by_who_has_seen_the_letter_before_them(
    store: SqlStore, clock: ManualClock
) -> None:
    document = await seed_incoming(store, incoming(clock))
    async with committing(store) as work:
        await work.comments.mark_read(document.id, "prn_1", clock.now())
        await work.comments.mark_read(document.id, "prn_2", clock.now())
    seen_at = clock.now()
    clock.advance(60)
    comment = Comment(
        id="cmt_1", document_id=document.id, person_id="prn_1", at=clock.now(), text="Cần họp trước thứ Sáu"
    )
    async with committing(store) as work:
        await work.comments.add(comment)

    async with store.read(NORTH) as work:
        unread = [list(await work.comments.unread_by(id, 9)) for id in ("prn_1", "prn_2", "prn_3")]
        assert list(await work.comments.of_document(document.id, 9)) == [comment]
    assert unread == [[], [comment], []]
    async with store.read(SOUTH) as work:
        assert list(await work.comments.of_document(document.id, 9)) == []

    clock.advance(60)
    async with committing(store) as work:
        await work.comments.mark_read(document.id, "prn_2", clock.now())
        await work.comments.mark_read(document.id, "prn_2", seen_at)
    async with store.read(NORTH) as work:
        assert list(await work.comments.unread_by("prn_2", 9)) == []
        readers = [(s.person_id, s.at) for s in await work.comments.readers_of(document.id)]
    assert readers == [("prn_1", seen_at), ("prn_2", seen_at)]

    async with committing(store) as work:
        await work.comments.remove_of(document.id)
    async with store.read(NORTH) as work:
        assert list(await work.comments.of_document(document.id, 9)) == []
        assert list(await work.comments.readers_of(document.id)) == []


async def add_dated_part(store: SqlStore, clock: ManualClock) -> UnitPart:
    document = await seed_incoming(store, incoming(clock))
    clock.advance(timedelta(days=2))  # given later than it came
    unit_part = part(clock, document, is_lead=True, deadline=date(2026, 11, 27))
    undated = part(clock, document, unit="Phòng Tài chính")
    async with committing(store) as work:
        await work.parts.add(undated)
        await work.parts.add(unit_part)
    return unit_part


async def test_parts_come_back_to_their_own_agency_alone_and_of_two_who_end_one_one_is_too_late(
    store: SqlStore, clock: ManualClock
) -> None:
    unit_part = await add_dated_part(store, clock)

    async with store.read(NORTH) as work:
        every = await work.parts.open_of(None, 9)
        theirs = await work.parts.open_of(Share(units=frozenset({unit_part.key})), 9)
        parts = (await work.parts.of_documents([unit_part.document_id]))[unit_part.document_id]
    async with store.read(SOUTH) as work:
        open_parts = await work.parts.open_of(None, 9)

    async with store.read(NORTH) as work:
        arrived_at = (await work.incoming.get(unit_part.document_id)).arrived_at
        soon = await work.parts.overdue(date(2026, 11, 26), arrived_at, 9)
        late = await work.parts.overdue(date(2026, 11, 27), arrived_at, 9)
        undated = await work.parts.overdue(date(2026, 11, 26), arrived_at + timedelta(seconds=1), 9)

    assert [[part.unit for part, _ in rows] for rows in (soon, late, undated)] == [
        [],
        ["Phòng Tổng hợp"],
        ["Phòng Tài chính"],
    ]
    assert [(part.unit, document.id) for part, document in every] == [
        ("Phòng Tổng hợp", unit_part.document_id),
        ("Phòng Tài chính", unit_part.document_id),
    ]
    assert [part for part, _ in theirs] == [unit_part]
    assert {part.id for part in parts} == {part.id for part, _ in every}
    assert list(open_parts) == []

    async def end(state: PartState) -> None:
        async with committing(store) as work:
            await work.parts.change_open(
                replace(unit_part, state=state, ended_by="prn_x", ended_at=clock.now(), why="x")
            )

    outcomes = await asyncio.gather(end(PartState.RETURNED), end(PartState.DONE), return_exceptions=True)

    assert [type(rows) for rows in outcomes if rows is not None] == [Clash]
