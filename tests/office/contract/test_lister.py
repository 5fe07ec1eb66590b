"""Rows of lists are written for many changes together: so many documents at once, whatever each of them went through, soon
after the last change, and sooner where much changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from gateway.domain.document import OutState
from gateway.store.tables_office import ListChangeRow, ListRow
from gateway.workers.loop import StepResult
from gateway_office import lister as listers
from gateway_office.lister import Lister
from gateway_office.store import store as stores
from gateway_office.store.store import SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, outgoing, stored
from tests.support.waiting import within_limit


async def _counted(store: SqlOfficeStore) -> tuple[int, int]:
    """Count the marks that wait, and the rows that are written."""
    async with store.reading() as tx:
        ((marks,),) = await tx.tuples(select(func.count()).select_from(ListChangeRow))
        ((rows,),) = await tx.tuples(select(func.count()).select_from(ListRow))
    return marks, rows


async def _changed(store: SqlOfficeStore, clock: ManualClock, documents: int, times: int) -> None:
    for n in range(documents):
        scope = (NORTH, SOUTH)[n % 2]
        document = outgoing(clock, scope=scope)
        await stored(store, document, scope=scope)
        for _ in range(times):
            async with committing(store, scope) as work:
                current = await work.outgoing.get(document.id)
                await work.outgoing.save(replace(current, state=OutState.BLOCKED))


async def test_so_many_documents_are_written_at_once_however_often_each_changed(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    await _changed(store, clock, documents=5, times=2)
    assert await _counted(store) == (15, 0)

    assert [await store.fold_lists(2) for _ in range(3)] == [True, True, False]

    assert await _counted(store) == (0, 5)


async def test_what_changes_within_a_moment_is_written_together_and_then_the_loop_waits(
    store: SqlOfficeStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listers, "GATHER_S", 0.0)
    lister = Lister()
    while lister.is_due(clock.now()):  # rows older than lists, and figures
        await lister.step(store, clock)
    await _changed(store, clock, documents=3, times=1)

    assert await lister.step(store, clock) is StepResult.ALL

    assert await _counted(store) == (0, 3)
    assert not await lister.step(store, clock)


async def test_where_much_changes_nobody_waits_for_the_moment_to_end(
    store: SqlOfficeStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listers, "GATHER_S", 3_600.0)
    monkeypatch.setattr(stores, "_MANY_CHANGES", 4)
    await _changed(store, clock, documents=1, times=0)
    step = asyncio.create_task(Lister().step(store, clock))
    await asyncio.sleep(0)

    await _changed(store, clock, documents=3, times=0)

    await within_limit(step, "rows are written")
    assert await _counted(store) == (0, 4)
