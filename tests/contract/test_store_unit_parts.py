"""The parts of units: each agency's own, ended once, also when two end one at the same moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta

from gateway.domain.handling import PartState, Share, UnitPart
from gateway.errors import Clash
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, incoming, seed_incoming


async def add_part(store: SqlStore, clock: ManualClock) -> UnitPart:
    document = await seed_incoming(store, incoming(clock))
    clock.advance(timedelta(days=2))  # given later than it came
    unit_part = UnitPart(
        id=clock.new_id("prt_"),
        document_id=document.id,
        unit="Phòng Tổng hợp",
        is_lead=True,
        deadline=date(2026, 11, 27),
        given_by="prn_head",
        given_at=clock.now(),
    )
    undated = replace(
        unit_part, id=clock.new_id("prt_"), unit="Phòng Tài chính", is_lead=False, deadline=None
    )
    async with committing(store) as work:
        await work.parts.add(undated)
        await work.parts.add(unit_part)
    return unit_part


async def test_parts_come_back_to_their_own_agency_alone_and_of_two_who_end_one_one_is_too_late(
    store: SqlStore, clock: ManualClock
) -> None:
    unit_part = await add_part(store, clock)

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
