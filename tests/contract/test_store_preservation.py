"""Preservation orders in both databases: the open ones of an agency, and of no other agency; no order is added beside a
unit of work that drops content."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date

from gateway.domain.preservation import Extent, PreservationOrder
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH


def order(clock: ManualClock, agency_id: str) -> PreservationOrder:
    return PreservationOrder(
        id=clock.new_id("prs_"),
        agency_id=agency_id,
        extent=Extent(partner="Z91", since=date(2026, 1, 1)),
        reason="Thanh tra yêu cầu",
        decision="12/QĐ",
        by="prn_1",
        begun_at=clock.now(),
    )


async def test_open_orders_are_those_of_the_agency_that_have_not_ended(
    store: SqlStore, clock: ManualClock
) -> None:
    first, ended, foreign = (order(clock, s.agency_id) for s in (NORTH, NORTH, SOUTH))
    for scope, orders in ((NORTH, (first, ended)), (SOUTH, (foreign,))):
        async with store.changing(scope) as work:
            for new in orders:
                await work.preservation.add(new)
    async with store.changing(NORTH) as work:
        await work.preservation.save(replace(ended, ended_by="prn_2", ended_at=clock.now()))

    async with store.read(NORTH) as work:
        assert [o.id for o in await work.preservation.open()] == [first.id]
        page = await work.preservation.page(limit=1)
        following = await work.preservation.page(limit=1, cursor=page.next_cursor)
        assert {o.id for o in (*page.items, *following.items)} == {first.id, ended.id}
        assert await work.preservation.get(first.id) == first


async def test_no_order_is_added_while_a_unit_of_work_relies_on_there_being_none(
    store: SqlStore, clock: ManualClock
) -> None:
    steps = list[str]()

    async def add() -> None:
        async with store.changing(NORTH) as work:
            await work.preservation.add(order(clock, NORTH.agency_id))
        steps.append("added")

    async with store.changing(NORTH) as work:
        assert await work.preservation.open() == []
        adding = asyncio.create_task(add())
        # Without the lock it is added within milliseconds.
        await asyncio.wait([adding], timeout=0.5)
        steps.append("dropped")
    await adding
    assert steps == ["dropped", "added"]
