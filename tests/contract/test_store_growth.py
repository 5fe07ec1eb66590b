"""A server measures tables that have grown while nobody has measured them yet; SQLite has figures once and for all."""

from __future__ import annotations

from sqlalchemy import insert, text

from gateway.office.store.store import SqlOfficeStore
from gateway.store.tables import JobRow
from tests.support.axis_rigs import until_told
from tests.support.clock import START
from tests.support.stores import NORTH

_ENOUGH = 60


async def jobs(store: SqlOfficeStore, first: int, number: int) -> None:
    """Stored; a server counts them a moment later."""
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
    store: SqlOfficeStore,
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
    await until_told(is_measured, "the young table is measured")
    assert await growth.measure() == []

    await jobs(store, _ENOUGH, _ENOUGH // 2)
    assert "job" not in await growth.measure()

    await jobs(store, 2 * _ENOUGH, _ENOUGH)
    await until_told(is_measured, "the table that has doubled is measured")
    async with store.writer.connect() as connection:
        known = await connection.scalar(text("SELECT reltuples FROM pg_class WHERE relname = 'job'"))
    assert known == 2.5 * _ENOUGH
