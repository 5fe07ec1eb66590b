"""Loads the bundled list of level-1 codes (starter.csv) so that a new node knows ministries and provinces by name.
In: the file of this package. Out: rows of source `starter`, once; they only warn, never refuse (R48), and never
replace an imported row. Their check note says what a person must still confirm (R83)."""

from __future__ import annotations

import csv
import hashlib
import io
from importlib import resources

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.identity import Digest
from gateway.domain.registry import RowSource
from gateway.domain.registry_change import AgencyRecord, RegistryChange
from gateway.ports import Clock
from gateway.registry.importing import alone, record_change, row_values
from gateway.registry.tables import agency_table, change_table

LOADED_BY = "starter"


async def load(writer: AsyncEngine, clock: Clock) -> int:
    """How many rows were written: none when this list was loaded before."""
    raw = resources.files("gateway.registry").joinpath("starter.csv").read_bytes()
    digest, now = Digest(hashlib.sha256(raw).hexdigest()), clock.now()
    agency, change = agency_table(), change_table()
    async with writer.begin() as connection:
        await alone(connection, "agency")
        loaded = select(change.c.id).where(
            change.c.source_digest == digest, change.c.by_principal == LOADED_BY
        )
        if (await connection.execute(loaded)).first() is not None:
            return 0
        known = set((await connection.execute(select(agency.c.code))).scalars())
        rows = [row for row in _rows(raw) if row["code"] not in known]
        values = [
            row_values(_record(row), RowSource.STARTER, now) | {"check_note": row["check_note"]}
            for row in rows
        ]
        if values:
            await connection.execute(insert(agency), values)
        summary: dict[str, object] = {"added": len(rows), "unchanged": len(known)}
        await record_change(
            connection,
            RegistryChange(id=clock.new_id(), at=now, by=LOADED_BY, source_digest=digest, summary=summary),
        )
    return len(rows)


def _rows(raw: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8"))))


def _record(row: dict[str, str]) -> AgencyRecord:
    return AgencyRecord(code=row["code"], name=row["name"], decision=row["decision"])
