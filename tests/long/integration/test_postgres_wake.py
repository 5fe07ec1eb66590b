"""Rings between processes on one PostgreSQL: heard again after the line broke, and none is untold. What either
database does: tests/contract/test_wake.py."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection

import asyncpg
import pytest

from gateway.office.store.store import SqlOfficeStore
from gateway.store.wake import ANY, GATHER_S
from tests.support.clock import ManualClock
from tests.support.ear import Ear, listening
from tests.support.stores import opened, with_agencies


@pytest.fixture
async def one(migrated_postgres_url: str, clock: ManualClock) -> AsyncIterator[SqlOfficeStore]:
    async with with_agencies(migrated_postgres_url, clock) as store:
        yield store


@pytest.fixture
async def two(migrated_postgres_url: str, clock: ManualClock) -> AsyncIterator[SqlOfficeStore]:
    async with opened(migrated_postgres_url, clock) as store:
        yield store


async def test_after_the_line_broke_everybody_looks_and_rings_are_heard_again(
    one: SqlOfficeStore, two: SqlOfficeStore, migrated_postgres_url: str
) -> None:
    there = await listening(two)
    there.names.clear()
    admin = await asyncpg.connect(migrated_postgres_url)

    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await admin.close()
    await there.until(ANY)
    one.wake.ring("packer")

    await there.until("packer")


async def test_nothing_is_told_while_nobody_listens_and_whoever_begins_to_is_told_at_once(
    one: SqlOfficeStore, two: SqlOfficeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, told = asyncpg.Connection.execute, list[object]()

    async def heard(line: asyncpg.Connection, query: str, *args: object, **how: object) -> str:
        if "pg_notify" in query:
            told.append(args[-1])
        said: str = await execute(line, query, *args, **how)
        return said

    monkeypatch.setattr(asyncpg.Connection, "execute", heard)
    here = await listening(one)
    for n in range(5):
        one.wake.ring(f"unheard{n}")
        await asyncio.sleep(2 * GATHER_S)
    assert told == []

    there = await listening(two)
    two.wake.ring("hello")
    await here.until("hello")  # so the other is known here
    one.wake.ring("packer")

    await there.until("packer")
    assert "packer" in told


async def test_a_name_that_is_rung_while_it_is_being_told_is_told_once_more(
    one: SqlOfficeStore, two: SqlOfficeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work behind the second ring may have been committed after the other process had looked for the first."""
    there = await listening(two)
    execute, rung = asyncpg.Connection.execute, asyncio.Event()

    async def slowly(line: asyncpg.Connection, query: str, *args: object, **how: object) -> str:
        said: str = await execute(line, query, *args, **how)
        if "pg_notify" in query and not rung.is_set():
            rung.set()
            one.wake.ring("packer")
        return said

    monkeypatch.setattr(asyncpg.Connection, "execute", slowly)
    one.wake.ring("packer")
    await there.until("packer")
    there.names.remove("packer")

    await there.until("packer")


async def test_what_could_not_be_told_is_told_over_the_next_line(
    one: SqlOfficeStore, two: SqlOfficeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = await listening(two)
    execute, broke = asyncpg.Connection.execute, asyncio.Event()

    async def badly(line: asyncpg.Connection, query: str, *args: object, **how: object) -> str:
        if "pg_notify" in query and not broke.is_set():
            broke.set()
            raise ConnectionResetError
        said: str = await execute(line, query, *args, **how)
        return said

    monkeypatch.setattr(asyncpg.Connection, "execute", badly)
    one.wake.ring("packer")

    await there.until("packer")
    assert broke.is_set()


async def test_a_line_that_died_of_something_unforeseen_is_said_and_replaced_at_the_next_ring(
    one: SqlOfficeStore, two: SqlOfficeStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    died = asyncio.Event()

    def trips(names: Collection[str]) -> None:
        if ANY in names and not died.is_set():
            died.set()
            raise RuntimeError("a listener broke")

    two.wake.listen(trips)
    there = Ear(two)
    async with asyncio.timeout(60):
        while not caplog.records:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0)

    two.wake.ring("own")
    await there.until(ANY)
    one.wake.ring("packer")

    await there.until("packer")
    assert [getattr(record, "action", "") for record in caplog.records] == ["wake.broke"]
