"""The count of tasks on every page: kept for seconds, and gathered anew after an act."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from gateway.domain.account import AgencyScope
from gateway.domain.document import InState, Urgency
from gateway.domain.handling import Share
from gateway_office.todo import TaskCount
from tests.office.unit.todo.conftest import TodoOffice, share_of
from tests.support.stores import NORTH


async def test_it_is_gathered_once_for_some_seconds(office: TodoOffice) -> None:
    bell = TaskCount(office.services)
    assert (await bell.listed(NORTH)).tasks == ()
    await office.receive(urgency=Urgency.EXPRESS)

    assert (await bell.listed(NORTH)).tasks == ()
    assert await _count(bell, NORTH) == 0
    office.clock.advance(timedelta(seconds=11))
    assert len((await bell.listed(NORTH)).tasks) == 1
    assert await _count(bell, NORTH) == 1


async def test_whoever_acted_sees_what_is_left(office: TodoOffice) -> None:
    bell = TaskCount(office.services)
    arrived = await office.receive(urgency=Urgency.EXPRESS)
    assert len((await bell.listed(NORTH)).tasks) == 1
    async with office.change() as work:
        document = await work.incoming.get(arrived.id)
        await work.incoming.save(replace(document, state=InState.DONE))

    bell.stale("somebody-else")
    assert len((await bell.listed(NORTH)).tasks) == 1
    bell.stale(NORTH.agency_id)
    assert (await bell.listed(NORTH)).tasks == ()


async def test_a_unit_counts_its_own_list(office: TodoOffice) -> None:
    bell, unit = TaskCount(office.services), share_of("Phòng Mẫu")
    arrived = await office.receive(state=InState.PROCESSING)
    assert await _count(bell, NORTH, unit) == 0
    await office.give(arrived.id, unit="Phòng Mẫu", deadline=None)

    bell.stale(NORTH.agency_id)
    assert len((await bell.listed(NORTH, unit)).tasks) == 1
    assert await _count(bell, NORTH, unit) == 1
    assert await _count(bell, NORTH, share_of("Phòng Khác")) == 0
    assert await _count(bell, NORTH) == 0


async def _count(bell: TaskCount, scope: AgencyScope, share: Share | None = None) -> int:
    todo_list = await bell.latest(scope, share)
    assert todo_list is not None
    return len(todo_list.duties)
