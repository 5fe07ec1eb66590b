"""What was believed of a code, and what it was called on a day. In: a connection inside a transaction. Out: entries with
the name and parent of a day; beliefs of an earlier moment; a belief kept before it is changed. The present belief is the
row itself with its open periods (`reform_tables`)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, and_, insert, literal, null, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.registry import AgencyEntry
from gateway.registry.reform_tables import period_table
from gateway.registry.tables import agency_table, stored, to_entry

AGENCY, PERIOD = agency_table(), period_table()
AT_ONCE = 500
_ROW = tuple(
    name
    for name in PERIOD.c.keys()  # noqa: SIM118 - a collection of columns, not a mapping
    if name not in ("id", "until", "believed_from", "believed_to", "change_id")
)
_PRESENT = and_(PERIOD.c.believed_to.is_(None), PERIOD.c.until.is_not(None))


async def as_of(connection: AsyncConnection, entries: Sequence[AgencyEntry], on: date) -> list[AgencyEntry]:
    """The same entries, with the name and the parent that each had on that day."""
    found: dict[str, Row[Any]] = {}
    for part in _parts([entry.code for entry in entries]):
        query = (
            select(PERIOD.c.code, PERIOD.c.name, PERIOD.c.parent)
            .where(PERIOD.c.code.in_(part), _PRESENT, PERIOD.c.until >= on)
            .order_by(PERIOD.c.code, PERIOD.c.until.desc())
        )
        # The last one that is written for a code is the earliest that reaches the day.
        found |= {row.code: row for row in await connection.execute(query)}
    return [
        replace(entry, name=found[entry.code].name, parent=found[entry.code].parent)
        if entry.code in found
        else entry
        for entry in entries
    ]


async def once_named(connection: AsyncConnection, folded: str) -> list[str]:
    """Codes that had this name at some time, by the present belief."""
    query = select(PERIOD.c.code).where(PERIOD.c.folded == folded, _PRESENT).distinct().limit(AT_ONCE)
    return list((await connection.execute(query)).scalars())


async def once_named_so(connection: AsyncConnection, folded: Collection[str]) -> set[str]:
    """Those of these names that some code had at some time, by the present belief."""
    query = select(PERIOD.c.folded).where(PERIOD.c.folded.in_(folded), _PRESENT).distinct()
    return set((await connection.execute(query)).scalars())


async def with_periods(connection: AsyncConnection, codes: Collection[str], on: date) -> set[str]:
    """Those of these codes whose name or parent was another one on that day, or is until later."""
    found: set[str] = set()
    for part in _parts(codes):
        query = (
            select(PERIOD.c.code).where(PERIOD.c.code.in_(part), _PRESENT, PERIOD.c.until >= on).distinct()
        )
        found |= set((await connection.execute(query)).scalars())
    return found


async def once_below(connection: AsyncConnection, parent: str) -> list[str]:
    """Codes that stood under this one at some time other than the last."""
    query = select(PERIOD.c.code).where(PERIOD.c.parent == parent, _PRESENT).distinct()
    return list((await connection.execute(query)).scalars())


async def believed(connection: AsyncConnection, code: str, on: date, at: datetime) -> AgencyEntry | None:
    """What we believed at that moment of a code on that day; None where we knew nothing of it then."""
    then = stored(at)
    query = select(PERIOD).where(
        PERIOD.c.code == code,
        PERIOD.c.believed_from <= then,
        or_(PERIOD.c.believed_to.is_(None), PERIOD.c.believed_to > then),
    )
    rows = (await connection.execute(query)).all()
    whole: Row[Any] | None = next((row for row in rows if row.until is None), None)
    if whole is None:
        present = select(AGENCY).where(AGENCY.c.code == code, AGENCY.c.updated_at <= then)
        whole = (await connection.execute(present)).first()
    if whole is None:
        return None
    earlier = sorted((row for row in rows if row.until is not None and on <= row.until), key=_until)
    entry = to_entry(whole)
    return replace(entry, name=earlier[0].name, parent=earlier[0].parent) if earlier else entry


async def keep(connection: AsyncConnection, codes: Iterable[str], change_id: str, at: datetime) -> None:
    """The rows of these codes are about to be changed: what they say is what was believed until now."""
    now = stored(at)
    for part in _parts(list(codes)):
        columns = [AGENCY.c[name] for name in _ROW]
        query = select(
            (literal(f"{change_id}:") + AGENCY.c.code).label("id"),
            null().label("until"),
            *columns,
            AGENCY.c.updated_at.label("believed_from"),
            literal(now, PERIOD.c.believed_to.type).label("believed_to"),
            literal(change_id).label("change_id"),
        ).where(AGENCY.c.code.in_(part))
        names = ["id", "until", *_ROW, "believed_from", "believed_to", "change_id"]
        await connection.execute(insert(PERIOD).from_select(names, query))
        await asyncio.sleep(0)  # on SQLite nothing else here waits


def _parts(codes: Collection[str]) -> Iterable[list[str]]:
    listed = list(codes)
    return (listed[start : start + AT_ONCE] for start in range(0, len(listed), AT_ONCE))


def _until(row: Row[Any]) -> date:
    until: date = row.until
    return until
