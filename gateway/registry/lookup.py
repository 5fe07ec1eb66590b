"""The questions asked of the `agency` table, each one statement. In: a connection and the text looked for. Out:
entries. Exact questions go through an index whatever the size of the table; candidates for a nearest match are
a bounded range. Says nothing about dates: `resolving` judges."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import date

from sqlalchemy import ColumnElement, Select, and_, case, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.agency_code import AgencyCode
from gateway.domain.registry import AgencyEntry, Hosting, RowSource
from gateway.domain.text import fold
from gateway.registry import periods
from gateway.registry.tables import agency_table, to_entry

CANDIDATES = 200  # a nearest match looks at no more than this many rows of each kind
AT_ONCE = 1000  # rows of a long list between two turns of the event loop
_AFTER_ALL = "\uffff"  # sorts behind every letter of a code or a folded name
_NAME_PREFIX = 6  # letters a misspelt name must still share with its row

AGENCY = agency_table()


async def by_code(connection: AsyncConnection, code: str) -> AgencyEntry | None:
    return await _one(connection, code_query(code))


async def by_alias(connection: AsyncConnection, alias: str) -> AgencyEntry | None:
    return await _one(connection, alias_query(alias))


async def by_name(connection: AsyncConnection, name: str, parent: str | None) -> Sequence[AgencyEntry]:
    """Entries that have exactly this name, or had it, accents and case apart; under `parent` when it is given."""
    found = await _all(connection, name_query(name, parent))
    once = await periods.once_named(connection, fold(name))
    if not once:
        return found
    query = select(AGENCY).where(AGENCY.c.code.in_(once)).order_by(AGENCY.c.code)
    query = query if parent is None else query.where(AGENCY.c.parent == parent)
    known = {entry.code for entry in found}
    return [*found, *(entry for entry in await _all(connection, query) if entry.code not in known)]


async def children(connection: AsyncConnection, code: str) -> Sequence[AgencyEntry]:
    """Those that stand under it in the end, and those that did before, or do until they move."""
    moved = await periods.once_below(connection, code)
    below = or_(AGENCY.c.parent == code, AGENCY.c.code.in_(moved)) if moved else AGENCY.c.parent == code
    return await _all(connection, select(AGENCY).where(below).order_by(AGENCY.c.code))


async def after(connection: AsyncConnection, code: str, limit: int) -> Sequence[AgencyEntry]:
    """The next rows in code order."""
    query = select(AGENCY).where(AGENCY.c.code > code).order_by(AGENCY.c.code).limit(limit)
    return await _all(connection, query)


async def search(connection: AsyncConnection, text: str, limit: int) -> Sequence[AgencyEntry]:
    """Rows whose code or alias begins with `text`, or whose name has all its words; codes first, then names that
    begin with it. Reads the whole table when names must be looked through."""
    code, folded = text.strip().upper(), fold(text)
    if not folded:
        return ()
    by_prefix = or_(_begins(AGENCY.c.code, code), _begins(AGENCY.c.alias, code))
    words = and_(*(AGENCY.c.folded.contains(word, autoescape=True) for word in folded.split()))
    rank = case((by_prefix, 0), (_begins(AGENCY.c.folded, folded), 1), else_=2)
    query = select(AGENCY).where(or_(by_prefix, words)).order_by(rank, AGENCY.c.code).limit(limit)
    return await _all(connection, query)


async def codes_among(connection: AsyncConnection, codes: Collection[str]) -> Sequence[str]:
    """Those of these codes that are in the table."""
    return list((await connection.execute(select(AGENCY.c.code).where(AGENCY.c.code.in_(codes)))).scalars())


async def codes_near(connection: AsyncConnection, code: str) -> Sequence[str]:
    """Codes that two slips of the finger may have meant: those that begin alike, and siblings."""
    shapes = [_begins(AGENCY.c.code, code[: max(3, len(code) - 2)])]
    if "." in code:
        shapes.append(AGENCY.c.parent == code.rpartition(".")[0])
    return await _candidates(connection, "code", shapes)


async def names_near(connection: AsyncConnection, folded: str, parent: str | None) -> Sequence[str]:
    """Folded names that begin like this one, or stand under the same parent."""
    shapes = [_begins(AGENCY.c.folded, folded[:_NAME_PREFIX])]
    if parent is not None:
        shapes = [AGENCY.c.parent == parent]
    return await _candidates(connection, "folded", shapes)


async def may_refuse(connection: AsyncConnection, text: str) -> bool:
    """Whether imported rows speak about where this unknown text would stand (R48): its nearest known ancestor is
    imported; without one, anything is."""
    try:
        code: AgencyCode | None = AgencyCode.parse(text)
    except ValueError:
        code = None
    while code is not None:
        entry = await by_code(connection, str(code) if code.parent else code.root)
        if entry is not None:
            return entry.source is not RowSource.STARTER
        code = code.parent
    query = select(AGENCY.c.code).where(AGENCY.c.source != RowSource.STARTER.value).limit(1)
    return (await connection.execute(query)).first() is not None


async def hosting(connection: AsyncConnection, on: date) -> AsyncIterator[Hosting]:
    """Every code in force on that day that has a node, by node and code; read in parts, whatever the size."""
    query = (
        select(AGENCY.c.host, AGENCY.c.code, AGENCY.c.alias)
        .where(
            AGENCY.c.host.is_not(None),
            or_(AGENCY.c.valid_from.is_(None), AGENCY.c.valid_from <= on),
            or_(AGENCY.c.valid_to.is_(None), AGENCY.c.valid_to >= on),
        )
        .order_by(AGENCY.c.host, AGENCY.c.code)
    )
    async with connection.stream(query) as result:
        async for part in result.partitions(AT_ONCE):
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
    """A range, because LIKE does not use the index on every database."""
    return and_(column >= prefix, column < prefix + _AFTER_ALL)


async def _candidates(
    connection: AsyncConnection, column: str, shapes: Sequence[ColumnElement[bool]]
) -> Sequence[str]:
    found: dict[str, None] = {}
    for shape in shapes:
        rows = await connection.execute(select(AGENCY.c[column]).where(shape).limit(CANDIDATES))
        found |= dict.fromkeys(row[0] for row in rows)
    return list(found)


async def _one(connection: AsyncConnection, query: Select[tuple[object, ...]]) -> AgencyEntry | None:
    row = (await connection.execute(query)).first()
    return None if row is None else to_entry(row)


async def _all(connection: AsyncConnection, query: Select[tuple[object, ...]]) -> Sequence[AgencyEntry]:
    return [to_entry(row) for row in await connection.execute(query)]
