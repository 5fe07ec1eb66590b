"""Loads the bundled list of level-1 codes (starter.csv) so that a new node knows ministries and provinces by name.
In: the file of this package. Out: rows of source `starter`, once; they only warn, never refuse (R48), and never
replace an imported row; those of an earlier list are brought up to date. What was dissolved in 2025 is closed, with its
successor where the list has one. Their check note says what a person must still confirm (R83)."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import date
from importlib import resources

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.identity import Digest
from gateway.domain.registry import RowSource
from gateway.domain.registry_change import AgencyRecord, RegistryChange
from gateway.ports import Clock
from gateway.registry.importing import alone, record_change, row_values
from gateway.registry.tables import agency_table, change_table

LOADED_BY = "starter"
_CODES = select(agency_table().c.code, agency_table().c.source)


async def load(writer: AsyncEngine, clock: Clock) -> int:
    """How many rows were written, added or brought up to date: none when this list was loaded before."""
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
        known = {each.code: each.source for each in await connection.execute(_CODES)}
        values = {
            row["code"]: row_values(_record(row), RowSource.STARTER, now) | {"check_note": row["check_note"]}
            for row in _rows(raw)
        }
        added = [each for code, each in values.items() if code not in known]
        changed = [code for code in values if known.get(code) == RowSource.STARTER]
        if added:
            await connection.execute(insert(agency), added)
        for code in changed:
            await connection.execute(update(agency).where(agency.c.code == code).values(values[code]))
        summary: dict[str, object] = {
            "added": len(added),
            "changed": len(changed),
            "unchanged": len(known) - len(changed),
        }
        await record_change(
            connection,
            RegistryChange(id=clock.new_id(), at=now, by=LOADED_BY, source_digest=digest, summary=summary),
        )
    return len(added) + len(changed)


def _rows(raw: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8"))))


def _record(row: dict[str, str]) -> AgencyRecord:
    return AgencyRecord(
        code=row["code"],
        name=row["name"],
        valid_to=date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
        successor=row["successor"] or None,
        decision=row["decision"],
    )
