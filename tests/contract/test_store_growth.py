"""A server measures tables that have grown and were not measured yet; SQLite has figures once and for all."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import insert, text

from gateway.errors import StoreFailure
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRow, JobRow
from tests.support.clock import START
from tests.support.stores import NORTH
from tests.support.waiting import wait_until

_ENOUGH = 60


async def jobs(store: SqlStore, first: int, number: int) -> None:
    """Insert so many jobs; a server counts them a moment later."""
    rows = [
        {
            "agency_id": NORTH.agency_id,
            "id": f"job_{n}",
            "kind": "pack",
            "subject_id": f"out_{n}",
            "created_at": START,
            "not_before": START,
            "attempts": 0,
        }
        for n in range(first, first + number)
    ]
    async with store.writer.begin() as connection:
        await connection.execute(insert(JobRow), rows)


async def test_a_table_is_measured_when_it_is_young_and_each_time_it_has_doubled(
    store: SqlStore,
) -> None:
    growth = store.growth
    if growth is None:
        assert store.writer.dialect.name == "sqlite"
        return
    async with store.writer.begin() as connection:
        # The server's own turn would take it out of our hands.
        await connection.execute(text("ALTER TABLE job SET (autovacuum_enabled = false)"))
    measured: list[str] = []

    async def is_measured() -> bool:
        measured[:] = await growth.measure()
        return "job" in measured

    await jobs(store, 0, _ENOUGH)
    await wait_until(is_measured, "the young table is measured")
    assert await growth.measure() == []

    await jobs(store, _ENOUGH, _ENOUGH // 2)
    assert "job" not in await growth.measure()

    await jobs(store, 2 * _ENOUGH, _ENOUGH)
    await wait_until(is_measured, "the table that has doubled is measured")
    async with store.writer.connect() as connection:
        count = await connection.scalar(text("SELECT reltuples FROM pg_class WHERE relname = 'job'"))
    assert count == 2.5 * _ENOUGH


async def test_a_table_that_somebody_holds_keeps_no_other_from_being_measured(store: SqlStore) -> None:
    growth = store.growth
    if growth is None:
        assert store.writer.dialect.name == "sqlite"
        return
    blobs = [{"digest": f"{n:064x}", "size": 1, "stored_at": START, "head": b""} for n in range(_ENOUGH)]

    async def is_measured() -> bool:
        with suppress(StoreFailure):
            await growth.measure()
        async with store.writer.connect() as connection:
            return bool(
                await connection.scalar(text("SELECT reltuples > 0 FROM pg_class WHERE relname = 'job'"))
            )

    # A connection of its own from the start: a server counts what others wrote once they are in no transaction.
    async with store.writer.connect() as holder:
        async with store.writer.begin() as connection:
            for name in ("blob", "job"):
                await connection.execute(text(f"ALTER TABLE {name} SET (autovacuum_enabled = false)"))
            await connection.execute(insert(BlobRow), blobs)
        await jobs(store, 0, _ENOUGH)
        # As a VACUUM does, or a statement that makes an index beside the work.
        await holder.execute(text("LOCK TABLE blob IN SHARE UPDATE EXCLUSIVE MODE"))
        await wait_until(is_measured, "the other table is measured")
