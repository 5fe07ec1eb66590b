"""Copies of a whole database: read as of one moment, and loaded into an empty database. In: a URL; a schema revision and
lines by table. Out: a `Snapshot` of the existing tables, with their rows as lines and the content that they refer to; a
database that reads back exactly as it was copied.

A line is a JSON array of a row's values in six neutral kinds, so that PostgreSQL reads every value as SQLite wrote it.
Other transactions go on writing while a copy is read, and memory is bounded by one batch. A copy is loaded as a whole or
not at all; foreign keys are checked at the end, not row by row."""

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
from gateway.store.engine import EngineRole, engine_for_task
from gateway.store.tables_node import MEMORY_TABLES
from gateway.store.tables_office import CONTENT_TABLES

# Kinds by column type; the first matching type counts. There is none for floating-point numbers, which no table has.
_KINDS: tuple[tuple[type, str], ...] = (
    (Boolean, "boolean"),
    (Integer, "integer"),
    (DateTime, "moment"),
    (Date, "date"),
    (LargeBinary, "bytes"),
    (String, "text"),
)
AT_ONCE = 500
# Rows with a body in bytes may be ten megabytes each.
LARGE_AT_ONCE = 8
SMALL_AT_ONCE = 64
VERSION_TABLE = "alembic_version"
# Names, or prefixes, of the tables of SQLite's full-text indexes; they are not copied, but rebuilt from the rows.
SEARCH_TABLES = ("list_search", "content_search")
CONTENT, OWNERS = "blob", "blob_ref"
# Columns that come before the key where rows are to be in the order in which they were written: their keys are digests.
_AGE = {CONTENT: ("stored_at",), OWNERS: ("owner_id",)}
# Columns that are copied as NULL, because no worker of a lease works on the copy.
_LEASE = frozenset({"lease_token", "lease_until"})
# Column that is copied as NULL, because all content is restored into the folder.
_OBJECT = "object_name"


def kind_of(column: Column[Any]) -> str:
    """Return the neutral kind of a column's type. StoreFailure for a type without one."""
    for sort, kind in _KINDS:
        if isinstance(column.type, sort):
            return kind
    raise errors.StoreFailure(
        f"the column {column.table.name}.{column.name} is {column.type!r}, which a copy cannot keep exactly"
    )


def line_of(row: Sequence[object]) -> bytes:
    """Return one row as a line. Times are written in UTC; a time without a zone, as SQLite stores it, is in UTC already."""
    line = json.dumps([_plain(cell) for cell in row], ensure_ascii=False, separators=(",", ":"))
    return line.encode() + b"\n"


def line_reader(kinds: Sequence[str], zoned: bool) -> Callable[[bytes], list[Any]]:
    """Return a function that parses a line into values for the driver; `zoned`: the driver takes times with a zone."""
    readers = [_readers(zoned).get(kind) for kind in kinds]

    def read(text: bytes) -> list[Any]:
        cells = json.loads(text)
        return [
            cell if cell is None or convert is None else convert(cell)
            for convert, cell in zip(readers, cells, strict=True)
        ]

    return read


def _plain(cell: object) -> object:
    match cell:
        case datetime():
            aware = cell.replace(tzinfo=UTC) if cell.tzinfo is None else cell.astimezone(UTC)
            return aware.isoformat(timespec="microseconds")
        case date():
            return cell.isoformat()
        case bytes():
            return base64.b64encode(cell).decode("ascii")
    return cell


def _readers(zoned: bool) -> Mapping[str, Callable[[Any], Any]]:
    def moment(text: str) -> datetime:
        at = datetime.fromisoformat(text)
        return at if zoned else at.replace(tzinfo=None)

    return {"moment": moment, "date": date.fromisoformat, "bytes": base64.b64decode}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """Name of a table in a copy, and its columns with their kinds."""

    name: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Number of rows, and the SHA-256 of their lines in the order of the key."""

    rows: int
    digest: str


class Summing:
    """Counter and hasher of a table's lines, batch by batch."""

    def __init__(self) -> None:
        self._rows, self._hashed = 0, hashlib.sha256()

    def add(self, lines: Sequence[bytes]) -> None:
        self._rows += len(lines)
        self._hashed.update(b"".join(lines))

    def sum(self) -> Sum:
        return Sum(rows=self._rows, digest=self._hashed.hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferredBlob:
    """One large content that rows refer to, whose bytes are in a file, or in a bucket in the object of that name."""

    digest: str
    size: int
    object_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowContent:
    """One small content, whose bytes are in its row. `is_whole`: its bytes have that digest."""

    digest: str
    size: int
    is_whole: bool


class Snapshot:
    """One view of all tables while its transaction lasts; it does not see other transactions' writes, nor hold them up.
    `by_age`: rows are in the order in which they were written, so that those of today come after those of yesterday."""

    def __init__(
        self, connection: AsyncConnection, tables: MetaData, revision: str, *, by_age: bool = False
    ) -> None:
        self._connection = connection
        self._tables = tables.tables
        self._by_age = by_age
        self.revision = revision
        self.shapes = tuple(
            TableShape(
                name=table.name, columns=tuple((column.name, kind_of(column)) for column in table.columns)
            )
            for table in tables.sorted_tables
        )

    async def lines(self, table: str) -> AsyncIterator[list[bytes]]:
        """Yield the rows of a table as lines, in batches, in the order of its key or of their age."""
        reflected_table = self._tables[table]
        age = _AGE.get(table, ()) if self._by_age else ()
        large = any((column.name, kind_of(column)) == ("body", "bytes") for column in reflected_table.columns)
        at_once = SMALL_AT_ONCE if table == CONTENT else LARGE_AT_ONCE if large else AT_ONCE
        query = _select_rows(reflected_table, self._connection, age)
        if age and table == CONTENT:
            # The bodies are not sorted with their keys: a database would write all of them to a scratch file.
            digest = reflected_table.c.digest
            async for keys in self._stream(query.with_only_columns(digest), at_once):
                digests = [row[0] for row in keys]
                rows = await self._connection.execute(query.order_by(None).where(digest.in_(digests)))
                by_digest = {row.digest: row for row in rows}
                yield [line_of(by_digest[key]) for key in digests]
            return
        async for batch in self._stream(query, at_once):
            yield [line_of(row) for row in batch]

    async def sum(self, table: str) -> Sum:
        """Return the number and the digest of the lines of a table."""
        summing = Summing()
        async for batch in self.lines(table):
            summing.add(batch)
        return summing.sum()

    async def contents(self) -> AsyncIterator[list[ReferredBlob]]:
        """Yield all large content that is copied, whose bytes are in no row, in batches, ordered by digest."""
        blob = self._tables[CONTENT]
        name = blob.c[_OBJECT] if _OBJECT in blob.c else null()
        query = select(blob.c.digest, blob.c.size, name).where(_copied_content(blob), blob.c.body.is_(None))
        async for batch in self._stream(query.order_by(blob.c.digest)):
            yield [ReferredBlob(digest=row[0], size=row[1], object_name=row[2]) for row in batch]

    async def small(self) -> AsyncIterator[list[RowContent]]:
        """Yield all small content that is copied, in batches; the bytes of each are hashed and compared with its digest."""
        table = self._tables[CONTENT]
        query = select(table.c.digest, table.c.body).where(_copied_content(table), table.c.body.is_not(None))
        async for batch in self._stream(query, SMALL_AT_ONCE):
            yield [
                RowContent(
                    digest=row[0], size=len(row[1]), is_whole=hashlib.sha256(row[1]).hexdigest() == row[0]
                )
                for row in batch
            ]

    async def needed(self, digests: Sequence[str]) -> set[str]:
        """Return those of these digests whose content is copied."""
        blob = self._tables[CONTENT]
        rows = await self._connection.execute(
            select(blob.c.digest).where(blob.c.digest.in_(digests), _copied_content(blob))
        )
        return set(rows.scalars())

    async def _stream(self, query: Select[Any], at_once: int = AT_ONCE) -> AsyncIterator[Sequence[Any]]:
        try:
            async with self._connection.stream(query.execution_options(yield_per=at_once)) as rows:
                async for batch in rows.partitions(at_once):
                    yield batch
        except SQLAlchemyError as cause:
            raise errors.StoreFailure(f"the database could not be copied ({cause})") from cause


@asynccontextmanager
async def snapshot(url: str, *, by_age: bool = False) -> AsyncIterator[Snapshot]:
    """Open a snapshot of the database at this moment. Misconfigured when it cannot be opened or has no schema of ours."""
    try:
        async with engine_for_task(url, EngineRole.READER) as engine, engine.connect() as connection:
            yield await snapshot_on(connection, by_age=by_age)
    except SQLAlchemyError as cause:
        raise errors.Misconfigured(f"the database cannot be opened ({cause}); check database.url") from cause


async def snapshot_on(connection: AsyncConnection, *, by_age: bool = False) -> Snapshot:
    """Return the snapshot as the connection's transaction sees it. Misconfigured when there is no schema of ours."""
    revision = await connection.run_sync(revision_of)
    if revision is None:
        raise errors.Misconfigured("the database holds no schema of this program; check database.url")
    tables = await connection.run_sync(reflect_tables)
    return Snapshot(connection, tables, migrate.of_today(revision), by_age=by_age)


def revision_of(connection: Connection) -> str | None:
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def reflect_tables(connection: Connection) -> MetaData:
    """Read the tables to copy from the database itself, because its schema may be newer or older than this program's. Words
    of files are left out: where they are missing, the files are read again; and marks of folders, which are written anew
    for the folders beside which the copy is restored."""
    tables, left_out = MetaData(), {VERSION_TABLE, "folder_mark", *MEMORY_TABLES, *CONTENT_TABLES}
    tables.reflect(
        connection, only=lambda name, _: name not in left_out and not name.startswith(SEARCH_TABLES)
    )
    return tables


def _select_rows(table: Table, connection: AsyncConnection, age: Sequence[str]) -> Select[Any]:
    leasable = {column.name for column in table.columns} >= _LEASE
    empty = {*(_LEASE if leasable else ()), *((_OBJECT,) if table.name == CONTENT else ())}
    columns = [null() if column.name in empty else column for column in table.columns]
    key = [*(table.columns[name] for name in age), *table.primary_key.columns]
    order = [_in_order(column, connection) for column in key]
    query = select(*columns).order_by(*order)
    if table.name == OWNERS:
        return query.where(table.c.owner_kind != HOLD)
    return query.where(_copied_content(table)) if table.name == CONTENT else query


def _in_order(column: Column[Any], connection: AsyncConnection) -> Any:
    """Return the expression that orders by a column's bytes on both databases; a server would use a language's rules."""
    is_text = kind_of(column) == "text"
    return collate(column, "C") if is_text and connection.dialect.name == "postgresql" else column


def _copied_content(content: Table) -> Any:
    """Return the SQL condition that content is copied: some row other than a sealed hold refers to it. Unreferenced content
    need not be restored, and content of the sealed hold must be in no copy (R4, sealed hold)."""
    refs = content.metadata.tables[OWNERS]
    needed = exists().where(refs.c.digest == content.c.digest, refs.c.owner_kind != HOLD)
    return or_(content.c.owner_kind != HOLD, needed)


class DatabaseLoad:
    """Open transaction that loads a copy into an empty database; without `commit` nothing of it is stored."""

    def __init__(self, connection: AsyncConnection, tables: MetaData) -> None:
        self._connection = connection
        self._tables = tables
        self._keys = [
            key
            for table in tables.sorted_tables
            for key in sorted(table.foreign_key_constraints, key=lambda key: str(key.name))
            if self._on_server
        ]

    @property
    def _on_server(self) -> bool:
        return self._connection.dialect.name == "postgresql"

    async def begin(self) -> None:
        """Drop the foreign keys on a server until `finish`; on SQLite they are off in a migrator's connection."""
        for key in self._keys:
            await self._connection.execute(DropConstraint(key))

    async def insert(self, shape: TableShape, lines: Sequence[bytes]) -> None:
        """Insert copied rows into a table. StoreFailure when the schema has no such table or columns."""
        table = self._tables.tables.get(shape.name)
        if table is None or {name for name, _ in shape.columns} - {column.name for column in table.columns}:
            raise errors.StoreFailure(
                f"the copy has a table {shape.name} with columns that its schema does not have; it is not one of ours"
            )
        names = [name for name, _ in shape.columns]
        read = line_reader([kind for _, kind in shape.columns], zoned=self._on_server)
        rows: list[dict[str, Any]] = [dict(zip(names, read(line), strict=True)) for line in lines]
        if rows:
            await self._connection.execute(table.insert(), rows)

    async def finish(self) -> None:
        """Check the foreign keys, which a server does by adding them again, and set a server's sequences after the rows."""
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

    async def snapshot(self, *, by_age: bool = False) -> Snapshot:
        """Return a snapshot of the loaded rows, for comparison with the copy."""
        return await snapshot_on(self._connection, by_age=by_age)

    async def commit(self) -> None:
        await self._connection.commit()


@asynccontextmanager
async def loading(url: str, revision: str) -> AsyncIterator[DatabaseLoad]:
    """Open a load into a database without rows, whose schema is first brought to that revision. Clash when the database has
    rows, Misconfigured when this program does not know the revision."""
    revision = _known_revision(revision)
    try:
        async with engine_for_task(url, EngineRole.MIGRATOR) as engine, engine.connect() as connection:
            await connection.begin()
            await connection.run_sync(_prepare, revision)
            load = DatabaseLoad(connection, await connection.run_sync(reflect_tables))
            await load.begin()
            yield load
    except SQLAlchemyError as cause:
        raise errors.StoreFailure(
            f"the database did not take the copy ({type(cause).__name__}: {str(cause).partition(chr(10))[0]}); "
            "nothing of it is stored"
        ) from cause


async def clear_database(url: str) -> None:
    """Drop all tables of a database: for one that was filled only to examine a copy."""
    try:
        async with engine_for_task(url, EngineRole.MIGRATOR) as engine, engine.begin() as connection:
            tables = MetaData()
            if connection.dialect.name == "sqlite":
                # The index's inner tables are dropped with it, and cannot be dropped by themselves.
                for name in SEARCH_TABLES:
                    await connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
            await connection.run_sync(tables.reflect)
            await connection.run_sync(tables.drop_all)
    except SQLAlchemyError as cause:
        raise errors.StoreFailure(f"the scratch database could not be emptied ({cause})") from cause


def _known_revision(revision: str) -> str:
    today_revision = migrate.of_today(revision, "GW-B-003")
    revisions = [step.revision for step in migrate.steps()]
    if today_revision not in revisions:
        raise errors.Misconfigured(
            f"the copy has schema {revision}, and this version knows {revisions[-1]} at most",
            code="GW-B-003",
            hint="restore it with the version of the program that made it, or a newer one",
        )
    return today_revision


def _prepare(connection: Connection, revision: str) -> None:
    """Check that the database has no rows, nor tables of another program, and migrate it to the revision."""
    if revision_of(connection) is None and inspect(connection).get_table_names():
        raise errors.Clash("the database holds tables that are not of this program; name an empty one")
    for table in reflect_tables(connection).sorted_tables:
        if connection.execute(select(1).select_from(table).limit(1)).first() is not None:
            raise errors.Clash(
                f"the database is in use: {table.name} has rows; a copy is restored into an empty one"
            )
    present = revision_of(connection)
    if present is not None and present > revision:
        raise errors.Clash(
            f"the database has schema {present} and the copy {revision}; name a database without tables"
        )
    migrate.bring(connection, revision)
