"""Reads a whole database as it stood at one moment, while others go on writing. In: a URL. Out: a `Snapshot`: the tables
as they are there, their rows in neutral lines, and which content they refer to. Memory is bounded by one batch."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Select, Table, collate, exists, null, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway import errors
from gateway.domain.hold import OWNER as HOLD
from gateway.store import migrate, neutral
from gateway.store.engine import Role, open_engine
from gateway.store.memory_tables import MEMORY_TABLES

AT_ONCE = 500
# Rows with a body in bytes may be ten megabytes each.
LARGE_AT_ONCE = 8
SMALL_AT_ONCE = 64
VERSION_TABLE = "alembic_version"
# SQLite's index of words is made of tables; it is made anew from the rows that it is about.
SEARCH_TABLES = "list_search"
# Content that lies in rows.
SMALL = "small_content"
# A copy holds no leases: whoever held one is not at work on the copy.
_LEASE = frozenset({"lease_token", "lease_until"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One table as a copy describes it."""

    name: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """How many rows, and the SHA-256 of their lines in the order of the key."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One blob that rows refer to."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Small:
    """Content as its row has it."""

    digest: str
    size: int
    is_whole: bool


class Snapshot:
    """One view of every table. It lives as long as its transaction; others are neither seen nor held up."""

    def __init__(self, connection: AsyncConnection, tables: MetaData, revision: str) -> None:
        self._connection = connection
        self._tables = tables.tables
        self.revision = revision
        self.shapes = tuple(_shape(each) for each in tables.sorted_tables)

    async def lines(self, table: str) -> AsyncIterator[list[bytes]]:
        """Every row of a table, in batches, in the order of its key."""
        kept = self._tables[table]
        large = any((each.name, neutral.kind_of(each)) == ("body", "bytes") for each in kept.columns)
        at_once = SMALL_AT_ONCE if table == SMALL else LARGE_AT_ONCE if large else AT_ONCE
        async for batch in self._stream(_rows(kept, self._connection), at_once):
            yield [neutral.line(row) for row in batch]

    async def sum(self, table: str) -> Sum:
        """What `lines` would give, counted and hashed."""
        count, hashed = 0, hashlib.sha256()
        async for batch in self.lines(table):
            count += len(batch)
            hashed.update(b"".join(batch))
        return Sum(rows=count, digest=hashed.hexdigest())

    async def contents(self) -> AsyncIterator[list[Content]]:
        """Every file of content that is referred to, in batches, by digest."""
        blob, small = self._tables["blob"], self._tables[SMALL]
        in_files = ~exists().where(small.c.digest == blob.c.digest)
        wanted = select(blob.c.digest, blob.c.size).where(_wanted(blob), in_files)
        async for batch in self._stream(wanted.order_by(blob.c.digest)):
            yield [Content(digest=row[0], size=row[1]) for row in batch]

    async def small(self) -> AsyncIterator[list[Small]]:
        """All content that is a row and is referred to, in batches, looked at byte by byte."""
        table = self._tables[SMALL]
        wanted = select(table.c.digest, table.c.body).where(_wanted(table))
        async for batch in self._stream(wanted, SMALL_AT_ONCE):
            yield [
                Small(digest=row[0], size=len(row[1]), is_whole=hashlib.sha256(row[1]).hexdigest() == row[0])
                for row in batch
            ]

    async def needed(self, digests: Sequence[str]) -> set[str]:
        """Which of them are referred to."""
        refs = self._tables["blob_ref"]
        asked = select(refs.c.digest).where(refs.c.digest.in_(digests), refs.c.owner_kind != HOLD)
        found = await self._connection.execute(asked)
        return set(found.scalars())

    async def _stream(self, query: Select[Any], at_once: int = AT_ONCE) -> AsyncIterator[Sequence[Any]]:
        try:
            async with self._connection.stream(query.execution_options(yield_per=at_once)) as result:
                async for batch in result.partitions(at_once):
                    yield batch
        except SQLAlchemyError as cause:
            raise errors.StoreFailure(f"the database could not be copied ({cause})") from cause


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[Snapshot]:
    """The database at this moment. Misconfigured when it cannot be opened or holds no schema of ours."""
    engine = open_engine(url, Role.READER)
    try:
        async with engine.connect() as connection:
            yield await seen(connection)
    except SQLAlchemyError as cause:
        raise errors.Misconfigured(f"the database cannot be opened ({cause}); check database.url") from cause
    finally:
        await engine.dispose()


async def seen(connection: AsyncConnection) -> Snapshot:
    """What that connection's transaction sees."""
    revision = await connection.run_sync(revision_of)
    if revision is None:
        raise errors.Misconfigured("the database holds no schema of this program; check database.url")
    return Snapshot(connection, await connection.run_sync(reflected), migrate.of_today(revision))


def revision_of(connection: Connection) -> str | None:
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def reflected(connection: Connection) -> MetaData:
    """The tables as they are in the database, which may be one version newer than this program's own."""
    tables, left_out = MetaData(), {VERSION_TABLE, *MEMORY_TABLES}
    tables.reflect(
        connection, only=lambda name, _: name not in left_out and not name.startswith(SEARCH_TABLES)
    )
    return tables


def _shape(table: Table) -> Shape:
    return Shape(name=table.name, columns=tuple((each.name, neutral.kind_of(each)) for each in table.columns))


def _rows(table: Table, connection: AsyncConnection) -> Select[Any]:
    leasable = {each.name for each in table.columns} >= _LEASE
    asked = [null() if leasable and each.name in _LEASE else each for each in table.columns]
    order = [_in_order(each, connection) for each in table.primary_key.columns]
    query = select(*asked).order_by(*order)
    if table.name == "blob_ref":
        return query.where(table.c.owner_kind != HOLD)
    return query.where(_wanted(table)) if table.name in ("blob", SMALL) else query


def _in_order(column: Column[Any], connection: AsyncConnection) -> Any:
    """By bytes on both databases: a server would sort text by the rules of its language."""
    is_text = neutral.kind_of(column) == "text"
    return collate(column, "C") if is_text and connection.dialect.name == "postgresql" else column


def _wanted(content: Table) -> Any:
    """Content that nobody refers to yet, or any more, belongs to no state that could be restored; what the sealed hold
    keeps is in no copy (R4)."""
    refs = content.metadata.tables["blob_ref"]
    return exists().where(refs.c.digest == content.c.digest, refs.c.owner_kind != HOLD)
