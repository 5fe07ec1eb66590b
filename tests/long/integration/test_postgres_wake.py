"""Rings between processes on one PostgreSQL: heard again after the line broke, and none is untold. What either
database does: tests/contract/test_wake.py."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection

import asyncpg
import pytest

from gateway.store.store import SqlStore
from gateway.store.wake import ANY, GATHER_S
from tests.support.clock import ManualClock
from tests.support.ear import Ear, listening
from tests.support.stores import opened, with_agencies


@pytest.fixture
async def store_a(migrated_postgres_url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
    async with with_agencies(migrated_postgres_url, clock) as store:
        yield store


@pytest.fixture
async def store_b(migrated_postgres_url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
    async with opened(migrated_postgres_url, clock) as store:
        yield store


async def test_after_the_line_broke_all_workers_look_and_later_rings_arrive(
    store_a: SqlStore, store_b: SqlStore, migrated_postgres_url: str
) -> None:
    ear = await listening(store_b)
    ear.names.clear()
    admin = await asyncpg.connect(migrated_postgres_url)

    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await admin.close()
    await ear.wait_for(ANY)
    store_a.wake.ring("packer")

    await ear.wait_for("packer")


async def test_nothing_is_told_while_nobody_listens_and_whoever_begins_to_is_told_at_once(
    store_a: SqlStore, store_b: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, names = asyncpg.Connection.execute, list[object]()

    async def log_query(line: asyncpg.Connection, query: str, *args: object, **how: object) -> str:
        if "pg_notify" in query:
            names.append(args[-1])
        status: str = await execute(line, query, *args, **how)
        return status

    monkeypatch.setattr(asyncpg.Connection, "execute", log_query)
    ear_a = await listening(store_a)
    for n in range(5):
        store_a.wake.ring(f"unheard{n}")
        await asyncio.sleep(2 * GATHER_S)
    assert names == []

    ear_b = await listening(store_b)
    store_b.wake.ring("hello")
    await ear_a.wait_for("hello")  # so the other is known here
    store_a.wake.ring("packer")

    await ear_b.wait_for("packer")
    assert "packer" in names


async def test_a_name_that_is_rung_while_it_is_being_told_is_told_once_more(
    store_a: SqlStore, store_b: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work behind the second ring may have been committed after the other process had looked for the first."""
    ear = await listening(store_b)
    execute, rung = asyncpg.Connection.execute, asyncio.Event()

    async def slowly(line: asyncpg.Connection, query: str, *args: object, **how: object) -> str:
        status: str = await execute(line, query, *args, **how)
        if "pg_notify" in query and not rung.is_set():
            rung.set()
            store_a.wake.ring("packer")
        return status

    monkeypatch.setattr(asyncpg.Connection, "execute", slowly)
    store_a.wake.ring("packer")
    await ear.wait_for("packer")
    ear.names.remove("packer")

    await ear.wait_for("packer")


async def test_what_could_not_be_told_is_told_over_the_next_line(
    store_a: SqlStore, store_b: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear = await listening(store_b)
    execute, broke = asyncpg.Connection.execute, asyncio.Event()

    async def badly(line: asyncpg.Connection, query: str, *args: object, **how: object) -> str:
        if "pg_notify" in query and not broke.is_set():
            broke.set()
            raise ConnectionResetError
        status: str = await execute(line, query, *args, **how)
        return status

    monkeypatch.setattr(asyncpg.Connection, "execute", badly)
    store_a.wake.ring("packer")

    await ear.wait_for("packer")
    assert broke.is_set()


async def test_a_line_that_died_of_something_unforeseen_is_said_and_replaced_at_the_next_ring(
    store_a: SqlStore, store_b: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    died = asyncio.Event()

    def trips(names: Collection[str]) -> None:
        if ANY in names and not died.is_set():
            died.set()
            raise RuntimeError("a listener broke")

    store_b.wake.listen(trips)
    ear = Ear(store_b)
    async with asyncio.timeout(60):
        while not caplog.records:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0)

    store_b.wake.ring("own")
    await ear.wait_for(ANY)
    store_a.wake.ring("packer")

    await ear.wait_for("packer")
    assert [getattr(record, "action", "") for record in caplog.records] == ["wake.broke"]
