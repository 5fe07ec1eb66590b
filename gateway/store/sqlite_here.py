"""SQLite without a thread between: a statement runs where it is asked and costs no hop. COMMIT, which waits for the disk,
and what is slow, by its mark or by the number of its rows, go to a thread. For the small statements of a unit of work.

SQLAlchemy's asyncio connections want each call to have awaited something; a greenlet that awaits nothing real is enough."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.base import SQLiteExecutionContext
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.sql import Executable
from sqlalchemy.util.concurrency import await_, in_greenlet

from gateway.commits import apart, take_lock
from gateway.store.prepared import Found, Prepared, Values

NAME = "sqlite+here"
# An execution option of statements that may take long: they go to a thread too.
SLOW = "gateway_slow"
# Rows that one call writes: more of them are an import, and go to a thread.
MANY = 200
# Of those that find few rows by an index, also where lists and searches are asked for.
FEW = {SLOW: False}


class _Context(SQLiteExecutionContext):
    def create_server_side_cursor(self) -> Any:  # Any: a cursor of the driver, as SQLAlchemy has it
        """Rows of SQLite are always made one by one, as they are fetched."""
        return self.create_default_cursor()


class _Cursor(sqlite3.Cursor):
    """With what SQLAlchemy asks an asyncio cursor for: there is nothing to wait for when it is over."""

    server_side = False

    async def _async_soft_close(self) -> None:
        """Rows that nobody fetched yet stay: they are made as they are fetched."""


class _Connection(sqlite3.Connection):
    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)


class HereDialect(SQLiteDialect_pysqlite):
    """Any, throughout: what SQLAlchemy hands its dialects has no narrower public types."""

    driver = "here"
    is_async = True
    supports_statement_cache = True
    supports_server_side_cursors = True
    execution_ctx_cls = _Context

    @classmethod
    def get_pool_class(cls, url: Any) -> Any:
        return AsyncAdaptedQueuePool

    def create_connect_args(self, url: Any) -> Any:
        words, options = super().create_connect_args(url)
        # Its commits run in a thread, one call at a time.
        return words, {**options, "check_same_thread": False, "factory": _Connection}

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        self._run(partial(cursor.execute, statement, parameters), context)

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        self._run(partial(cursor.executemany, statement, parameters), context, many=len(parameters) > MANY)

    def do_execute_no_params(self, cursor: Any, statement: str, context: Any = None) -> None:
        self._run(partial(cursor.execute, statement), context)

    @staticmethod
    def _run(call: Callable[[], object], context: Any, *, many: bool = False) -> None:
        if not in_greenlet():
            call()
        elif many or (context is not None and context.execution_options.get(SLOW)):
            await_(apart(call))
        else:
            call()
            await_(_nothing())

    def do_commit(self, dbapi_connection: Any) -> None:
        if in_greenlet():
            await_(apart(dbapi_connection.commit))
        else:
            dbapi_connection.commit()


async def _nothing() -> None:
    pass


def is_here(asked: AsyncConnection | AsyncEngine) -> bool:
    return isinstance(asked.dialect, HereDialect)


def driver(asked: Connection | AsyncConnection) -> sqlite3.Connection:
    """SQLite's own connection below one of this dialect. TypeError below any other."""
    connection = asked.sync_connection if isinstance(asked, AsyncConnection) else asked
    if connection is None or not isinstance(connection.dialect, HereDialect):
        raise TypeError("only SQLite has a driver that runs statements where they are asked")
    below: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # the pool's is of any driver
    return below


def is_slow(statement: Executable, values: Values | list[Values] | None) -> bool:
    """Whether it goes to a thread."""
    if isinstance(values, list) and len(values) > MANY:
        return True
    return bool(statement.get_execution_options().get(SLOW))


def run(prepared: Prepared, asked: sqlite3.Connection, values: Values | list[Values]) -> Found:
    """Of a statement of `prepared`; for several sets of values nothing is found."""
    if isinstance(values, list):
        return Found((), asked.executemany(prepared.text, [prepared.bound(row) for row in values]).rowcount)
    cursor = asked.execute(prepared.text, prepared.bound(values))
    if not prepared.finds:
        return Found((), cursor.rowcount)
    if not prepared.is_told:
        prepared.tell((column[0], None) for column in cursor.description)
    return Found(prepared.rows(cursor.fetchall()), cursor.rowcount)


def begin_waiting(connection: Connection, patience_s: float) -> None:
    """Takes the one write lock of the file. While another process has it, the loop of this one goes on."""
    try:
        await_(take_lock(driver(connection), patience_s))
    except sqlite3.Error as cause:
        raise OperationalError("BEGIN IMMEDIATE", None, cause) from cause


registry.register("sqlite.here", __name__, HereDialect.__name__)
