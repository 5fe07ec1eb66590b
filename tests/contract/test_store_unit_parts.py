"""The parts of units: each agency's own, ended once, also when two end one at the same moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta

from gateway.domain.handling import PartState, UnitPart
from gateway.errors import Clash
from gateway.office.store.store import SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, incoming, seed_incoming


async def given(store: SqlOfficeStore, clock: ManualClock) -> UnitPart:
    document = await seed_incoming(store, incoming(clock))
    clock.advance(timedelta(days=2))  # given later than it came
    made = UnitPart(
        id=clock.new_id("prt_"),
        document_id=document.id,
        unit="Phòng Tổng hợp",
        is_lead=True,
        deadline=date(2026, 11, 27),
        given_by="prn_head",
        given_at=clock.now(),
    )
    undated = replace(made, id=clock.new_id("prt_"), unit="Phòng Tài chính", is_lead=False, deadline=None)
    async with committing(store) as work:
        await work.parts.add(undated)
        await work.parts.add(made)
    return made


async def test_parts_come_back_to_their_own_agency_alone_and_of_two_who_end_one_one_is_too_late(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    made = await given(store, clock)

    async with store.read(NORTH) as work:
        every = await work.parts.open_of(None, 9)
        theirs = await work.parts.open_of({made.key}, 9)
        of = (await work.parts.of([made.document_id]))[made.document_id]
    async with store.read(SOUTH) as work:
        others = await work.parts.open_of(None, 9)

    async with store.read(NORTH) as work:
        came = (await work.incoming.get(made.document_id)).arrived_at
        soon = await work.parts.overdue(date(2026, 11, 26), came, 9)
        late = await work.parts.overdue(date(2026, 11, 27), came, 9)
        undated = await work.parts.overdue(date(2026, 11, 26), came + timedelta(seconds=1), 9)

    assert [[part.unit for part, _ in each] for each in (soon, late, undated)] == [
        [],
        ["Phòng Tổng hợp"],
        ["Phòng Tài chính"],
    ]
    assert [(part.unit, document.id) for part, document in every] == [
        ("Phòng Tổng hợp", made.document_id),
        ("Phòng Tài chính", made.document_id),
    ]
    assert [part for part, _ in theirs] == [made]
    assert {part.id for part in of} == {part.id for part, _ in every}
    assert list(others) == []

    async def end(state: PartState) -> None:
        async with committing(store) as work:
            await work.parts.end(replace(made, state=state, ended_by="prn_x", ended_at=clock.now(), why="x"))

    outcomes = await asyncio.gather(end(PartState.RETURNED), end(PartState.DONE), return_exceptions=True)

    assert [type(each) for each in outcomes if each is not None] == [Clash]
