"""One open transaction, and the few ways in which repositories speak to it. In: statements. Out: rows, or our own
errors instead of the driver's. Nothing is flushed behind anyone's back: each call is one statement, at once.

What a writing transaction has asked for stays as it is until it ends: rows through `kept`, and what is not there yet
through `hold`. SQLite has one writer and needs neither; on a server two writers would decide on what both saw."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache, lru_cache
from typing import Any, TypeVar, cast

from sqlalchemy import BigInteger, CursorResult, Table, bindparam, func, inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import Executable, Select
from sqlalchemy.sql.dml import Delete, Insert, Update

from gateway import errors
from gateway.store import drivers
from gateway.store.drivers import Line, StatementResult, Statements
from gateway.store.row import Row

R = TypeVar("R", bound=Row)

_STATEMENTS = Statements()
_SEPARATOR = "\x1f"  # stands in no code, digest or id
_HOLD = select(func.pg_advisory_xact_lock(bindparam("key", type_=BigInteger)))


class Transaction:
    """Begun on opening, over at `commit` or on leaving. A failed `put_new` leaves it usable on both databases."""

    def __init__(self, connection: AsyncConnection | Line, *, shared: bool) -> None:
        """`shared`: it writes, and others may write at the same time."""
        line = connection if isinstance(connection, Line) else Line(connection)
        self._connection, self._dialect = line.connection, line.dialect
        self._here, self._driver = line.here, line.driver
        self._shared = shared
        self._held: set[str] = set()
        self._over = False
        self._then: list[Callable[[], None]] = []
        self._last: dict[Insert, list[dict[str, Any]]] = {}

    @property
    def is_shared(self) -> bool:
        """Whether it writes while others may."""
        return self._shared

    def kept(self, query: Select[Any]) -> Select[Any]:
        """The same query; nobody else changes the rows it finds until this transaction ends. NO KEY: rows that point
        to them may still be added."""
        return _kept(query) if self._shared else query

    async def keep(self, query: Select[Any], /, **values: object) -> None:
        """Keeps the rows that the query finds, for who has no need to read them."""
        if self._shared:
            await self._execute(_kept(query), values)

    async def hold(self, *name: str) -> None:
        """Returns when no other transaction holds this name, and holds it to its own end: for rows that may be written
        under that name although there are none yet."""
        key = _SEPARATOR.join(name)
        if self._shared and key not in self._held:
            await self._execute(_HOLD, {"key": _number(key)})
            self._held.add(key)

    async def rows(self, kind: type[R], query: Select[Any], /, **values: object) -> Sequence[R]:
        """The rows of one table, to be read only: each has the columns of `kind` as attributes. No session stands
        between, because nobody here changes a row by assigning to it, and that is a third of a statement's cost."""
        found: Sequence[Any] = (await self._execute(query, values or None)).all()
        return found

    async def first(self, kind: type[R], query: Select[Any], /, **values: object) -> R | None:
        found = await self.rows(kind, _first(query), **values)
        return found[0] if found else None

    async def tuples(self, query: Executable, /, **values: object) -> Sequence[Any]:
        """What a query of several columns found; each row reads like a tuple."""
        return (await self._execute(query, values or None)).all()

    async def put(self, *rows: Row) -> None:
        """Writes new rows of one table. Clash when one of them is there, or names a row that is not."""
        if rows:
            await self._execute_many(_new(type(rows[0])), [_values(row) for row in rows])

    def put_last(self, *rows: Row) -> None:
        """Writes new rows of one table when this transaction ends, all of them in one call, tables in the order in which
        they were first named; `put_now` before somebody here reads them."""
        if rows:
            self._last.setdefault(_new(type(rows[0])), []).extend(map(_values, rows))

    def put_over_last(self, row: Row, *columns: str) -> None:
        """As `put_over`, at that same time."""
        statement = _new_or_over(type(row), self._dialect.name, columns)
        self._last.setdefault(statement, []).append(_values(row))

    def put_missing_last(self, row: Row) -> None:
        """As `put_missing`, at that same time."""
        self._last.setdefault(_new_or_nothing(type(row), self._dialect.name), []).append(_values(row))

    async def put_now(self) -> None:
        waiting, self._last = self._last, {}
        for statement, rows in waiting.items():
            await self._execute_many(statement, rows)

    async def put_new(self, row: Row) -> bool:
        """Writes the row unless a unique key of it is taken: False then, and nothing changed."""
        statement = _new_or_nothing(type(row), self._dialect.name)
        return (await self._execute(statement, _values(row))).rowcount == 1

    async def put_missing(self, *rows: Row) -> None:
        """As `put_new` for rows of one table, for who has no need to know which were missing."""
        if rows:
            statement = _new_or_nothing(type(rows[0]), self._dialect.name)
            await self._execute_many(statement, [_values(row) for row in rows])

    async def put_over(self, row: Row, *columns: str) -> None:
        """Writes the row, or only these columns of it into the one with its primary key; holds that row's lock either
        way."""
        await self._execute(_new_or_over(type(row), self._dialect.name, columns), _values(row))

    async def change(self, statement: Update | Delete | Insert, /, **values: object) -> int:
        """How many rows it changed. Of an update, values that are no parameters of it are columns to set."""
        return (await self._execute(statement, values or None)).rowcount

    async def change_many(self, statement: Update, values: Sequence[Mapping[str, Any]]) -> None:
        """The same statement for each set of values, as one call to the driver."""
        if values:
            await self._execute_many(statement, [dict(row) for row in values])

    def when_committed(self, tell: Callable[[], None]) -> None:
        """Called once this transaction holds, and never when it does not: for what is counted."""
        self._then.append(tell)

    async def commit(self) -> None:
        self._check_open()
        await self.put_now()
        self._over = True
        try:
            await self._settle()
        except SQLAlchemyError as cause:
            raise errors.StoreFailure(
                f"the database did not say that it committed ({said(cause)}): everything of this transaction is stored, "
                "or nothing; look before trying again"
            ) from cause
        for tell in self._then:
            tell()

    async def _settle(self) -> None:
        """Returns when the database has it for good."""
        await self._connection.commit()

    @property
    def connection(self) -> AsyncConnection:
        """For the registry, whose rows lie in the same database and change with this transaction."""
        return self._connection

    async def _execute(
        self, statement: Executable, values: dict[str, Any] | None = None
    ) -> StatementResult | CursorResult[Any]:
        self._check_open()
        try:
            if self._driver is None:
                return await self._asked(statement, values)
            prepared = _STATEMENTS.of(statement, values, self._dialect)
            if prepared is not None:
                return drivers.run_here(prepared, self._driver, values or {})
            return await self._by_library(statement, values)
        except _ALL as cause:
            raise _ours(cause) from cause

    async def _execute_many(self, statement: Executable, many: list[dict[str, Any]]) -> None:
        """As one call to the driver."""
        self._check_open()
        try:
            if self._driver is None:
                await self._asked_many(statement, many)
                return
            prepared = None
            if len(many) <= drivers.MANY:
                prepared = _STATEMENTS.of_many(statement, many, self._dialect)
            if prepared is not None:
                drivers.run_many_here(prepared, self._driver, many)
            else:
                await self._by_library(statement, many)
        except _ALL as cause:
            raise _ours(cause) from cause

    async def _by_library(
        self, statement: Executable, values: list[dict[str, Any]] | dict[str, Any] | None
    ) -> CursorResult[Any]:
        if self._here is None or drivers.is_slow(statement, values):
            return await self._connection.execute(statement, values)
        return self._here.execute(statement, values)

    async def _asked(
        self, statement: Executable, values: dict[str, Any] | None
    ) -> StatementResult | CursorResult[Any]:
        """Of a server, or of a thread that reads SQLite: that one is SQLAlchemy's alone."""
        server = self._dialect.name == "postgresql"
        prepared = _STATEMENTS.of(statement, values, self._dialect) if server else None
        if prepared is None:
            return await self._by_library(statement, values)
        return await drivers.run_on_server(prepared, self._connection, values or {})

    async def _asked_many(self, statement: Executable, many: list[dict[str, Any]]) -> None:
        server = self._dialect.name == "postgresql"
        prepared = _STATEMENTS.of_many(statement, many, self._dialect) if server else None
        if prepared is None:
            await self._by_library(statement, many)
        else:
            await drivers.run_many_on_server(prepared, self._connection, many)

    def _check_open(self) -> None:
        if self._over:
            raise errors.StoreFailure("this unit of work is committed and over; begin another one")


class Slowly(Transaction):
    """The same open transaction, for lists and searches: on SQLite its statements go to a thread, so that whoever turns
    pages holds nobody up. Those marked as `FEW` do not."""

    def __init__(self, tx: Transaction) -> None:
        self.__dict__ = tx.__dict__  # one state: what one of the two ends is over for both

    async def _execute(
        self, statement: Executable, values: dict[str, Any] | None = None
    ) -> StatementResult | CursorResult[Any]:
        return await super()._execute(self._slow(statement), values)

    async def _execute_many(self, statement: Executable, many: list[dict[str, Any]]) -> None:
        await super()._execute_many(self._slow(statement), many)

    def _slow(self, statement: Executable) -> Executable:
        if self._here is None or drivers.SLOW in statement.get_execution_options():
            return statement
        return statement.execution_options(**{drivers.SLOW: True})


Open = Callable[[], AbstractAsyncContextManager[Transaction]]


@asynccontextmanager
async def transaction(engine: AsyncEngine, *, shared: bool = False) -> AsyncIterator[Transaction]:
    """A transaction that has begun. Leaving without `commit` rolls back; what the driver raises becomes ours."""
    try:
        async with engine.connect() as connection:
            await connection.begin()
            yield Transaction(connection, shared=shared)
    except SQLAlchemyError as cause:
        raise failure(cause) from cause


_ALL = (SQLAlchemyError, sqlite3.Error)


def _ours(cause: SQLAlchemyError | sqlite3.Error) -> errors.GatewayError:
    """What went wrong with a statement."""
    if isinstance(cause, IntegrityError | sqlite3.IntegrityError):
        return errors.Clash(
            f"the database refused the change ({said(cause)}): a row it needs is missing, or one like it is there"
        )
    return failure(cause)


def failure(cause: SQLAlchemyError | sqlite3.Error) -> errors.StoreFailure:
    return errors.StoreFailure(
        f"the database did not do it ({type(cause).__name__}: {said(cause)}); nothing of this transaction is stored"
    )


def said(cause: SQLAlchemyError | sqlite3.Error) -> str:
    """The driver's first line, without the statement and its values: those are content."""
    line = str(cause.orig) if isinstance(cause, DBAPIError) else str(cause)
    return line.partition("\n")[0]


def _number(key: str) -> int:
    """Two names with one number would only wait for each other without need."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


# Making a statement takes longer than running it: what is made once is also compiled once.
@cache
def _new(kind: type[Row]) -> Insert:
    return _table(kind).insert().inline()


@cache
def _new_or_nothing(kind: type[Row], dialect: str) -> Insert:
    made: Insert = _insert(kind, dialect).on_conflict_do_nothing()
    return made


@cache
def _new_or_over(kind: type[Row], dialect: str, columns: tuple[str, ...]) -> Insert:
    statement = _insert(kind, dialect)
    key = [column.name for column in _table(kind).primary_key]
    over = {name: statement.excluded[name] for name in columns}
    made: Insert = statement.on_conflict_do_update(index_elements=key, set_=over)
    return made


@lru_cache(maxsize=256)
def _kept(query: Select[Any]) -> Select[Any]:
    return query.with_for_update(key_share=True)


@lru_cache(maxsize=256)
def _first(query: Select[Any]) -> Select[Any]:
    return query.limit(1)


def _insert(kind: type[Row], dialect: str) -> Any:
    """ON CONFLICT is in both databases but not in the common language. Any: the two inserts share no base type that
    has it."""
    return (postgresql if dialect == "postgresql" else sqlite).insert(_table(kind))


@cache
def _table(kind: type[Row]) -> Table:
    return cast("Table", inspect(kind).local_table)


def _values(row: Row) -> dict[str, Any]:
    """Every column's value; a key that the database counts itself is left out."""
    counted = _counted(type(row))
    return row.values() if counted is None or row.__dict__[counted] is not None else row.values(counted)


@cache
def _counted(kind: type[Row]) -> str | None:
    column = _table(kind).autoincrement_column
    return None if column is None else column.name
