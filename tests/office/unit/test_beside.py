"""Background tasks of pages end before their store and pool are closed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.errors import StoreFailure
from gateway_labs.demo import stage
from gateway_office.bootstrap.office import open_office
from gateway_office.services import BackgroundTasks, background_tasks
from tests.support.waiting import LIMIT_S


async def test_what_goes_on_ends_with_its_node_and_whatever_it_holds_is_given_back(tmp_path: Path) -> None:
    settings, reads = stage.settings_for(tmp_path), asyncio.Event()
    await stage.prepare(settings, SystemClock())
    counts: list[int] = []

    async with asyncio.timeout(LIMIT_S), open_office(settings) as node:

        async def look() -> None:
            try:
                async with node.store.reading():
                    reads.set()
                    await asyncio.Event().wait()
            finally:
                counts.append(len(await node.store.hosted()))

        going_on = node.background.begin(look())
        await reads.wait()

    assert going_on.cancelled()
    assert len(counts) == 1  # the database was still there


async def test_what_begins_while_it_stops_is_stopped_too() -> None:
    begun: list[asyncio.Task[None]] = []

    async def another() -> None:
        await asyncio.Event().wait()

    async def wait_and_begin() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            begun.append(tasks.begin(another()))

    async with asyncio.timeout(LIMIT_S), background_tasks() as tasks:
        tasks.begin(wait_and_begin())
        await asyncio.sleep(0)

    assert [task.cancelled() for task in begun] == [True]


async def test_what_goes_wrong_is_told_to_who_waits_and_to_who_asked_to_hear_of_it() -> None:
    async def fails() -> int:
        raise StoreFailure("the disk is full")

    tasks, errors = BackgroundTasks(), list[BaseException]()

    with pytest.raises(StoreFailure):
        await tasks.begin(fails(), errors.append)
    assert [str(error) for error in errors] == ["the disk is full"]
