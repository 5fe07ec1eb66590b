"""Copies of a whole database: read as it stood at one moment, and filled into an empty one. In: a URL; a schema
revision and lines by table. Out: a `Snapshot` of the tables as they are there, their rows in neutral lines, and
which content they refer to; a database that reads back exactly as it was copied.

A neutral line belongs to no database: one JSON array, each value in one of six kinds, so that PostgreSQL reads what
SQLite wrote, value for value. Others go on writing while a copy is read, and memory is bounded by one batch. A copy
is loaded all of it or nothing; keys between tables are checked at the end, not row by row."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    collate,
    exists,
    func,
    inspect,
    null,
    or_,
    select,
    text,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import AddConstraint, DropConstraint

from gateway import errors
from gateway.domain.hold import OWNER as HOLD
from gateway.store import migrate
from gateway.store.engine import EngineRole, opened
from gateway.store.tables_node import MEMORY_TABLES

# The first that fits names the kind. Floating numbers are left out on purpose: no table has one.
_KINDS: tuple[tuple[type, str], ...] = (
    (Boolean, "boolean"),
    (Integer, "integer"),
    (DateTime, "moment"),
    (Date, "date"),
    (LargeBinary, "bytes"),
    (String, "text"),
)


def kind_of(column: Column[Any]) -> str:
    """The kind of a column as the database describes it."""
    for sort, kind in _KINDS:
        if isinstance(column.type, sort):
            return kind
    raise errors.StoreFailure(
        f"the column {column.table.name}.{column.name} is {column.type!r}, which a copy cannot keep exactly"
    )


def line_of(values: Sequence[object]) -> bytes:
    """One row. Moments are written in UTC; those that a database kept without a zone are UTC by its rule."""
    told = json.dumps([_plain(value) for value in values], ensure_ascii=False, separators=(",", ":"))
    return told.encode() + b"\n"


def line_reader(kinds: Sequence[str], zoned: bool) -> Callable[[bytes], list[Any]]:
    """What turns a line into values for a driver; `zoned` says whether that database keeps a time's zone."""
    readers = [_readers(zoned).get(kind) for kind in kinds]

    def read(text: bytes) -> list[Any]:
        values = json.loads(text)
        return [
            value if value is None or made is None else made(value)
            for made, value in zip(readers, values, strict=True)
        ]

    return read


def _plain(value: object) -> object:
    match value:
        case datetime():
            aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            return aware.isoformat(timespec="microseconds")
        case date():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode("ascii")
    return value


def _readers(zoned: bool) -> Mapping[str, Callable[[Any], Any]]:
    def moment(text: str) -> datetime:
        at = datetime.fromisoformat(text)
        return at if zoned else at.replace(tzinfo=None)

    return {"moment": moment, "date": date.fromisoformat, "bytes": base64.b64decode}


AT_ONCE = 500
# Rows with a body in bytes may be ten megabytes each.
LARGE_AT_ONCE = 8
SMALL_AT_ONCE = 64
VERSION_TABLE = "alembic_version"
# SQLite's index of words is made of tables; it is made anew from the rows that it is about.
SEARCH_TABLES = "list_search"
CONTENT, OWNERS = "blob", "blob_ref"
# Where a copy of before schema 0201 has the bytes of small content.
_SMALL = "small_content"
# A copy holds no leases: whoever held one is not at work on the copy.
_LEASE = frozenset({"lease_token", "lease_until"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """One table as a copy describes it."""

    name: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """How many rows, and the SHA-256 of their lines in the order of the key."""

    rows: int
    digest: str


class Summing:
    """Counts and hashes a table's lines as they pass."""

    def __init__(self) -> None:
        self._rows, self._hashed = 0, hashlib.sha256()

    def add(self, lines: Sequence[bytes]) -> None:
        self._rows += len(lines)
        self._hashed.update(b"".join(lines))

    def sum(self) -> Sum:
        return Sum(rows=self._rows, digest=self._hashed.hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferredBlob:
    """One blob that rows refer to."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowContent:
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
        self.shapes = tuple(
            TableShape(
                name=each.name, columns=tuple((column.name, kind_of(column)) for column in each.columns)
            )
            for each in tables.sorted_tables
        )

    async def lines(self, table: str) -> AsyncIterator[list[bytes]]:
        """Every row of a table, in batches, in the order of its key."""
        kept = self._tables[table]
        large = any((each.name, kind_of(each)) == ("body", "bytes") for each in kept.columns)
        at_once = SMALL_AT_ONCE if table in (CONTENT, _SMALL) else LARGE_AT_ONCE if large else AT_ONCE
        async for batch in self._stream(_rows(kept, self._connection), at_once):
            yield [line_of(row) for row in batch]

    async def sum(self, table: str) -> Sum:
        """What `lines` would give, counted and hashed."""
        summing = Summing()
        async for batch in self.lines(table):
            summing.add(batch)
        return summing.sum()

    async def contents(self) -> AsyncIterator[list[ReferredBlob]]:
        """Every file of content that is referred to, in batches, by digest."""
        blob, rows = self._tables[CONTENT], self._in_rows()
        in_rows = select(rows.c.digest).where(rows.c.body.is_not(None))
        wanted = select(blob.c.digest, blob.c.size).where(_wanted(blob), blob.c.digest.not_in(in_rows))
        async for batch in self._stream(wanted.order_by(blob.c.digest)):
            yield [ReferredBlob(digest=row[0], size=row[1]) for row in batch]

    async def small(self) -> AsyncIterator[list[RowContent]]:
        """All content that is a row and is referred to, in batches, looked at byte by byte."""
        table = self._in_rows()
        wanted = select(table.c.digest, table.c.body).where(_wanted(table), table.c.body.is_not(None))
        async for batch in self._stream(wanted, SMALL_AT_ONCE):
            yield [
                RowContent(
                    digest=row[0], size=len(row[1]), is_whole=hashlib.sha256(row[1]).hexdigest() == row[0]
                )
                for row in batch
            ]

    async def needed(self, digests: Sequence[str]) -> set[str]:
        """Which of them are referred to."""
        blob = self._tables[CONTENT]
        found = await self._connection.execute(
            select(blob.c.digest).where(blob.c.digest.in_(digests), _wanted(blob))
        )
        return set(found.scalars())

    def _in_rows(self) -> Table:
        """The table that has the bytes of what is small."""
        return self._tables[_SMALL if _SMALL in self._tables else CONTENT]

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
    try:
        async with opened(url, EngineRole.READER) as engine, engine.connect() as connection:
            yield await snapshot_on(connection)
    except SQLAlchemyError as cause:
        raise errors.Misconfigured(f"the database cannot be opened ({cause}); check database.url") from cause


async def snapshot_on(connection: AsyncConnection) -> Snapshot:
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


def _rows(table: Table, connection: AsyncConnection) -> Select[Any]:
    leasable = {each.name for each in table.columns} >= _LEASE
    asked = [null() if leasable and each.name in _LEASE else each for each in table.columns]
    order = [_in_order(each, connection) for each in table.primary_key.columns]
    query = select(*asked).order_by(*order)
    if table.name == OWNERS:
        return query.where(table.c.owner_kind != HOLD)
    return query.where(_wanted(table)) if table.name in (CONTENT, _SMALL) else query


def _in_order(column: Column[Any], connection: AsyncConnection) -> Any:
    """By bytes on both databases: a server would sort text by the rules of its language."""
    is_text = kind_of(column) == "text"
    return collate(column, "C") if is_text and connection.dialect.name == "postgresql" else column


def _wanted(content: Table) -> Any:
    """Content that nobody refers to yet, or any more, belongs to no state that could be restored; what the sealed hold
    keeps is in no copy (R4)."""
    refs = content.metadata.tables[OWNERS]
    needed = exists().where(refs.c.digest == content.c.digest, refs.c.owner_kind != HOLD)
    return or_(content.c.owner_kind != HOLD, needed) if "owner_kind" in content.c else needed


class DatabaseLoad:
    """An open transaction on a database that was empty. Left without `commit`, nothing remains."""

    def __init__(self, connection: AsyncConnection, tables: MetaData) -> None:
        self._connection = connection
        self._tables = tables
        self._keys = [
            key for table in tables.sorted_tables for key in table.foreign_key_constraints if self._on_server
        ]

    @property
    def _on_server(self) -> bool:
        return self._connection.dialect.name == "postgresql"

    async def begin(self) -> None:
        """SQLite's keys rest in a migrator's connection; on a server they are taken off and put back."""
        for key in self._keys:
            await self._connection.execute(DropConstraint(key))

    async def put(self, shape: TableShape, lines: Sequence[bytes]) -> None:
        """Writes rows of that table as they were copied."""
        table = self._tables.tables.get(shape.name)
        if table is None or {name for name, _ in shape.columns} - {each.name for each in table.columns}:
            raise errors.StoreFailure(
                f"the copy has a table {shape.name} with columns that its schema does not have; it is not one of ours"
            )
        names = [name for name, _ in shape.columns]
        read = line_reader([kind for _, kind in shape.columns], zoned=self._on_server)
        rows: list[dict[str, Any]] = [dict(zip(names, read(each), strict=True)) for each in lines]
        if rows:
            await self._connection.execute(table.insert(), rows)

    async def finish(self) -> None:
        """Keys are whole again, and counters of the database go on behind the rows."""
        if self._on_server:
            await self._set_counters()
            for key in self._keys:
                await self._connection.execute(AddConstraint(key))
            return
        broken = (await self._connection.execute(text("PRAGMA foreign_key_check"))).first()
        if broken is not None:
            raise errors.StoreFailure(
                f"a row of {broken[0]} in the copy names a row of {broken[2]} that is not there"
            )

    async def _set_counters(self) -> None:
        for table in self._tables.sorted_tables:
            counted = table.autoincrement_column
            if counted is None:
                continue
            name = func.pg_get_serial_sequence(table.name, counted.name)
            sequence = (await self._connection.execute(select(name))).scalar_one()
            last = (await self._connection.execute(select(func.max(counted)))).scalar_one()
            if sequence is not None and last is not None:
                await self._connection.execute(select(func.setval(sequence, last)))

    async def seen(self) -> Snapshot:
        """The rows as they lie there now, to be compared with the copy."""
        return await snapshot_on(self._connection)

    async def commit(self) -> None:
        await self._connection.commit()


@asynccontextmanager
async def loading(url: str, revision: str) -> AsyncIterator[DatabaseLoad]:
    """The schema of that revision, with no rows. Clash when the database has rows, Misconfigured when this program does
    not know the revision."""
    revision = _known(revision)
    try:
        async with opened(url, EngineRole.MIGRATOR) as engine, engine.connect() as connection:
            await connection.begin()
            await connection.run_sync(_prepare, revision)
            load = DatabaseLoad(connection, await connection.run_sync(reflected))
            await load.begin()
            yield load
    except SQLAlchemyError as cause:
        raise errors.StoreFailure(
            f"the database did not take the copy ({type(cause).__name__}: {str(cause).partition(chr(10))[0]}); "
            "nothing of it is stored"
        ) from cause


async def clear_database(url: str) -> None:
    """Takes every table of ours off again: for a database that was filled to be looked at."""
    try:
        async with opened(url, EngineRole.MIGRATOR) as engine, engine.begin() as connection:
            tables = MetaData()
            if connection.dialect.name == "sqlite":
                # What it is made of goes with it, and may not be dropped by itself.
                await connection.execute(text(f"DROP TABLE IF EXISTS {SEARCH_TABLES}"))
            await connection.run_sync(tables.reflect)
            await connection.run_sync(tables.drop_all)
    except SQLAlchemyError as cause:
        raise errors.StoreFailure(f"the scratch database could not be emptied ({cause})") from cause


def _known(revision: str) -> str:
    named, known = migrate.of_today(revision, "GW-B-003"), [each.revision for each in migrate.steps()]
    if named not in known:
        raise errors.Misconfigured(
            f"the copy has schema {revision}, and this version knows {known[-1]} at most",
            code="GW-B-003",
            hint="restore it with the version of the program that made it, or a newer one",
        )
    return named


def _prepare(connection: Connection, revision: str) -> None:
    if revision_of(connection) is None and inspect(connection).get_table_names():
        raise errors.Clash("the database holds tables that are not of this program; name an empty one")
    for table in reflected(connection).sorted_tables:
        if connection.execute(select(1).select_from(table).limit(1)).first() is not None:
            raise errors.Clash(
                f"the database is in use: {table.name} has rows; a copy is restored into an empty one"
            )
    current = revision_of(connection)
    if current is not None and current > revision:
        raise errors.Clash(
            f"the database has schema {current} and the copy {revision}; name a database without tables"
        )
    migrate.bring(connection, revision)
