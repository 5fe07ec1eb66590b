"""Statements that are asked again and again: compiled once, and run by the database's driver itself. In: a statement
and its values by name. Out: what it found, rows with their columns as attributes, or SQLAlchemy's own errors, so
that whoever asks in either way hears the same.

What SQLAlchemy does for each call (a key for its cache, a context, a cursor's wrappers) takes several times as long
as the database does. Here it says once what the SQL is and how values are written and read; the rest is the
driver's.

SQLite has no thread between: a statement runs where it is asked. COMMIT, which waits for the disk, and what is
slow, by its mark or by the number of its rows, go to a thread. SQLAlchemy's asyncio connections want each call to
have awaited something; a greenlet that awaits nothing real is enough.

PostgreSQL is asked on the very connection, in the very transaction that SQLAlchemy's pool lends and ends."""

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

from gateway.commits import WAIT_FOR_NOBODY, apart, take_lock, to_its_end
from gateway.store.counters import Counters

if TYPE_CHECKING:
    from gateway.store.server_connection import DirectConnection

# Of a value, on its way in or out. Any: whatever the column's type has.
_Turn = Callable[[Any], Any]
Values = dict[str, Any]
# The columns of a row are known when it is found. Any: a class that is made then.
_named: Callable[..., Any] = collections.namedtuple
_Names = tuple[str, ...]
# An execution option of statements that may take long: they go to a thread too.
SLOW = "gateway_slow"
# Of those that find few rows by an index, also where lists and searches are asked for.
FEW = {SLOW: False}
# Of questions whose rows nobody else may change meanwhile.
KEPT = "gateway_kept"
_OTHERS = "gateway_others"
# Of questions that find no row which their own transaction has put open.
OTHERS = {_OTHERS: True}


@dataclass(slots=True)
class StatementResult:
    """What a statement brought: as much of SQLAlchemy's result as is used."""

    rows: Sequence[Any]
    rowcount: int


class Prepared:
    """One statement with one set of names, for one kind of database."""

    def __init__(self, compiled: SQLCompiler, statement: SelectBase | UpdateBase, dialect: Dialect) -> None:
        self.text = compiled.string
        given, order = compiled.params, [*(compiled.positiontup or ())]
        self._names = order
        self._take = itemgetter(*order) if len(order) > 1 else None
        # Of those that the text itself has a value for.
        self._own = {name: given[name] for name in order if not compiled.binds[name].required}
        turns = [_bind(compiled, name, dialect) for name in order]
        self._writes = [(at, turn) for at, turn in enumerate(turns) if turn]
        self._dialect = dialect
        self._columns = list(statement.exported_columns)
        self.places = len(order)
        # The tables that it reads or writes, and those whose rows the rows that it writes name.
        self.tables = tables_of(statement)
        self.reaches = self.tables | _pointed_to(statement)
        self._reads: list[tuple[int, _Turn]] = []
        self._make: _Turn | None = None  # when the driver has told the columns
        self.finds = bool(self._columns)
        options = cast(Executable, statement).get_execution_options()
        self.keeps, self.finds_others = bool(options.get(KEPT)), bool(options.get(_OTHERS))
        self.changes, self.takes_away = isinstance(statement, UpdateBase), isinstance(statement, Delete)

    def bound(self, values: Values) -> list[Any]:
        """As the driver takes them, in the order of the text."""
        given = self._own | values if self._own else values
        try:
            bound = [*self._take(given)] if self._take else [given[name] for name in self._names]
            for at, turn in self._writes:
                bound[at] = turn(bound[at])
        except (KeyError, TypeError, ValueError) as cause:
            raise self._unwritable(cause) from cause
        return bound

    def bound_each(self, many: Sequence[Values]) -> list[Sequence[Any]]:
        """The same for each set of values, turned column by column: a call for each value would cost more than the row."""
        given = [self._own | values for values in many] if self._own else many
        rows: list[Sequence[Any]]
        try:
            if self._take is None:
                rows = [[values[name] for name in self._names] for values in given]
            else:
                rows = [*map(self._take, given)]
            if not self._writes:
                return rows
            columns: list[Sequence[Any]] = [*zip(*rows, strict=True)]
            for at, turn in self._writes:
                columns[at] = [*map(turn, columns[at])]
        except (KeyError, TypeError, ValueError) as cause:
            raise self._unwritable(cause) from cause
        return [*zip(*columns, strict=True)]

    def _unwritable(self, cause: Exception) -> StatementError:
        return StatementError(f"a value cannot be written: {cause!r}", self.text, None, cause)

    @property
    def is_told(self) -> bool:
        return self._make is not None

    def tell(self, columns: Iterable[tuple[str, Any]]) -> None:
        """Name and type of each column, as the driver has them. Any: a type is a number here, and nothing there."""
        told = list(columns)
        reads = [
            column.type.dialect_impl(self._dialect).result_processor(self._dialect, type_)
            for column, (_, type_) in zip(self._columns, told, strict=True)
        ]
        self._reads = [(at, read) for at, read in enumerate(reads) if read]
        self._make = _maker(name for name, _ in told)

    def rows(self, found: Sequence[Any]) -> Sequence[Any]:
        """`found` as it should be read; the columns are told by now."""
        make, reads = self._make, self._reads
        if make is None or not found:
            return found
        if not reads:
            return [make(row) for row in found]
        rows = []
        for row in found:
            read = list(row)
            for at, turn in reads:
                read[at] = turn(read[at])
            rows.append(make(read))
        return rows


_PLACE = re.compile(r"\$(\d+)")


def tables_of(statement: ClauseElement) -> frozenset[str]:
    """Also those of what it asks within; a column may be all that names its table, or its subquery."""
    found, parts, seen = set[str](), [statement], set[int]()
    while parts:
        for part in find_tables(parts.pop(), check_columns=True, include_crud=True):
            if isinstance(part, TableClause):
                found.add(part.name)
            elif id(part) not in seen:
                seen.add(id(part))
                parts.append(part)
    return frozenset(found)


def _pointed_to(statement: SelectBase | UpdateBase) -> frozenset[str]:
    if not isinstance(statement, UpdateBase):
        return frozenset()
    return frozenset(key.column.table.name for key in cast(Table, statement.table).foreign_keys)


def _moved(by: int, place: re.Match[str]) -> str:
    return f"${int(place[1]) + by}"


def _texts_of(parts: Iterable[Prepared]) -> Iterator[str]:
    """Of parts of one statement for a server: their values come one after the other."""
    places = 0
    for part in parts:
        yield _PLACE.sub(partial(_moved, places), part.text)
        places += part.places


@lru_cache(maxsize=256)
def _as_one(parts: tuple[Prepared, ...]) -> str:
    """Statements that change rows, as one statement for a server; it finds how many rows each of them changed."""
    texts = (f"part{n} AS ({text} RETURNING 1)" for n, text in enumerate(_texts_of(parts)))
    counts = (f"(SELECT count(*) FROM part{n})" for n in range(len(parts)))  # noqa: S608 - our words
    return f"WITH {', '.join(texts)} SELECT {', '.join(counts)}"


@lru_cache(maxsize=256)
def _as_one_question(parts: tuple[Prepared, ...]) -> str:
    """Questions, as one question to a server; it finds rows of all of them, each with the number of its question."""
    texts = enumerate(_texts_of(parts))
    return " UNION ALL ".join(f"SELECT {n}, found FROM ({text}) AS found" for n, text in texts)  # noqa: S608 - our words


class Statements:
    """The prepared ones of a process. A statement that is asked a second time is one that is kept by its module; one
    that was made for a single question goes with it."""

    def __init__(self) -> None:
        self._known: dict[ReferenceType[Executable], dict[tuple[str, _Names], Prepared | None]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, statement: Executable, values: Values | None, dialect: Dialect) -> Prepared | None:
        """For values of these names. None: for SQLAlchemy itself."""
        known = self._known.get(ref(statement))
        if known is None:
            self._known[ref(statement, self._forget)] = {}
            return None
        names = tuple(values or ())
        try:
            return known[dialect.name, names]
        except KeyError:
            prepared = known[dialect.name, names] = prepared_once(statement, names, dialect)
            return prepared

    def of_many(self, statement: Executable, many: list[Values], dialect: Dialect) -> Prepared | None:
        """SQLAlchemy also answers for each of them."""
        prepared = self.of(statement, many[0], dialect)
        return None if prepared is None or prepared.finds else prepared

    def at_once(self, statement: Executable, values: Values, dialect: Dialect) -> Prepared:
        """Also when it is asked for the first time; the statement is one that is kept."""
        prepared = self.of(statement, values, dialect) or self.of(statement, values, dialect)
        if prepared is None:
            raise StatementError("only SQLAlchemy itself can run this", str(statement), None, TypeError())
        return prepared

    def _forget(self, gone: ReferenceType[Executable]) -> None:
        self._known.pop(gone, None)


def prepared_once(statement: Executable, names: _Names, dialect: Dialect) -> Prepared | None:
    """For who keeps it. None: only SQLAlchemy itself can run this."""
    if not isinstance(statement, SelectBase | UpdateBase):
        return None
    if isinstance(dialect, HereDialect) and is_slow(statement):
        return None
    compiled = statement.compile(dialect=dialect, column_keys=list(names) or None)
    if not isinstance(compiled, SQLCompiler):
        return None
    if compiled.insert_prefetch or compiled.update_prefetch:  # values that SQLAlchemy makes for each call
        return None
    if compiled.implicit_returning:  # a key that the database counts, for whoever wrote one row
        return None
    if compiled.post_compile_params or compiled.literal_execute_params:  # a list of values, as long as it is
        return None
    return Prepared(compiled, statement, dialect)


def _bind(compiled: SQLCompiler, name: str, dialect: Dialect) -> _Turn | None:
    kind = compiled.binds[name].type
    if isinstance(dialect, HereDialect) and isinstance(kind, Boolean | LargeBinary):
        return None  # as they are, for its driver
    turn: _Turn | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return turn


def _maker(names: Iterable[str]) -> _Turn:
    """Makes a row of its values."""
    made = _named("Row", list(names), rename=True)
    return partial(tuple.__new__, made)


SQLITE_HERE = "sqlite+here"
# What a connection is told, for whoever uses it: the numbers that its one writer keeps.
COUNTERS = "gateway_counters"
# Rows that one call writes: more of them are an import, and go to a thread.
MANY = 200


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


def sqlite_driver(asked: Connection | AsyncConnection) -> sqlite3.Connection:
    """SQLite's own connection below one of this dialect. TypeError below any other."""
    connection = asked.sync_connection if isinstance(asked, AsyncConnection) else asked
    if connection is None or not isinstance(connection.dialect, HereDialect):
        raise TypeError("only SQLite has a driver that runs statements where they are asked")
    below: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # the pool's is of any driver
    return below


class Line:
    """A connection, and where it is one of `HereDialect` what lies below it: there a statement is over before anything
    could be waited for."""

    __slots__ = ("connection", "counters", "dialect", "driver", "here")

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.dialect = connection.dialect
        self.here = connection.sync_connection if is_here(connection) else None
        self.driver = sqlite_driver(self.here) if self.here is not None else None
        # None where numbers are read each time.
        self.counters: Counters | None = self.here.info.get(COUNTERS) if self.here is not None else None


def driver_of(line: Line) -> sqlite3.Connection:
    """As `sqlite_driver`, without a look at what lies between."""
    if line.driver is None:
        raise TypeError("only SQLite has a driver that runs statements where they are asked")
    return line.driver


def is_slow(statement: Executable, values: Values | list[Values] | None = None) -> bool:
    """Whether it goes to a thread."""
    are_many = isinstance(values, list) and len(values) > MANY
    return are_many or bool(statement.get_execution_options().get(SLOW))


def run_here(prepared: Prepared, asked: sqlite3.Connection, values: Values) -> StatementResult:
    cursor = asked.execute(prepared.text, prepared.bound(values))
    if not prepared.finds:
        return StatementResult((), cursor.rowcount)
    if not prepared.is_told:
        prepared.tell((column[0], None) for column in cursor.description)
    return StatementResult(prepared.rows(cursor.fetchall()), cursor.rowcount)


def run_many_here(prepared: Prepared, asked: sqlite3.Connection, many: list[Values]) -> StatementResult:
    """The same for each set of values; nothing is found."""
    cursor = asked.executemany(prepared.text, prepared.bound_each(many))
    return StatementResult((), cursor.rowcount)


def found_here(prepared: Prepared, asked: sqlite3.Connection, values: Values) -> Sequence[Any]:
    """As the driver has it."""
    return asked.execute(prepared.text, prepared.bound(values)).fetchall()


async def lock(driver: sqlite3.Connection, patience_s: float) -> None:
    """Begins with the one write lock of the file, by a connection that waits for nobody in SQLite itself. While another
    process has it, the loop of this one goes on."""
    try:
        await take_lock(driver, patience_s)
    except sqlite3.Error as cause:
        raise OperationalError("BEGIN IMMEDIATE", None, cause) from cause


def version_of(driver: sqlite3.Connection) -> object:
    """Of the file as this connection sees it: another one whenever some other connection, of whatever process, has
    committed since the last call."""
    ((version,),) = driver.execute("PRAGMA data_version").fetchall()
    return version


def begin_waiting(connection: Connection, patience_s: float) -> None:
    """The same by a connection of a pool, for one transaction."""
    driver = sqlite_driver(connection)
    driver.execute(WAIT_FOR_NOBODY)
    try:
        await_(lock(driver, patience_s))
    finally:
        driver.execute(f"PRAGMA busy_timeout = {round(patience_s * 1000)}")


registry.register("sqlite.here", __name__, HereDialect.__name__)


T = TypeVar("T")


async def run_many_on_server(
    prepared: Prepared, connection: AsyncConnection, many: list[Values]
) -> StatementResult:
    """For each set of values; nothing is found."""
    bound = prepared.bound_each(many)
    await _asked(connection, prepared.text, lambda driver: driver.executemany(prepared.text, bound))
    return StatementResult((), -1)


async def run_on_server(
    prepared: Prepared, connection: AsyncConnection, values: Values, *, alone: bool = False
) -> StatementResult:
    """`alone`: in no transaction but its own."""
    one = prepared.bound(values)
    if not prepared.finds:
        said = await _asked(
            connection, prepared.text, lambda driver: driver.execute(prepared.text, *one), alone=alone
        )
        return StatementResult((), _counted(said))
    if not prepared.is_told:
        await tell_on_server(prepared, connection)
    found: Sequence[Any] = await _asked(
        connection, prepared.text, lambda driver: driver.fetch(prepared.text, *one), alone=alone
    )
    return StatementResult(prepared.rows(found), len(found))


async def found_on_server(
    asked: Sequence[tuple[Prepared, Values]], connection: AsyncConnection, *, alone: bool = False
) -> Sequence[Sequence[Any]]:
    """What each of these questions finds, by one statement, so that all of them are of one moment; as the driver has it.
    `alone`: as above."""
    bound = [value for prepared, values in asked for value in prepared.bound(values)]
    if len(asked) == 1:
        text = asked[0][0].text
        return [await _asked(connection, text, lambda driver: driver.fetch(text, *bound), alone=alone)]
    text = _as_one_question(tuple(prepared for prepared, _ in asked))
    found: list[list[Any]] = [[] for _ in asked]
    for n, row in await _asked(connection, text, lambda driver: driver.fetch(text, *bound), alone=alone):
        found[n].append(row)
    return found


async def run_together_on_server(
    asked: Sequence[tuple[Prepared, Values]], connection: AsyncConnection
) -> Sequence[int]:
    """As one statement; how many rows each of them changed."""
    if len(asked) == 1:
        ((alone, values),) = asked
        return [(await run_on_server(alone, connection, values)).rowcount]
    text = _as_one(tuple(prepared for prepared, _ in asked))
    bound = [value for prepared, values in asked for value in prepared.bound(values)]
    return await _asked(connection, text, lambda driver: driver.fetchrow(text, *bound))


async def tell_on_server(prepared: Prepared, connection: AsyncConnection) -> None:
    """Asks for the columns of what it finds."""
    prepared.tell(await _asked(connection, prepared.text, partial(_columns, text=prepared.text)))


async def _columns(driver: Any, text: str) -> list[tuple[str, int]]:
    statement = await driver.prepare(text)
    return [(each.name, each.type.oid) for each in statement.get_attributes()]


def _counted(said: str) -> int:
    """`INSERT 0 1`, `UPDATE 3`."""
    number = said.rpartition(" ")[2]
    return int(number) if number.isdigit() else -1


def is_line_open(connection: AsyncConnection) -> bool:
    return not _lent(connection, "").driver_connection.is_closed()


async def first_column(connection: AsyncConnection, text: str) -> tuple[Any, ...]:
    """The first column of what a fixed question finds; in no transaction."""
    lent = _lent(connection, text)
    try:
        return tuple(row[0] for row in await lent.ask_alone(lambda driver: driver.fetch(text)))
    except lent.dbapi.Error as cause:
        _tell(cause, text, connection, lent.dbapi)
    except (OSError, TimeoutError) as cause:
        raise OperationalError(None, None, cause) from cause


async def _asked(
    connection: AsyncConnection, text: str, call: Callable[[Any], Awaitable[T]], *, alone: bool = False
) -> T:
    lent = _lent(connection, text)
    try:
        return await (lent.ask_alone if alone else lent.ask)(call)
    except lent.dbapi.Error as cause:
        await _given_up(connection, broken=lent.driver_connection.is_closed())
        _tell(cause, text, connection, lent.dbapi)
    except (OSError, TimeoutError) as cause:
        await _given_up(connection, broken=True)
        raise OperationalError(None, None, cause) from cause
    except BaseException:  # cut short in the middle: what the server makes of it, nobody hears any more
        await _given_up(connection, broken=True)
        raise


def _lent(connection: AsyncConnection, text: str) -> DirectConnection:
    sync = connection.sync_connection
    lent = None if sync is None or sync.invalidated else sync.connection.dbapi_connection
    if lent is None:
        raise OperationalError(text, None, ConnectionError("the connection is gone"))
    return cast("DirectConnection", lent)


async def _given_up(connection: AsyncConnection, *, broken: bool) -> None:
    """A connection that is of no more use leaves the pool."""
    if broken:
        # To its end: whoever is cut short closes the same connection next.
        await to_its_end(asyncio.ensure_future(connection.invalidate()))


def _tell(cause: Exception, text: str, connection: AsyncConnection, dbapi: Any) -> NoReturn:
    """As SQLAlchemy tells it."""
    raise DBAPIError.instance(text, None, cause, dbapi.Error, dialect=connection.dialect) from cause
