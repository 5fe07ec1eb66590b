"""Rings between processes on one PostgreSQL: heard elsewhere, once, and again after the line broke."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection

import asyncpg
import pytest

from gateway.domain.event import EventKind
from gateway.office.store.store import SqlOfficeStore
from gateway.store.wake import ANY
from tests.support.clock import ManualClock
from tests.support.ear import Ear
from tests.support.stores import committing, opened, with_agencies


@pytest.fixture
async def one(migrated_postgres_url: str, clock: ManualClock) -> AsyncIterator[SqlOfficeStore]:
    async with with_agencies(migrated_postgres_url, clock) as store:
        yield store


@pytest.fixture
async def two(migrated_postgres_url: str, clock: ManualClock) -> AsyncIterator[SqlOfficeStore]:
    async with opened(migrated_postgres_url, clock) as store:
        yield store


async def test_a_ring_is_heard_in_another_process_and_only_once_at_home(
    one: SqlOfficeStore, two: SqlOfficeStore
) -> None:
    here, there = Ear(one), Ear(two)
    await here.until(ANY)
    await there.until(ANY)

    one.wake.ring("packer")
    two.wake.ring("back")

    await there.until("packer")
    await here.until("back")
    assert here.names.count("packer") == 1


async def test_rings_of_a_moment_come_together_and_none_is_missing(
    one: SqlOfficeStore, two: SqlOfficeStore
) -> None:
    there = Ear(two)
    await there.until(ANY)

    for n in range(200):
        one.wake.ring(f"bell{n}")

    await there.until(*(f"bell{n}" for n in range(200)))


async def test_a_reader_of_events_is_woken_by_the_sequencer_of_another_process(
    one: SqlOfficeStore, two: SqlOfficeStore, clock: ManualClock
) -> None:
    there = Ear(two)
    await there.until(ANY)
    waiting = asyncio.create_task(two.wait_events(3600))
    await asyncio.sleep(0)
    async with committing(one) as work:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "msg-1", clock.now())

    await one.number_events()

    await asyncio.wait_for(waiting, 60)


async def test_after_the_line_broke_everybody_looks_and_rings_are_heard_again(
    one: SqlOfficeStore, two: SqlOfficeStore, migrated_postgres_url: str
) -> None:
    there = Ear(two)
    await there.until(ANY)
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


async def test_a_name_that_is_rung_while_it_is_being_told_is_told_once_more(
    one: SqlOfficeStore, two: SqlOfficeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work behind the second ring may have been committed after the other process had looked for the first."""
    there = Ear(two)
    await there.until(ANY)
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
    there = Ear(two)
    await there.until(ANY)
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


async def test_a_command_that_ends_at_once_is_heard(two: SqlOfficeStore, migrated_postgres_url: str) -> None:
    there = Ear(two)
    await there.until(ANY)

    async with opened(migrated_postgres_url, ManualClock()) as short:
        short.wake.ring("packer")

    await there.until("packer")
