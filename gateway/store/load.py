"""Fills an empty database from neutral lines, all of it or nothing. In: a URL, a schema revision and lines by table. Out:
a database that reads back exactly as it was copied. Keys between tables are checked at the end, not row by row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, MetaData, func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import AddConstraint, DropConstraint

from gateway import errors
from gateway.store import dump, migrate, neutral
from gateway.store.engine import Role, open_engine


class Load:
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

    async def put(self, shape: dump.Shape, lines: Sequence[bytes]) -> None:
        """Writes rows of that table as they were copied."""
        table = self._tables.tables.get(shape.name)
        if table is None or {name for name, _ in shape.columns} - {each.name for each in table.columns}:
            raise errors.StoreFailure(
                f"the copy has a table {shape.name} with columns that its schema does not have; it is not one of ours"
            )
        names = [name for name, _ in shape.columns]
        read = neutral.reader([kind for _, kind in shape.columns], zoned=self._on_server)
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

    async def seen(self) -> dump.Snapshot:
        """The rows as they lie there now, to be compared with the copy."""
        return await dump.seen(self._connection)

    async def commit(self) -> None:
        await self._connection.commit()


@asynccontextmanager
async def loading(url: str, revision: str) -> AsyncIterator[Load]:
    """The schema of that revision, with no rows. Clash when the database has rows, Misconfigured when this program does
    not know the revision."""
    revision = _known(revision)
    engine = open_engine(url, Role.MIGRATOR)
    try:
        async with engine.connect() as connection:
            await connection.begin()
            await connection.run_sync(_prepare, revision)
            load = Load(connection, await connection.run_sync(dump.reflected))
            await load.begin()
            yield load
    except SQLAlchemyError as cause:
        raise errors.StoreFailure(
            f"the database did not take the copy ({type(cause).__name__}: {str(cause).partition(chr(10))[0]}); "
            "nothing of it is stored"
        ) from cause
    finally:
        await engine.dispose()


async def clear(url: str) -> None:
    """Takes every table of ours off again: for a database that was filled to be looked at."""
    engine = open_engine(url, Role.MIGRATOR)
    try:
        async with engine.begin() as connection:
            tables = MetaData()
            if connection.dialect.name == "sqlite":
                # What it is made of goes with it, and may not be dropped by itself.
                await connection.execute(text(f"DROP TABLE IF EXISTS {dump.SEARCH_TABLES}"))
            await connection.run_sync(tables.reflect)
            await connection.run_sync(tables.drop_all)
    except SQLAlchemyError as cause:
        raise errors.StoreFailure(f"the scratch database could not be emptied ({cause})") from cause
    finally:
        await engine.dispose()


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
    if dump.revision_of(connection) is None and inspect(connection).get_table_names():
        raise errors.Clash("the database holds tables that are not of this program; name an empty one")
    for table in dump.reflected(connection).sorted_tables:
        if connection.execute(select(1).select_from(table).limit(1)).first() is not None:
            raise errors.Clash(
                f"the database is in use: {table.name} has rows; a copy is restored into an empty one"
            )
    current = dump.revision_of(connection)
    if current is not None and current > revision:
        raise errors.Clash(
            f"the database has schema {current} and the copy {revision}; name a database without tables"
        )
    migrate.bring(connection, revision)
