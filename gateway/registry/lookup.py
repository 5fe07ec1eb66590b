"""Queries the `agency` table, each query one statement, and the belief about a code: what the registry says, or said at
an earlier moment, of its name and parent on a day. In: a connection and the text to find, or a moment. Out: entries.
Exact queries use an index whatever the size of the table; candidates for a nearest match are a bounded range. Whether an
entry is in force is judged by `resolving`.

The present belief is the row itself with its open periods (`tables`); it is stored before a change overwrites it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.registry import AgencyCode, AgencyEntry, Hosting, RowSource
from gateway.domain.text import fold
from gateway.registry.tables import AGENCY, PERIOD, host_on, to_entry

CANDIDATES = 200  # most rows of each kind considered for a nearest match
ROWS_AT_ONCE = 1000  # rows of a long list read between two turns of the event loop
_AFTER_ALL = "\uffff"  # sorts after every letter of a code or a folded name
_NAME_PREFIX = 6  # letters that a misspelt name must still share with its row
CODES_AT_ONCE = 500
_PRESENT = and_(PERIOD.c.believed_to.is_(None), PERIOD.c.until.is_not(None))


async def by_code(connection: AsyncConnection, code: str) -> AgencyEntry | None:
    return await _first_entry(connection, code_query(code))


async def by_alias(connection: AsyncConnection, alias: str) -> AgencyEntry | None:
    return await _first_entry(connection, alias_query(alias))


async def by_name(connection: AsyncConnection, name: str, parent: str | None) -> Sequence[AgencyEntry]:
    """Return entries that have or had exactly this name, accents and case ignored; only those under `parent` where it is
    given."""
    entries = await _all(connection, name_query(name, parent))
    once = await once_named(connection, fold(name))
    if not once:
        return entries
    query = select(AGENCY).where(AGENCY.c.code.in_(once)).order_by(AGENCY.c.code)
    query = query if parent is None else query.where(AGENCY.c.parent == parent)
    codes = {agency.code for agency in entries}
    return [*entries, *(agency for agency in await _all(connection, query) if agency.code not in codes)]


async def children(connection: AsyncConnection, code: str) -> Sequence[AgencyEntry]:
    """Return entries whose last parent is this code, and those that were under it at another time."""
    moved = await once_below(connection, code)
    below = or_(AGENCY.c.parent == code, AGENCY.c.code.in_(moved)) if moved else AGENCY.c.parent == code
    return await _all(connection, select(AGENCY).where(below).order_by(AGENCY.c.code))


async def search(connection: AsyncConnection, text: str, limit: int, near: str = "") -> Sequence[AgencyEntry]:
    """Find rows whose code or alias begins with `text`, or whose name has all its words; codes come first, then names
    that begin with it; rows whose code begins with `near` before all. Reads the whole table when names must be searched.
    """
    code, folded = text.strip().upper(), fold(text)
    if not folded:
        return ()
    by_prefix = or_(_begins(AGENCY.c.code, code), _begins(AGENCY.c.alias, code))
    words = and_(*(AGENCY.c.folded.contains(word, autoescape=True) for word in folded.split()))
    rank = case((by_prefix, 0), (_begins(AGENCY.c.folded, folded), 1), else_=2)
    nearest = [case((_begins(AGENCY.c.code, near), 0), else_=1)] if near else []
    query = select(AGENCY).where(or_(by_prefix, words)).order_by(*nearest, rank, AGENCY.c.code)
    return await _all(connection, query.limit(limit))


async def codes_among(connection: AsyncConnection, codes: Collection[str]) -> Sequence[str]:
    """Return those of these codes that are in the table."""
    return list(
        (await connection.execute(select(AGENCY.c.code).where(AGENCY.c.code.in_(sorted(codes))))).scalars()
    )


async def codes_near(connection: AsyncConnection, code: str) -> Sequence[str]:
    """Return codes that may be meant where two characters are wrong: those with the same beginning, and siblings."""
    shapes = [_begins(AGENCY.c.code, code[: max(3, len(code) - 2)])]
    if "." in code:
        shapes.append(AGENCY.c.parent == code.rpartition(".")[0])
    return await _candidates(connection, "code", shapes)


async def names_near(connection: AsyncConnection, folded: str, parent: str | None) -> Sequence[str]:
    """Return folded names with the same beginning, or those under the parent where it is given."""
    shapes = [_begins(AGENCY.c.folded, folded[:_NAME_PREFIX])]
    if parent is not None:
        shapes = [AGENCY.c.parent == parent]
    return await _candidates(connection, "folded", shapes)


async def may_refuse(connection: AsyncConnection, text: str) -> bool:
    """Tell whether the registry is complete enough to refuse this unknown text (R48, recipients are codes): its nearest
    known ancestor was imported; without one, any row was."""
    try:
        code: AgencyCode | None = AgencyCode.parse(text)
    except ValueError:
        code = None
    while code is not None:
        agency = await by_code(connection, str(code) if code.parent else code.root)
        if agency is not None:
            return agency.source is not RowSource.STARTER
        code = code.parent
    query = select(AGENCY.c.code).where(AGENCY.c.source != RowSource.STARTER.value).limit(1)
    return (await connection.execute(query)).first() is not None


async def hosting(connection: AsyncConnection, on: date) -> AsyncIterator[Hosting]:
    """Yield every code in force on that day that has a node, by node and code, read in parts."""
    host = host_on(on)
    query = (
        select(host, AGENCY.c.code, AGENCY.c.alias)
        .where(
            host.is_not(None),
            or_(AGENCY.c.valid_from.is_(None), AGENCY.c.valid_from <= on),
            or_(AGENCY.c.valid_to.is_(None), AGENCY.c.valid_to >= on),
        )
        .order_by(host, AGENCY.c.code)
    )
    async with connection.stream(query) as result:
        async for part in result.partitions(ROWS_AT_ONCE):
            for node, code, alias in part:
                yield Hosting(node=node, code=code, alias=alias)


def code_query(code: str) -> Select[tuple[object, ...]]:
    return select(AGENCY).where(AGENCY.c.code == code)


def alias_query(alias: str) -> Select[tuple[object, ...]]:
    return select(AGENCY).where(AGENCY.c.alias == alias).order_by(AGENCY.c.code).limit(1)


def name_query(name: str, parent: str | None) -> Select[tuple[object, ...]]:
    query = select(AGENCY).where(AGENCY.c.folded == fold(name)).order_by(AGENCY.c.code).limit(CANDIDATES)
    return query if parent is None else query.where(AGENCY.c.parent == parent)


def _begins(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Return the condition that a column begins with a prefix, as a range: LIKE does not use the index on every
    database."""
    return and_(column >= prefix, column < prefix + _AFTER_ALL)


async def _candidates(
    connection: AsyncConnection, column: str, shapes: Sequence[ColumnElement[bool]]
) -> Sequence[str]:
    texts: dict[str, None] = {}
    for shape in shapes:
        rows = await connection.execute(select(AGENCY.c[column]).where(shape).limit(CANDIDATES))
        texts |= dict.fromkeys(row[0] for row in rows)
    return list(texts)


async def _first_entry(connection: AsyncConnection, query: Select[tuple[object, ...]]) -> AgencyEntry | None:
    row = (await connection.execute(query)).first()
    return None if row is None else to_entry(row)


async def _all(connection: AsyncConnection, query: Select[tuple[object, ...]]) -> Sequence[AgencyEntry]:
    return [to_entry(row) for row in await connection.execute(query)]


async def as_of(connection: AsyncConnection, entries: Sequence[AgencyEntry], on: date) -> list[AgencyEntry]:
    """Return the entries with the name and parent that each had on that day."""
    periods: dict[str, Row[Any]] = {}
    for part in in_parts([agency.code for agency in entries]):
        query = (
            select(PERIOD.c.code, PERIOD.c.name, PERIOD.c.parent)
            .where(PERIOD.c.code.in_(part), _PRESENT, PERIOD.c.until >= on)
            .order_by(PERIOD.c.code, PERIOD.c.until.desc())
        )
        # The last row of a code is its earliest period that reaches the day.
        periods |= {row.code: row for row in await connection.execute(query)}
    return [
        replace(agency, name=periods[agency.code].name, parent=periods[agency.code].parent)
        if agency.code in periods
        else agency
        for agency in entries
    ]


async def once_named(connection: AsyncConnection, folded: str) -> list[str]:
    """Return codes that had this name at an earlier time, by the present belief."""
    query = select(PERIOD.c.code).where(PERIOD.c.folded == folded, _PRESENT).distinct().limit(CODES_AT_ONCE)
    return list((await connection.execute(query)).scalars())


async def former_names(connection: AsyncConnection, code: str) -> Sequence[str]:
    """Return the names that this code had at earlier times, by the present belief."""
    query = select(PERIOD.c.name).where(PERIOD.c.code == code, _PRESENT).distinct()
    return list((await connection.execute(query)).scalars())


async def once_named_so(connection: AsyncConnection, folded: Collection[str]) -> set[str]:
    """Return those of these names that some code had at an earlier time, by the present belief."""
    query = select(PERIOD.c.folded).where(PERIOD.c.folded.in_(folded), _PRESENT).distinct()
    return set((await connection.execute(query)).scalars())


async def with_periods(connection: AsyncConnection, codes: Collection[str], on: date) -> set[str]:
    """Return those of these codes that have another last name or parent than on that day."""
    moving_codes: set[str] = set()
    for part in in_parts(codes):
        query = (
            select(PERIOD.c.code).where(PERIOD.c.code.in_(part), _PRESENT, PERIOD.c.until >= on).distinct()
        )
        moving_codes |= set((await connection.execute(query)).scalars())
    return moving_codes


async def once_below(connection: AsyncConnection, parent: str) -> list[str]:
    """Return codes that were under this one at a time other than the last."""
    query = select(PERIOD.c.code).where(PERIOD.c.parent == parent, _PRESENT).distinct()
    return list((await connection.execute(query)).scalars())


async def find_belief(connection: AsyncConnection, code: str, on: date, at: datetime) -> AgencyEntry | None:
    """Return what the registry said at the moment `at` about a code on the day `on`; None where it did not know the code
    then."""
    query = select(PERIOD).where(
        PERIOD.c.code == code,
        PERIOD.c.believed_from <= at,
        or_(PERIOD.c.believed_to.is_(None), PERIOD.c.believed_to > at),
    )
    rows = (await connection.execute(query)).all()
    row_then: Row[Any] | None = next((row for row in rows if row.until is None), None)
    if row_then is None:
        present = select(AGENCY).where(AGENCY.c.code == code, AGENCY.c.updated_at <= at)
        row_then = (await connection.execute(present)).first()
    if row_then is None:
        return None
    earlier = sorted(
        (row for row in rows if row.until is not None and on <= row.until), key=attrgetter("until")
    )
    agency = to_entry(row_then)
    return replace(agency, name=earlier[0].name, parent=earlier[0].parent) if earlier else agency


def in_parts(codes: Collection[str]) -> Iterable[list[str]]:
    """Split the codes into lists that one statement takes."""
    listed = list(codes)
    return (listed[start : start + CODES_AT_ONCE] for start in range(0, len(listed), CODES_AT_ONCE))
