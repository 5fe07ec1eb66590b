"""One hop to SQLite's thread for one statement. The driver's cursor takes four: to be made, to execute, to give its rows
and to close. They cost more than the statements do, and the event loop pays. In: an engine that is not connected yet.
Out: the same engine, whose cursors do all four in one hop; statements, rows and errors are the driver's own."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import event
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_cursor
from sqlalchemy.ext.asyncio import AsyncEngine

# Any throughout: the library gives its adapters, which this module refines, no narrower types.


class _Done(NamedTuple):
    """What one statement gave."""

    description: Any
    rows: Sequence[Any]
    rowcount: int
    lastrowid: int | None


_NOT_YET = _Done(None, (), -1, None)


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    """Nothing of it lives in the driver between two statements, so there is nothing to close."""

    __slots__ = ("_done",)

    def __init__(self, adapt_connection: Any) -> None:
        self._adapt_connection = adapt_connection
        self._connection = adapt_connection._connection
        self._rows = deque()
        self._done = _NOT_YET

    @property
    def description(self) -> Any:
        return self._done.description

    @property
    def rowcount(self) -> int:
        return self._done.rowcount

    @property
    def lastrowid(self) -> Any:
        return self._done.lastrowid

    async def _execute_async(self, operation: Any, parameters: Any) -> None:
        await self._run(operation, parameters or (), many=False)

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> None:
        await self._run(operation, seq_of_parameters, many=True)

    async def _run(self, statement: str, values: Any, *, many: bool) -> None:
        driver: Any = self._connection
        async with self._adapt_connection._execute_mutex:
            self._done = await driver._execute(_one, driver._conn, statement, values, many)
        self._rows = deque(self._done.rows)

    async def _async_soft_close(self) -> None:
        return

    def close(self) -> None:
        self._rows.clear()


class _Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()

    _cursor_cls = _Cursor

    def rollback(self) -> None:
        """The pool rolls every connection back that returns to it; after a commit there is nothing to roll back."""
        driver: Any = self._connection
        if driver._connection and driver.in_transaction:
            super().rollback()


def use(engine: AsyncEngine) -> None:
    """The engine's connections work this way from now on."""
    event.listen(engine.sync_engine, "do_connect", _connect)


def _connect(dialect: Any, record: object, arguments: Any, words: Any) -> _Connection:
    made = dialect.loaded_dbapi.connect(*arguments, **words)
    return _Connection(made.dbapi, made._connection)


def _one(connection: sqlite3.Connection, statement: str, values: Any, many: bool) -> _Done:
    """On the driver's thread."""
    cursor = connection.cursor()
    try:
        (cursor.executemany if many else cursor.execute)(statement, values)
        rows = cursor.fetchall() if cursor.description else ()
        return _Done(cursor.description, rows, cursor.rowcount, cursor.lastrowid)
    finally:
        cursor.close()
