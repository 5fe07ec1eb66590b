"""Statements that run again and again: compiled once, and run by the database's driver itself. In: a statement and its
values by name. Out: the rows with their columns as attributes, or SQLAlchemy's own errors, so that both ways of running
a statement raise the same.

SQLAlchemy's work for each call (a key for its cache, a context, a cursor's wrappers) takes several times as long as the
database's. Here SQLAlchemy compiles the SQL and the converters of values once; each call then goes to the driver.

SQLite runs a statement in the calling thread. COMMIT, which waits for the disk, and slow statements (marked, or of many
rows) go to a thread. SQLAlchemy's asyncio connections expect each call to await something, so a call that waits for
nothing awaits an empty coroutine.

On PostgreSQL a statement runs on the connection and in the transaction that SQLAlchemy's pool manages."""

from __future__ import annotations

import asyncio
import collections
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast
from weakref import ReferenceType, ref

from sqlalchemy import Boolean, LargeBinary, Table
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.base import SQLiteExecutionContext
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.sql import ClauseElement, Executable, TableClause
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Delete, UpdateBase
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.sql.util import find_tables
from sqlalchemy.util.concurrency import await_, in_greenlet

from gateway.commits import NO_WAIT, run_in_thread, take_lock, wait_to_end
from gateway.store.counters import Counters

if TYPE_CHECKING:
    from gateway.store.server_connection import DirectConnection

# Converts one value for the driver or from it. Any: the type of the column's values.
_Convert = Callable[[Any], Any]
Values = dict[str, Any]
# A row's class is made at run time, when the columns are known; hence the Any.
_namedtuple: Callable[..., Any] = collections.namedtuple
_Names = tuple[str, ...]
# Execution option of statements that may take long: SQLite runs them in a thread.
SLOW = "gateway_slow"
# Execution option of statements that find few rows by an index: SQLite runs them in no thread, in lists and searches too.
FEW = {SLOW: False}
# Execution option of queries that lock the rows they find.
LOCKS_ROWS = "gateway_kept"
_SKIPS_OPEN = "gateway_others"
# Execution option of queries that never need a row that their own transaction added by `insert_open`.
SKIPS_OPEN_ROWS = {_SKIPS_OPEN: True}
SQLITE_INLINE = "sqlite+here"
# Key in a connection's `info` for the counters of SQLite's one writer.
COUNTERS = "gateway_counters"
# A call with more rows than this is an import, and runs in a thread.
MANY = 200
T = TypeVar("T")


@dataclass(slots=True)
class StatementResult:
    """Rows of a statement, and the number of rows that it found or changed."""

    rows: Sequence[Any]
    rowcount: int


class Prepared:
    """Compiled form of a statement for one kind of database and one set of value names."""

    def __init__(self, compiled: SQLCompiler, statement: SelectBase | UpdateBase, dialect: Dialect) -> None:
        self.text = compiled.string
        params, order = compiled.params, [*(compiled.positiontup or ())]
        self._names = order
        self._take = itemgetter(*order) if len(order) > 1 else None
        # Values that are part of the statement itself.
        self._defaults = {name: params[name] for name in order if not compiled.binds[name].required}
        converters = [_bind_processor(compiled, name, dialect) for name in order]
        self._writes = [(at, convert) for at, convert in enumerate(converters) if convert]
        self._dialect = dialect
        self._columns = list(statement.exported_columns)
        self.places = len(order)
        # `tables` are those that the statement reads or writes; `reaches` adds those that its written rows refer to.
        self.tables = tables_of(statement)
        self.reaches = self.tables | _referenced_tables(statement)
        self._reads: list[tuple[int, _Convert]] = []
        self._make: _Convert | None = None  # set once the driver has named the columns
        self.finds = bool(self._columns)
        options = cast(Executable, statement).get_execution_options()
        self.locks_rows, self.skips_open_rows = bool(options.get(LOCKS_ROWS)), bool(options.get(_SKIPS_OPEN))
        self.may_be_slow = options.get(SLOW, True)
        self.changes, self.takes_away = isinstance(statement, UpdateBase), isinstance(statement, Delete)

    def bind(self, values: Values) -> list[Any]:
        """Convert the values for the driver, in the order of the statement's placeholders."""
        all_values = self._defaults | values if self._defaults else values
        try:
            bound = [*self._take(all_values)] if self._take else [all_values[name] for name in self._names]
            for at, convert in self._writes:
                bound[at] = convert(bound[at])
        except (KeyError, TypeError, ValueError) as cause:
            raise self._unwritable(cause) from cause
        return bound

    def bind_all(self, many: Sequence[Values]) -> list[Sequence[Any]]:
        """Convert several sets of values for the driver, column by column, which costs less than value by value."""
        value_sets = [self._defaults | values for values in many] if self._defaults else many
        rows: list[Sequence[Any]]
        try:
            if self._take is None:
                rows = [[values[name] for name in self._names] for values in value_sets]
            else:
                rows = [*map(self._take, value_sets)]
            if not self._writes:
                return rows
            columns: list[Sequence[Any]] = [*zip(*rows, strict=True)]
            for at, convert in self._writes:
                columns[at] = [*map(convert, columns[at])]
        except (KeyError, TypeError, ValueError) as cause:
            raise self._unwritable(cause) from cause
        return [*zip(*columns, strict=True)]

    def _unwritable(self, cause: Exception) -> StatementError:
        return StatementError(f"a value cannot be written: {cause!r}", self.text, None, cause)

    @property
    def knows_columns(self) -> bool:
        return self._make is not None

    def set_columns(self, columns: Iterable[tuple[str, Any]]) -> None:
        """Set the name and type of each result column. Any: PostgreSQL's type is a number, SQLite's is None."""
        described = list(columns)
        reads = [
            column.type.dialect_impl(self._dialect).result_processor(self._dialect, type_)
            for column, (_, type_) in zip(self._columns, described, strict=True)
        ]
        self._reads = [(at, read) for at, read in enumerate(reads) if read]
        self._make = _row_maker(name for name, _ in described)

    def rows(self, raw_rows: Sequence[Any]) -> Sequence[Any]:
        """Convert the driver's rows to rows with attributes; `set_columns` must have been called if there are any."""
        make, reads = self._make, self._reads
        if make is None or not raw_rows:
            return raw_rows
        if not reads:
            return [make(row) for row in raw_rows]
        rows = []
        for row in raw_rows:
            read = list(row)
            for at, convert in reads:
                read[at] = convert(read[at])
            rows.append(make(read))
        return rows


_PLACE = re.compile(r"\$(\d+)")


def tables_of(statement: ClauseElement) -> frozenset[str]:
    """Return the names of all tables of a statement and its subqueries, also where only a column names the table."""
    names, parts, seen_ids = set[str](), [statement], set[int]()
    while parts:
        for part in find_tables(parts.pop(), check_columns=True, include_crud=True):
            if isinstance(part, TableClause):
                names.add(part.name)
            elif id(part) not in seen_ids:
                seen_ids.add(id(part))
                parts.append(part)
    return frozenset(names)


def _referenced_tables(statement: SelectBase | UpdateBase) -> frozenset[str]:
    if not isinstance(statement, UpdateBase):
        return frozenset()
    return frozenset(key.column.table.name for key in cast(Table, statement.table).foreign_keys)


def _shift_place(by: int, place: re.Match[str]) -> str:
    return f"${int(place[1]) + by}"


def _renumber_places(parts: Iterable[Prepared]) -> Iterator[str]:
    """Yield the SQL texts of several statements for a combined one, with their placeholders numbered consecutively."""
    places = 0
    for part in parts:
        yield _PLACE.sub(partial(_shift_place, places), part.text)
        places += part.places


@lru_cache(maxsize=256)
def _combine_changes(parts: tuple[Prepared, ...]) -> str:
    """Return one SQL statement for a server that runs several changes and returns how many rows each of them changed."""
    texts = (f"part{n} AS ({text} RETURNING 1)" for n, text in enumerate(_renumber_places(parts)))
    counts = (f"(SELECT count(*) FROM part{n})" for n in range(len(parts)))  # noqa: S608 - our words
    return f"WITH {', '.join(texts)} SELECT {', '.join(counts)}"


@lru_cache(maxsize=256)
def _combine_queries(parts: tuple[Prepared, ...]) -> str:
    """Return one SQL query for a server that runs several queries and returns each row with the number of its query."""
    texts = enumerate(_renumber_places(parts))
    return " UNION ALL ".join(f"SELECT {n}, found FROM ({text}) AS found" for n, text in texts)  # noqa: S608 - our words


class Statements:
    """Cache of prepared statements, by weak reference. A statement is prepared at its second use, which shows that a module
    keeps it; one that was built for a single query is forgotten with it."""

    def __init__(self) -> None:
        self._by_statement: dict[ReferenceType[Executable], dict[tuple[str, _Names], Prepared | None]] = {}

    def __len__(self) -> int:
        return len(self._by_statement)

    def find(self, statement: Executable, values: Values | None, dialect: Dialect) -> Prepared | None:
        """Return the prepared form of a statement for values of these names. None at the first use of the statement, and
        when only SQLAlchemy can run it."""
        by_names = self._by_statement.get(ref(statement))
        if by_names is None:
            self._by_statement[ref(statement, self._forget)] = {}
            return None
        names = tuple(values or ())
        try:
            return by_names[dialect.name, names]
        except KeyError:
            prepared = by_names[dialect.name, names] = prepared_once(statement, names, dialect)
            return prepared

    def find_for_many(self, statement: Executable, many: list[Values], dialect: Dialect) -> Prepared | None:
        """Return the prepared form for many sets of values. None as in `find`, and for a statement that returns rows."""
        prepared = self.find(statement, many[0], dialect)
        return None if prepared is None or prepared.finds else prepared

    def prepare(self, statement: Executable, values: Values, dialect: Dialect) -> Prepared:
        """Return the prepared form of a statement that its module keeps, also at its first use."""
        prepared = self.find(statement, values, dialect) or self.find(statement, values, dialect)
        if prepared is None:
            raise StatementError("only SQLAlchemy itself can run this", str(statement), None, TypeError())
        return prepared

    def _forget(self, dead_ref: ReferenceType[Executable]) -> None:
        self._by_statement.pop(dead_ref, None)


def prepared_once(statement: Executable, names: _Names, dialect: Dialect) -> Prepared | None:
    """Prepare a statement that the caller keeps; None where only SQLAlchemy itself can run it."""
    if not isinstance(statement, SelectBase | UpdateBase):
        return None
    if isinstance(dialect, InlineDialect) and is_slow(statement):
        return None
    compiled = statement.compile(dialect=dialect, column_keys=list(names) or None)
    if not isinstance(compiled, SQLCompiler):
        return None
    if compiled.insert_prefetch or compiled.update_prefetch:  # SQLAlchemy computes values for each call
        return None
    if compiled.implicit_returning:  # the database returns a key that it assigned
        return None
    if (
        compiled.post_compile_params or compiled.literal_execute_params
    ):  # the text depends on the length of a list
        return None
    return Prepared(compiled, statement, dialect)


def _bind_processor(compiled: SQLCompiler, name: str, dialect: Dialect) -> _Convert | None:
    kind = compiled.binds[name].type
    if isinstance(dialect, InlineDialect) and isinstance(kind, Boolean | LargeBinary):
        return None  # SQLite's driver takes these values unchanged
    processor: _Convert | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return processor


def _row_maker(names: Iterable[str]) -> _Convert:
    """Return a function that makes a row of its values."""
    row_class = _namedtuple("Row", list(names), rename=True)
    return partial(tuple.__new__, row_class)


class _Context(SQLiteExecutionContext):
    def create_server_side_cursor(self) -> Any:  # Any: a cursor of the driver, as SQLAlchemy has it
        """Return the default cursor: SQLite makes rows one by one, as they are fetched."""
        return self.create_default_cursor()


class _Cursor(sqlite3.Cursor):
    """Cursor with the methods that SQLAlchemy expects of an asyncio cursor; closing it waits for nothing."""

    server_side = False

    async def _async_soft_close(self) -> None:
        """Do nothing, so that rows which are not fetched yet stay readable: SQLite makes each row when it is fetched."""


class _Connection(sqlite3.Connection):
    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)


class InlineDialect(SQLiteDialect_pysqlite):
    """SQLite dialect whose statements run in the calling thread. Any, throughout: SQLAlchemy has no narrower types."""

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
        # Commits run in another thread than statements, but never two calls at a time.
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
            await_(run_in_thread(call))
        else:
            call()
            await_(_nothing())

    def do_commit(self, dbapi_connection: Any) -> None:
        if in_greenlet():
            await_(run_in_thread(dbapi_connection.commit))
        else:
            dbapi_connection.commit()


async def _nothing() -> None:
    pass


def is_sqlite(connection: AsyncConnection | AsyncEngine) -> bool:
    return isinstance(connection.dialect, InlineDialect)


def sqlite_driver(outer: Connection | AsyncConnection) -> sqlite3.Connection:
    """Return the SQLite driver's connection of a connection with `InlineDialect`. TypeError for another dialect."""
    connection = outer.sync_connection if isinstance(outer, AsyncConnection) else outer
    if connection is None or not isinstance(connection.dialect, InlineDialect):
        raise TypeError("only SQLite has a driver that runs statements where they are asked")
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # the pool's is of any driver
    return driver


class Line:
    """A connection, with the driver's own connection on SQLite, where statements run without awaiting anything."""

    __slots__ = ("connection", "counters", "dialect", "driver", "sync_connection")

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.dialect = connection.dialect
        self.sync_connection = connection.sync_connection if is_sqlite(connection) else None
        self.driver = sqlite_driver(self.sync_connection) if self.sync_connection is not None else None
        # None where the last numbers are read from the database each time.
        self.counters: Counters | None = (
            self.sync_connection.info.get(COUNTERS) if self.sync_connection is not None else None
        )


def driver_of(line: Line) -> sqlite3.Connection:
    """Return the SQLite driver's connection of a line. TypeError when the line is to a server."""
    if line.driver is None:
        raise TypeError("only SQLite has a driver that runs statements where they are asked")
    return line.driver


def is_slow(statement: Executable, values: Values | list[Values] | None = None) -> bool:
    """Tell whether SQLite runs the statement in a thread: it is marked as slow, or has many sets of values."""
    are_many = isinstance(values, list) and len(values) > MANY
    return are_many or bool(statement.get_execution_options().get(SLOW))


def run_on_sqlite(prepared: Prepared, driver: sqlite3.Connection, values: Values) -> StatementResult:
    cursor = driver.execute(prepared.text, prepared.bind(values))
    if not prepared.finds:
        return StatementResult((), cursor.rowcount)
    if not prepared.knows_columns:
        prepared.set_columns((column[0], None) for column in cursor.description)
    return StatementResult(prepared.rows(cursor.fetchall()), cursor.rowcount)


def run_many_on_sqlite(prepared: Prepared, driver: sqlite3.Connection, many: list[Values]) -> StatementResult:
    """Run the statement for each set of values; the result has the number of changed rows."""
    cursor = driver.executemany(prepared.text, prepared.bind_all(many))
    return StatementResult((), cursor.rowcount)


def fetch_on_sqlite(prepared: Prepared, driver: sqlite3.Connection, values: Values) -> Sequence[Any]:
    """Run a query and return the driver's rows unconverted."""
    return driver.execute(prepared.text, prepared.bind(values)).fetchall()


async def lock(driver: sqlite3.Connection, patience_s: float) -> None:
    """Begin a transaction with the file's write lock, waiting up to `patience_s` without blocking the event loop."""
    try:
        await take_lock(driver, patience_s)
    except sqlite3.Error as cause:
        raise OperationalError("BEGIN IMMEDIATE", None, cause) from cause


def version_of(driver: sqlite3.Connection) -> object:
    """Return the SQLite file's version, which changes when another connection, of any process, has committed."""
    ((version,),) = driver.execute("PRAGMA data_version").fetchall()
    return version


def begin_waiting(connection: Connection, patience_s: float) -> None:
    """Begin a transaction with the write lock, as `lock` does, on a pool's connection; restore its timeout afterwards."""
    driver = sqlite_driver(connection)
    driver.execute(NO_WAIT)
    try:
        await_(lock(driver, patience_s))
    finally:
        driver.execute(f"PRAGMA busy_timeout = {round(patience_s * 1000)}")


registry.register("sqlite.here", __name__, InlineDialect.__name__)


async def run_many_on_server(
    prepared: Prepared, connection: AsyncConnection, many: list[Values]
) -> StatementResult:
    """Run the statement for each set of values; the server tells no number of changed rows, so it is -1."""
    bound = prepared.bind_all(many)
    await _call_driver(connection, prepared.text, lambda driver: driver.executemany(prepared.text, bound))
    return StatementResult((), -1)


async def run_on_server(
    prepared: Prepared, connection: AsyncConnection, values: Values, *, alone: bool = False
) -> StatementResult:
    """Run the statement with these values; `alone`: outside of a transaction, so that it is committed at once."""
    bound = prepared.bind(values)
    if not prepared.finds:
        status = await _call_driver(
            connection, prepared.text, lambda driver: driver.execute(prepared.text, *bound), alone=alone
        )
        return StatementResult((), _parse_count(status))
    if not prepared.knows_columns:
        await describe_on_server(prepared, connection)
    raw_rows: Sequence[Any] = await _call_driver(
        connection, prepared.text, lambda driver: driver.fetch(prepared.text, *bound), alone=alone
    )
    return StatementResult(prepared.rows(raw_rows), len(raw_rows))


async def fetch_on_server(
    queries: Sequence[tuple[Prepared, Values]], connection: AsyncConnection, *, alone: bool = False
) -> Sequence[Sequence[Any]]:
    """Run several queries as one statement, so that all see the same moment; return the driver's rows of each. `alone`:
    outside of a transaction."""
    bound = [value for prepared, values in queries for value in prepared.bind(values)]
    if len(queries) == 1:
        text = queries[0][0].text
        return [await _call_driver(connection, text, lambda driver: driver.fetch(text, *bound), alone=alone)]
    text = _combine_queries(tuple(prepared for prepared, _ in queries))
    rows_by_query: list[list[Any]] = [[] for _ in queries]
    for n, row in await _call_driver(
        connection, text, lambda driver: driver.fetch(text, *bound), alone=alone
    ):
        rows_by_query[n].append(row)
    return rows_by_query


async def run_together_on_server(
    changes: Sequence[tuple[Prepared, Values]], connection: AsyncConnection
) -> Sequence[int]:
    """Run several changes as one statement; return how many rows each of them changed."""
    if len(changes) == 1:
        ((alone, values),) = changes
        return [(await run_on_server(alone, connection, values)).rowcount]
    text = _combine_changes(tuple(prepared for prepared, _ in changes))
    bound = [value for prepared, values in changes for value in prepared.bind(values)]
    return await _call_driver(connection, text, lambda driver: driver.fetchrow(text, *bound))


async def describe_on_server(prepared: Prepared, connection: AsyncConnection) -> None:
    """Ask the server for the names and types of the statement's result columns, and set them."""
    prepared.set_columns(
        await _call_driver(connection, prepared.text, partial(_fetch_columns, text=prepared.text))
    )


async def _fetch_columns(driver: Any, text: str) -> list[tuple[str, int]]:
    statement = await driver.prepare(text)
    return [(attribute.name, attribute.type.oid) for attribute in statement.get_attributes()]


def _parse_count(status: str) -> int:
    """Return the number of rows in a status such as `INSERT 0 1` or `UPDATE 3`, or -1 when it has none."""
    number = status.rpartition(" ")[2]
    return int(number) if number.isdigit() else -1


def is_line_open(connection: AsyncConnection) -> bool:
    return not _lent_connection(connection, "").driver_connection.is_closed()


async def first_column(connection: AsyncConnection, text: str) -> tuple[Any, ...]:
    """Run a query without values, outside of a transaction; return the first column of its rows."""
    lent = _lent_connection(connection, text)
    try:
        return tuple(row[0] for row in await lent.ask_alone(lambda driver: driver.fetch(text)))
    except lent.dbapi.Error as cause:
        _raise_as_library(cause, text, connection, lent.dbapi)
    except (OSError, TimeoutError) as cause:
        raise OperationalError(None, None, cause) from cause


async def _call_driver(
    connection: AsyncConnection, text: str, call: Callable[[Any], Awaitable[T]], *, alone: bool = False
) -> T:
    lent = _lent_connection(connection, text)
    try:
        return await (lent.ask_alone if alone else lent.ask)(call)
    except lent.dbapi.Error as cause:
        await _discard(connection, broken=lent.driver_connection.is_closed())
        _raise_as_library(cause, text, connection, lent.dbapi)
    except (OSError, TimeoutError) as cause:
        await _discard(connection, broken=True)
        raise OperationalError(None, None, cause) from cause
    except (
        BaseException
    ):  # cancelled in the middle: the server's answer would be read as that of the next call
        await _discard(connection, broken=True)
        raise


def _lent_connection(connection: AsyncConnection, text: str) -> DirectConnection:
    sync = connection.sync_connection
    lent = None if sync is None or sync.invalidated else sync.connection.dbapi_connection
    if lent is None:
        raise OperationalError(text, None, ConnectionError("the connection is gone"))
    return cast("DirectConnection", lent)


async def _discard(connection: AsyncConnection, *, broken: bool) -> None:
    """Remove a broken connection from the pool."""
    if broken:
        # Wait for the end even when cancelled, because the caller closes the same connection next.
        await wait_to_end(asyncio.ensure_future(connection.invalidate()))


def _raise_as_library(cause: Exception, text: str, connection: AsyncConnection, dbapi: Any) -> NoReturn:
    """Raise the driver's error as SQLAlchemy raises it."""
    raise DBAPIError.instance(text, None, cause, dbapi.Error, dialect=connection.dialect) from cause
