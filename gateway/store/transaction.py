"""One open transaction, and the few ways in which repositories use it. In: statements. Out: rows, or our own errors instead
of the driver's. Queries run at once; new rows are written when a query of this transaction needs their table, and at the
latest when the transaction ends (`pending_writes`).

A writing transaction locks the rows that it reads through `lock_rows`, and with `hold` a name under which there may be no
row yet, until it ends. Otherwise two writers on a server could decide on the same state. SQLite has one writer and needs
no locks."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache, partial
from typing import Any, TypeVar

from sqlalchemy import ARRAY, BigInteger, ColumnElement, CompoundSelect, bindparam, func, select
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import Executable, Select
from sqlalchemy.sql.dml import Delete, Insert, Update, UpdateBase

from gateway import errors
from gateway.commits import run_in_thread
from gateway.store import drivers, together
from gateway.store.drivers import LOCKS_ROWS, Line, Prepared, StatementResult, Statements
from gateway.store.pending_writes import (
    Check,
    Finish,
    PendingWrite,
    PendingWrites,
    RowInsert,
    exactly_one,
    row_insert,
)
from gateway.store.row import Kind, Row, reader_of, update_by_key

R = TypeVar("R", bound=Row)
V = TypeVar("V")

BoundQuery = tuple[Executable, dict[str, Any]]
"""A statement with its values by name."""
QuerySets = tuple[Executable, Prepared, Sequence[dict[str, Any]]]
"""A statement, its prepared form for one set of values, and several sets."""
_STATEMENTS = Statements()
_SEPARATOR = "\x1f"  # occurs in no code, digest or id
_KEYS = (
    func.unnest(bindparam("keys", type_=ARRAY(BigInteger, dimensions=1)))
    .table_valued("key")
    .render_derived("asked")
)
HOLD = select(func.pg_advisory_xact_lock(_KEYS.c.key))
# OverflowError comes of a number too large for any column, UnicodeEncodeError of a text that has no UTF-8 form.
_DriverError = SQLAlchemyError | sqlite3.Error | OverflowError | UnicodeEncodeError
_DRIVER_ERRORS = (SQLAlchemyError, sqlite3.Error, OverflowError, UnicodeEncodeError)
# The beginning of an error message of PostgreSQL's driver, which goes on with the value.
_ARGUMENT = re.compile(r"invalid input for query argument \$\d+(?=: )")


class Transaction:
    """Open transaction; it ends at `commit`, or when its context ends. It stays usable after a failed `insert_new`."""

    _is_autocommit = False
    # On SQLite, whether what may be slow runs in a thread.
    _in_thread = False
    # Whether a statement is prepared at its first use, not at its second.
    _prepares_at_once = False

    def __init__(self, connection: AsyncConnection | Line, *, shared: bool) -> None:
        """Take a connection in a transaction. `shared`: it writes, and other transactions may write at the same time."""
        line = connection if isinstance(connection, Line) else Line(connection)
        self.line = line
        self._connection, self._dialect = line.connection, line.dialect
        self._sync_connection, self._driver = line.sync_connection, line.driver
        self._on_server = line.dialect.name == "postgresql"
        # Statements go neither through SQLAlchemy nor to a thread.
        self._is_direct = self._on_server or line.driver is not None
        self._shared = shared
        self._held: set[str] = set()
        self._over = self._is_broken = False
        self._callbacks: list[Callable[[], None]] = []
        self._pending = PendingWrites()

    @property
    def is_broken(self) -> bool:
        """True when the database refused a required write, so that this transaction cannot be committed."""
        return self._is_broken

    @property
    def asks_server(self) -> bool:
        """True when the database is a server, where a call costs more than a row."""
        return self._on_server

    @property
    def is_shared(self) -> bool:
        """True when this transaction writes and others may write at the same time."""
        return self._shared

    def lock_rows(self, query: Select[Any]) -> Select[Any]:
        """Return the query so that it locks the rows it finds until this transaction ends; unchanged where this is not
        needed. The lock is FOR NO KEY UPDATE, so that others may still add rows which refer to these."""
        return _lock_rows(query) if self._shared else query

    async def lock(self, query: Select[Any], /, **values: object) -> None:
        """Lock the rows that the query finds until this transaction ends, without returning them."""
        if self._shared:
            await self._execute(_lock_rows(query), values)

    async def hold(self, *name: str) -> None:
        """Lock a name until this transaction ends, waiting while another one holds it: for rows under that name that do
        not exist yet, so that they cannot be locked themselves."""
        await self.hold_all([name])

    async def hold_all(self, names: Sequence[Sequence[str]]) -> None:
        """Lock several names, as `hold` does, by one query."""
        if not self._shared:
            return
        unheld = [key for key in map(_SEPARATOR.join, names) if key not in self._held]
        if unheld:
            await self._execute(HOLD, {"keys": [*map(_lock_number, unheld)]})
            self._held.update(unheld)

    async def ask_all(self, questions: Sequence[QuerySets]) -> Sequence[Sequence[StatementResult]]:
        """Run each statement for each of its sets of values, by as few queries as possible; return the results by
        statement and set. A `HOLD` among them runs last, so no query here may rely on its lock."""
        self._check_open()
        try:
            combined = [self._for_all_sets(*query, is_only=len(questions) == 1) for query in questions]
            parts = [(n, part) for n, part in enumerate(combined) if part is not None]
            # Holds come last, because they wait for other transactions. The queries are sorted by text, so that the same
            # queries in another order make the same combined statement.
            parts.sort(key=lambda part: (questions[part[0]][0] is HOLD, part[1][0].text))
            raw_rows = await self._fetch_all([(prepared, values) for _, (prepared, values, _) in parts])
        except _DRIVER_ERRORS as cause:
            self._note_refusal()
            raise _gateway_error(cause) from cause
        rows_of_sets = {n: split(rows) for (n, (_, _, split)), rows in zip(parts, raw_rows, strict=True)}
        return [
            [StatementResult(alone.rows(rows), len(rows)) for rows in rows_of_sets[n]]
            if n in rows_of_sets
            else [await self._execute(statement, values) for values in sets]
            for n, (statement, alone, sets) in enumerate(questions)
        ]

    def _for_all_sets(
        self, statement: Executable, alone: Prepared, sets: Sequence[dict[str, Any]], *, is_only: bool
    ) -> tuple[Prepared, dict[str, Any], Callable[[Sequence[Any]], Sequence[Sequence[Any]]]] | None:
        """Combine a statement's runs for several sets of values into one query; return its prepared form, its values, and
        the function that splits its rows by set. None when each set must run by itself."""
        if statement is HOLD:  # keys in ascending order, so that no two batches wait for each other
            keys = sorted({key for values in sets for key in values["keys"]})
            return alone, {"keys": keys}, lambda rows: [()] * len(sets)
        if not isinstance(statement, Select | CompoundSelect) or not alone.knows_columns:
            return None
        if len(sets) == 1 and (is_only or not self._on_server):
            return None
        combined = together.question(statement, tuple(sets[0]), self._dialect)
        if combined is None:
            return None
        return combined.prepared, combined.values(sets), partial(combined.split_by_set, sets=len(sets))

    async def _fetch_all(self, queries: Sequence[tuple[Prepared, dict[str, Any]]]) -> Sequence[Sequence[Any]]:
        """Fetch the raw rows of each query from the driver; on a server by one call for all queries."""
        if self._driver is not None:
            return [drivers.fetch_on_sqlite(prepared, self._driver, values) for prepared, values in queries]
        return (
            await drivers.fetch_on_server(queries, self._connection, alone=self._is_autocommit)
            if queries
            else []
        )

    async def rows(self, kind: type[R], query: Select[Any], /, **values: object) -> Sequence[R]:
        """Run a query for rows of one table; return them as read-only objects with the columns of `kind` as attributes.
        There is no ORM session, which saves a third of a statement's cost."""
        return (await self._execute(query, values)).rows

    async def first(self, kind: type[R], query: Select[Any], /, **values: object) -> R | None:
        rows = await self.rows(kind, _limit_to_one(query), **values)
        return rows[0] if rows else None

    async def values(self, kind: Kind[V], query: Select[Any], /, **values: object) -> list[V]:
        """Run a query for rows of one table; return them as values of that kind."""
        return [*map(reader_of(kind), (await self._execute(query, values)).rows)]

    async def value(self, kind: Kind[V], query: Select[Any], /, **values: object) -> V | None:
        """Return the first row of a query as a value of that kind; None when there is none."""
        row = await self.first(Row, query, **values)
        return None if row is None else reader_of(kind)(row)

    async def scalar(self, query: Executable, /, **values: object) -> Any:  # Any: of any column
        """Return the first column of a query's first row; None when there is none."""
        rows = (await self._execute(query, values)).rows
        return rows[0][0] if rows else None

    async def get(
        self, kind: type[R], query: Select[Any], missing: str, hint: str = "", /, **values: object
    ) -> R:
        """Return the first row of a query. NotFound with the text `missing` and the hint when there is none."""
        row = await self.first(kind, query, **values)
        if row is None:
            raise errors.NotFound(missing, hint=hint)
        return row

    async def tuples(self, query: Executable, /, **values: object) -> Sequence[Any]:
        """Run a query for any columns; return its rows as tuples."""
        return (await self._execute(query, values)).rows

    async def find_all(self, *questions: BoundQuery) -> Sequence[Sequence[Any]]:
        """Run several queries as `tuples` does; return the rows of each. On a server that is one call, of one moment."""
        queries = list[tuple[Prepared, dict[str, Any]]]()
        if self._on_server and self._pending.is_empty:
            self._check_open()
            prepared = [(self._prepared(query, values), values) for query, values in questions]
            queries = [(statement, values) for statement, values in prepared if statement is not None]
        if len(queries) < len(questions):
            return [await self.tuples(query, **values) for query, values in questions]
        try:
            for statement, _ in queries:
                if not statement.knows_columns:
                    await drivers.describe_on_server(statement, self._connection)
            raw_rows = await self._fetch_all(queries)
        except _DRIVER_ERRORS as cause:
            self._note_refusal()
            raise _gateway_error(cause) from cause
        return [statement.rows(rows) for (statement, _), rows in zip(queries, raw_rows, strict=True)]

    def insert(self, *rows: Row, finish: Finish | None = None) -> None:
        """Insert new rows of one table, at the latest when the transaction ends. Clash when a row exists already, or refers
        to a row that does not exist. `finish` sets their last values just before they are written, such as numbers without
        gaps."""
        if rows:
            self._pending.add(row_insert(type(rows[0])), *rows, finish=finish)

    def insert_missing(self, *rows: Row) -> None:
        """Insert rows as `insert` does, but leave rows that exist already unchanged."""
        if rows:
            self._pending.add(row_insert(type(rows[0]), missing=True), *rows)

    def upsert_later(self, row: Row, *columns: str) -> None:
        """Insert or update the row as `upsert` does, at the latest when the transaction ends, together with others."""
        self._pending.add(row_insert(type(row), *columns), row)

    def add_up_later(
        self, kind: type[Row], columns: Sequence[str], values: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert rows with different keys, or add their values of these columns to the rows that exist, at the latest when
        the transaction ends."""
        if values:
            self._pending.add_separate(row_insert(kind, *columns, adds=True), *values)

    def insert_by(self, insert: RowInsert, row: Row) -> None:
        """Insert the row as `insert` does, by an insert statement that the table's own module defines."""
        self._pending.add(insert, row)

    async def insert_required(self, row: Row, error: Callable[[], Exception]) -> None:
        """Insert a row that must be new. If its key is taken, raise `error()`, at the latest when the transaction ends."""
        await self._run_required(row_insert(type(row), missing=True), row.__dict__, check=exactly_one(error))

    def insert_open(self, row: Row) -> PendingWrite:
        """Insert a row as `insert` does, but let `amend` change it until it is written. Queries marked as `SKIPS_OPEN_ROWS`
        run without writing it first."""
        return self._pending.add_open(row_insert(type(row)), row)

    def amend(self, row: PendingWrite, values: Mapping[str, Any]) -> bool:
        """Change values of a row that `insert_open` returned. Return False when the row is written already."""
        return self._pending.amend(row, dict(values))

    async def flush(self) -> None:
        """Write all pending rows and changes, also those that are added during the writing."""
        try:
            while not self._pending.is_empty:
                waiting, self._pending = self._pending, PendingWrites()
                await self.write_pending(waiting.all())
        except BaseException:
            self._is_broken = True
            raise

    async def write_pending(self, waiting: Sequence[PendingWrite]) -> None:
        """Write these pending writes, which may be of several units; give each check its number of changed rows."""
        if self._on_server:
            await self._write_on_server(waiting)
            return
        await self._write_on_sqlite(waiting)

    async def _write_on_sqlite(self, waiting: Iterable[PendingWrite]) -> None:
        for write in waiting:
            if write.finish is not None:
                await write.finish(self, write.values)
            changed = await self._execute_many(*write.one_by_one(self._dialect.name))
            if write.check is not None:
                write.check(changed)

    async def insert_new(self, row: Row) -> bool:
        """Insert the row at once. Return False, and change nothing, when one of its unique keys is taken."""
        insert = row_insert(type(row), missing=True)
        values = insert.without_counted_key([row.values()])
        return (await self._execute(insert.for_one_row(self._dialect.name), *values)).rowcount == 1

    async def insert_or_else(self, row: Row, otherwise: Callable[[], Awaitable[None]]) -> None:
        """Insert the row as `insert_new` does, or call `otherwise` when a key is taken. In a batch a taken key shows only
        when the batch ends; every unit then runs again alone."""
        if not await self.insert_new(row):
            await otherwise()

    async def upsert(self, row: Row, *columns: str) -> None:
        """Insert the row at once, or set these columns (none: all others) in the existing row with its primary key. The row
        is then locked until the transaction ends."""
        insert = row_insert(type(row), *(columns or row.values(*row.key_values())))
        values = insert.without_counted_key([row.values()])
        await self._execute(insert.for_one_row(self._dialect.name), *values)

    async def update(self, row: Row, *conditions: ColumnElement[bool]) -> int:
        """Set all columns of the stored row with this row's key, if it meets the conditions; return how many rows there
        were."""
        key, statement = row.key_values(), update_by_key(type(row))
        at_key = {f"at_{name}": value for name, value in key.items()}
        if conditions:
            statement = statement.where(*conditions)
        return await self.change(statement, **at_key, **row.values(*key))

    async def change(self, statement: Update | Delete | Insert, /, **values: object) -> int:
        """Run an update, delete or insert at once; return how many rows it changed. In an update, values without a
        parameter of their name are columns to set."""
        return (await self._execute(statement, values)).rowcount

    async def change_required(self, statement: Update | Delete, check: Check, /, **values: object) -> None:
        """Run an update or delete, at the latest when the transaction ends. Then `check` gets the number of changed rows
        and raises an error if it is wrong."""
        await self._run_required(statement, values, check=check)

    async def change_all_required(
        self, statement: Update, check: Check, sets: Sequence[Mapping[str, Any]]
    ) -> None:
        """Run the update for each set of values as `change_required` does; `check` gets the number of rows that all sets
        changed together."""
        if sets:
            await self._run_required(statement, *sets, check=check)

    async def change_many(self, statement: Update, values: Sequence[Mapping[str, Any]]) -> None:
        """Run the update for each set of values by one call to the driver. No two sets may change the same row."""
        if values and self._on_server:
            self._pending.add_separate(statement, *values)
        elif values:
            await self._execute_many(statement, [dict(row) for row in values])

    def change_later(self, statement: Update | Delete, /, **values: object) -> None:
        """Run an update or delete at the latest when the transaction ends, together with other writes: for callers that do
        not need the number of changed rows."""
        self._pending.add_separate(statement, values)

    async def _run_required(
        self, write: RowInsert | UpdateBase, *sets: Mapping[str, Any], check: Check
    ) -> None:
        """Run a write for each set of values: later on a server, where a call costs more than a row, at once on SQLite."""
        if self._on_server:
            self._pending.add_separate(write, *sets, check=check)
            return
        many = [*map(dict, sets)]
        statement: Executable
        if isinstance(write, RowInsert):
            statement, many = write.for_one_row(self._dialect.name), write.without_counted_key(many)
        else:
            statement = write
        if len(many) == 1:
            check((await self._execute(statement, many[0])).rowcount)
        else:
            check(await self._execute_many(statement, many))

    def when_committed(self, *tells: Callable[[], None]) -> None:
        """Call these functions once this transaction is committed, and never when it is not: for counters."""
        self._callbacks += tells

    async def commit(self) -> None:
        """Write all pending writes, commit, and call the functions of `when_committed`."""
        self._check_open()
        await self.flush()
        self._over = True
        try:
            await self._settle()
        except SQLAlchemyError as cause:
            raise errors.StoreFailure(
                f"the database did not say that it committed ({driver_message(cause)}): "
                "everything of this transaction is stored, or nothing; look before trying again"
            ) from cause
        for tell in self._callbacks:
            tell()

    async def _settle(self) -> None:
        """Commit in the database; on return the changes are durable."""
        await self._connection.commit()

    @property
    def connection(self) -> AsyncConnection:
        """The connection, for the registry: its rows are in the same database and change in this transaction."""
        return self._connection

    async def _execute(self, statement: Executable, values: dict[str, Any]) -> StatementResult:
        if self._over or self._is_broken:
            self._check_open()
        try:
            prepared = self._prepared(statement, values)
            if not self._pending.is_empty and (prepared is None or self._asks_for_own(prepared)):
                await self.flush()
            if prepared is None:
                cursor = await self._by_library(statement, values or None)
                return StatementResult(cursor.all() if cursor.returns_rows else (), cursor.rowcount)
            if self._driver is not None:
                if self._in_thread and prepared.may_be_slow:
                    return await run_in_thread(partial(drivers.run_on_sqlite, prepared, self._driver, values))
                return drivers.run_on_sqlite(prepared, self._driver, values)
            return await self._run(prepared, values)
        except _DRIVER_ERRORS as cause:
            self._note_refusal()
            raise _gateway_error(cause) from cause

    async def _run(self, prepared: Prepared, values: dict[str, Any]) -> StatementResult:
        """Run a prepared statement on a server."""
        return await drivers.run_on_server(prepared, self._connection, values, alone=self._is_autocommit)

    async def _execute_many(self, statement: Executable, many: list[dict[str, Any]]) -> int:
        """Run the statement for many sets of values as one call to the driver; return the number of changed rows, or -1
        where the driver does not tell it."""
        if self._over or self._is_broken:
            self._check_open()
        try:
            prepared = None
            if self._on_server or (self._driver is not None and len(many) <= drivers.MANY):
                prepared = _STATEMENTS.find_for_many(statement, many, self._dialect)
            if not self._pending.is_empty and (prepared is None or self._asks_for_own(prepared)):
                await self.flush()
            if prepared is None:
                changed: int = (await self._by_library(statement, many)).rowcount
                return changed
            if self._driver is not None:
                return drivers.run_many_on_sqlite(prepared, self._driver, many).rowcount
            return (await drivers.run_many_on_server(prepared, self._connection, many)).rowcount
        except _DRIVER_ERRORS as cause:
            self._note_refusal()
            raise _gateway_error(cause) from cause

    def _note_refusal(self) -> None:
        """Mark the transaction as broken on a server: after an error it rolls back everything, and a commit would not
        report that."""
        self._is_broken = self._is_broken or self._on_server

    def _prepared(self, statement: Executable, values: dict[str, Any]) -> Prepared | None:
        """Return the prepared form of a statement. None when SQLAlchemy must run it: at first use, and in a thread."""
        prepared = _STATEMENTS.find(statement, values, self._dialect) if self._is_direct else None
        if prepared is None and self._prepares_at_once and self._is_direct:
            prepared = _STATEMENTS.find(statement, values, self._dialect)
        return prepared

    def _asks_for_own(self, prepared: Prepared) -> bool:
        """Tell whether this statement may find, refer to or delete a row that this transaction has not written yet."""
        return prepared.takes_away or self._pending.touches(
            prepared.reaches, open_too=not prepared.skips_open_rows
        )

    async def _write_on_server(self, waiting: Iterable[PendingWrite]) -> None:
        """Write pending writes on a server; neighbouring writes of different tables become one statement."""
        together, tables = list[tuple[PendingWrite, Prepared, dict[str, Any]]](), set[str]()
        for write in waiting:
            statement, values = write.on_server()
            prepared = _STATEMENTS.prepare(statement, values, self._dialect)
            if not tables.isdisjoint(prepared.tables):
                await self._run_together(together)
                together, tables = [], set()
            together.append((write, prepared, values))
            tables.add(write.table)
        await self._run_together(together)

    async def _run_together(self, together: Sequence[tuple[PendingWrite, Prepared, dict[str, Any]]]) -> None:
        if not together:
            return
        try:
            statements = [(prepared, values) for _, prepared, values in together]
            changed = await drivers.run_together_on_server(statements, self._connection)
        except _DRIVER_ERRORS as cause:
            raise _gateway_error(cause) from cause
        for (write, _, _), rows in zip(together, changed, strict=True):
            if write.check is not None:
                write.check(rows)

    async def _by_library(
        self, statement: Executable, values: list[dict[str, Any]] | dict[str, Any] | None
    ) -> Any:  # Any: the library's own result
        if self._sync_connection is None or drivers.is_slow(statement, values):
            return await self._connection.execute(statement, values)
        return self._sync_connection.execute(statement, values)

    def _check_open(self) -> None:
        if self._over:
            raise errors.StoreFailure("this unit of work is committed and over; begin another one")
        if self._is_broken:
            raise errors.StoreFailure(
                "something that this unit of work had to write was refused; begin another one"
            )


class SlowTransaction(Transaction):
    """View of an open transaction for lists and searches: on SQLite its statements run in a thread, except those marked as
    `FEW`, so that a long query does not block the event loop."""

    _in_thread = True

    def __init__(self, tx: Transaction) -> None:
        self.__dict__ = tx.__dict__  # both objects share all state, so that both end together

    async def _by_library(
        self, statement: Executable, values: list[dict[str, Any]] | dict[str, Any] | None
    ) -> Any:
        return await super()._by_library(self._slow(statement), values)

    async def _execute_many(self, statement: Executable, many: list[dict[str, Any]]) -> int:
        return await super()._execute_many(self._slow(statement), many)

    def _slow(self, statement: Executable) -> Executable:
        if self._sync_connection is None or drivers.SLOW in statement.get_execution_options():
            return statement
        return statement.execution_options(**{drivers.SLOW: True})


Open = Callable[[], AbstractAsyncContextManager[Transaction]]


@asynccontextmanager
async def transaction(engine: AsyncEngine, *, shared: bool = False) -> AsyncIterator[Transaction]:
    """Open a transaction on a connection of the engine; it is rolled back when its context ends without `commit`. Errors of
    SQLAlchemy become StoreFailure."""
    try:
        async with engine.connect() as connection:
            await connection.begin()
            yield Transaction(connection, shared=shared)
    except SQLAlchemyError as cause:
        raise failure(cause) from cause


class _SingleQueries(Transaction):
    """Connection to a server whose queries run in no transaction, because BEGIN and COMMIT would be two more calls."""

    _is_autocommit = True


@asynccontextmanager
async def open_for_query(engine: AsyncEngine) -> AsyncIterator[Transaction]:
    """Open a connection to a server for one query without a transaction."""
    try:
        async with engine.connect() as connection:
            yield _SingleQueries(connection, shared=False)
    except SQLAlchemyError as cause:
        raise failure(cause) from cause


async def run_alone(server: AsyncEngine, statement: Executable, /, **values: object) -> Sequence[Any]:
    """Run one statement on a server and return its rows; it is committed when it ends. It has no transaction around it,
    because BEGIN and COMMIT would be two more calls."""
    try:
        async with server.connect() as connection:
            prepared = _STATEMENTS.prepare(statement, values, connection.dialect)
            return (await drivers.run_on_server(prepared, connection, values, alone=True)).rows
    except SQLAlchemyError as cause:
        raise _gateway_error(cause) from cause


def _gateway_error(cause: _DriverError) -> errors.GatewayError:
    """Convert the driver's error for a failed statement: Clash for a broken constraint, BadForm for a value that no column
    holds, else StoreFailure."""
    if any(isinstance(error, OverflowError) for error in _chain(getattr(cause, "orig", None) or cause)):
        return errors.BadForm("a number or a moment is out of the span that is stored")
    if isinstance(cause, IntegrityError | sqlite3.IntegrityError):
        return errors.Clash(
            f"the database refused the change ({driver_message(cause)}): a row it needs is missing, or one like it is there"
        )
    return failure(cause)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from: a server's driver wraps that of a value twice."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def failure(cause: _DriverError) -> errors.StoreFailure:
    return errors.StoreFailure(
        f"the database did not do it ({type(cause).__name__}: {driver_message(cause)}); "
        "nothing of this transaction is stored"
    )


def driver_message(cause: _DriverError) -> str:
    """Return the driver's first line, without the statement and its values, which are content."""
    message = str(cause.orig) if isinstance(cause, DBAPIError) else str(cause)
    if (match := _ARGUMENT.search(message)) is not None:
        _, bracket, reason = message.rstrip().rpartition(" (")
        message = message[: match.end()] + (bracket + reason if reason.endswith(")") else "")
    return message.partition("\n")[0]


def _lock_number(key: str) -> int:
    """Return the number of an advisory lock's name, a hash. Names with the same number only wait for each other."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


@lru_cache(maxsize=256)
def _lock_rows(query: Select[Any]) -> Select[Any]:
    return query.with_for_update(key_share=True).execution_options(**{LOCKS_ROWS: True})


@lru_cache(maxsize=256)
def _limit_to_one(query: Select[Any]) -> Select[Any]:
    return query.limit(1)
