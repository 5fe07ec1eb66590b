"""Writes rows of agency codes, and the records of their changes. In: a caller's transaction, the new rows. Out: the rows;
the rows before, kept as the belief of their time; the record of the change, which stays for ever; and the decisions
on which it rests that a successor speaks for an ended code. Imports, reforms, lists and held rows all write through it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, literal, null, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.identity import Digest
from gateway.domain.registry import RowSource
from gateway.domain.registry_change import RECORD_FIELDS, AgencyRecord, RegistryChange
from gateway.domain.text import fold
from gateway.registry.lookup import in_parts
from gateway.registry.tables import AGENCY, CHANGE, PERIOD, TAKEOVER
from gateway.store.row import value_of

CODES_KEPT = 500  # codes of each kind listed in the stored summary; its counts are complete
_ROW = tuple(
    name
    for name in PERIOD.c.keys()  # noqa: SIM118 - a collection of columns, not a mapping
    if name not in ("id", "until", "believed_from", "believed_to", "change_id")
)


async def keep_belief(
    connection: AsyncConnection, codes: Iterable[str], change_id: str, at: datetime
) -> None:
    """Store the present rows of these codes, which are about to change, as the belief until `at`."""
    for part in in_parts(list(codes)):
        columns = [AGENCY.c[name] for name in _ROW]
        query = select(
            (literal(f"{change_id}:") + AGENCY.c.code).label("id"),
            null().label("until"),
            *columns,
            AGENCY.c.updated_at.label("believed_from"),
            literal(at, PERIOD.c.believed_to.type).label("believed_to"),
            literal(change_id).label("change_id"),
        ).where(AGENCY.c.code.in_(part))
        names = ["id", "until", *_ROW, "believed_from", "believed_to", "change_id"]
        await connection.execute(insert(PERIOD).from_select(names, query))
        await asyncio.sleep(0)  # on SQLite nothing else here waits


async def record_change(connection: AsyncConnection, change: RegistryChange) -> None:
    """Store the record of a change for ever, in the caller's transaction."""
    await connection.execute(
        insert(CHANGE).values(
            id=change.id,
            at=change.at,
            by_principal=change.by,
            source_digest=change.source_digest,
            summary=json.dumps(change.summary, ensure_ascii=False),
        )
    )


def to_change(row: Row[Any]) -> RegistryChange:
    """Return a change from its stored row."""
    values = {"source_digest": Digest(row.source_digest), "summary": json.loads(row.summary)}
    return value_of(RegistryChange, row, by=row.by_principal, **values)


def row_values(agency: AgencyRecord, source: RowSource, at: datetime) -> dict[str, Any]:
    """Return all columns of a row for this record."""
    return {name: getattr(agency, name) for name in RECORD_FIELDS} | {
        "folded": fold(agency.name),
        "source": source.value,
        "check_note": None,
        "updated_at": at,
    }


async def update_rows(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Update the row of each code with these columns, which are the same for all rows."""
    if rows:
        statement = (
            update(AGENCY)
            .where(AGENCY.c.code == bindparam("_code"))
            .values({name: bindparam(f"_{name}") for name in rows[0] if name != "code"})
        )
        values = [{f"_{name}": value for name, value in row.items()} for row in rows]
        await connection.execute(statement, values)


async def lock_table(connection: AsyncConnection, table: str) -> None:
    """Lock the table against other writers until the transaction ends. SQLite needs no lock, because it has one writer."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"))


async def note_takeovers(
    connection: AsyncConnection, records: Iterable[AgencyRecord], by: str, now: datetime
) -> None:
    """Store that the take-overs of these codes rest on this decision; a row that was changed since rests on nothing. A list
    of an issuer or of an axis alone writes none."""
    values = [
        {
            "code": r.code,
            "successor": r.successor,
            "by_id": by,
            "decision": r.decision or "",
            "at": now,
        }
        for r in records
        if r.successor is not None
    ]
    if values:
        await connection.execute(insert(TAKEOVER), values)


async def forget_takeovers(connection: AsyncConnection, by: str) -> None:
    """Remove the take-overs that rest on a decision, because it is undone."""
    await connection.execute(delete(TAKEOVER).where(TAKEOVER.c.by_id == by))
