"""One open transaction, and the few ways in which repositories speak to it. In: statements. Out: rows, or our own
errors instead of the driver's. What is asked is asked at once; new rows are written when somebody here asks for their
table, and at the latest when the transaction ends (`pending_writes`).

What a writing transaction has asked for stays as it is until it ends: rows through `kept`, and what is not there yet
through `hold`. SQLite has one writer and needs neither; on a server two writers would decide on what both saw."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache, partial
from typing import Any, TypeVar

from sqlalchemy import ARRAY, BigInteger, CompoundSelect, bindparam, func, select
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import Executable, Select
from sqlalchemy.sql.dml import Delete, Insert, Update, UpdateBase

from gateway import errors
from gateway.store import drivers, together
from gateway.store.drivers import KEPT, Line, Prepared, StatementResult, Statements
from gateway.store.pending_writes import (
    Check,
    Finish,
    PendingWrite,
    PendingWrites,
    RowInsert,
    exactly_one,
    row_insert,
)
from gateway.store.row import Row

R = TypeVar("R", bound=Row)

Asked = tuple[Executable, dict[str, Any]]
"""With its values by name."""
Questions = tuple[Executable, Prepared, Sequence[dict[str, Any]]]
"""A statement, as it is asked for one set of values, and several sets."""
_STATEMENTS = Statements()
_SEPARATOR = "\x1f"  # stands in no code, digest or id
_KEYS = (
    func.unnest(bindparam("keys", type_=ARRAY(BigInteger, dimensions=1)))
    .table_valued("key")
    .render_derived("asked")
)
HOLD = select(func.pg_advisory_xact_lock(_KEYS.c.key))


class Transaction:
    """Begun on opening, over at `commit` or on leaving. A failed `put_new` leaves it usable on both databases."""

    _alone = False

    def __init__(self, connection: AsyncConnection | Line, *, shared: bool) -> None:
        """`shared`: it writes, and others may write at the same time."""
        line = connection if isinstance(connection, Line) else Line(connection)
        self.line = line
        self._connection, self._dialect = line.connection, line.dialect
        self._here, self._driver = line.here, line.driver
        self._on_server = line.dialect.name == "postgresql"
        # Not by SQLAlchemy, nor by a thread.
        self._is_asked_here = self._on_server or line.driver is not None
        self._shared = shared
        self._held: set[str] = set()
        self._over = self._is_broken = False
        self._then: list[Callable[[], None]] = []
        self._pending = PendingWrites()

    @property
    def is_broken(self) -> bool:
        """Whether something that had to be written was refused, so that it cannot be committed."""
        return self._is_broken

    @property
    def asks_server(self) -> bool:
        """Where a call costs more than a row."""
        return self._on_server

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
        await self.hold_each([name])

    async def hold_each(self, names: Sequence[Sequence[str]]) -> None:
        """The same for several, in their order."""
        if not self._shared:
            return
        unheld = [key for key in map(_SEPARATOR.join, names) if key not in self._held]
        if unheld:
            await self._execute(HOLD, {"keys": [*map(_number, unheld)]})
            self._held.update(unheld)

    async def ask_for_each(self, questions: Sequence[Questions]) -> Sequence[Sequence[StatementResult]]:
        """What each statement brings for each of its sets of values, by as few questions as can be. Names that are to be
        held are held when it returns; none of these questions may depend on them."""
        self._check_open()
        try:
            made = [self._for_all_sets(*each, is_only=len(questions) == 1) for each in questions]
            parts = [(n, each) for n, each in enumerate(made) if each is not None]
            # What is held comes last: it waits for others. Of the rest, the fewer orders, the fewer statements.
            parts.sort(key=lambda part: (questions[part[0]][0] is HOLD, part[1][0].text))
            found = await self._found([(prepared, values) for _, (prepared, values, _) in parts])
        except _ALL as cause:
            self._refused()
            raise _ours(cause) from cause
        rows = {n: split(each) for (n, (_, _, split)), each in zip(parts, found, strict=True)}
        return [
            [StatementResult(alone.rows(each), len(each)) for each in rows[n]]
            if n in rows
            else [await self._execute(statement, values) for values in sets]
            for n, (statement, alone, sets) in enumerate(questions)
        ]

    def _for_all_sets(
        self, statement: Executable, alone: Prepared, sets: Sequence[dict[str, Any]], *, is_only: bool
    ) -> tuple[Prepared, dict[str, Any], Callable[[Sequence[Any]], Sequence[Sequence[Any]]]] | None:
        """One question in place of one for each set, and how what it finds is told apart. None where each set has to be
        asked for by itself."""
        if statement is HOLD:  # in one order, so that no two batches wait for each other
            keys = sorted({key for values in sets for key in values["keys"]})
            return alone, {"keys": keys}, lambda found: [()] * len(sets)
        if not isinstance(statement, Select | CompoundSelect) or not alone.is_told:
            return None
        if len(sets) == 1 and (is_only or not self._on_server):
            return None
        asked = together.question(statement, tuple(sets[0]), self._dialect)
        if asked is None:
            return None
        return asked.prepared, asked.values(sets), partial(asked.rows_of_each, sets=len(sets))

    async def _found(self, asked: Sequence[tuple[Prepared, dict[str, Any]]]) -> Sequence[Sequence[Any]]:
        """What each of these questions finds, as the driver has it. A server is asked once for all of them."""
        if self._driver is not None:
            return [drivers.found_here(prepared, self._driver, values) for prepared, values in asked]
        return await drivers.found_on_server(asked, self._connection, alone=self._alone) if asked else []

    async def rows(self, kind: type[R], query: Select[Any], /, **values: object) -> Sequence[R]:
        """The rows of one table, to be read only: each has the columns of `kind` as attributes. No session stands
        between, because nobody here changes a row by assigning to it, and that is a third of a statement's cost."""
        return (await self._execute(query, values)).rows

    async def first(self, kind: type[R], query: Select[Any], /, **values: object) -> R | None:
        found = await self.rows(kind, _first(query), **values)
        return found[0] if found else None

    async def one(
        self, kind: type[R], query: Select[Any], missing: str, hint: str = "", /, **values: object
    ) -> R:
        """NotFound with those words where there is none."""
        row = await self.first(kind, query, **values)
        if row is None:
            raise errors.NotFound(missing, hint=hint)
        return row

    async def tuples(self, query: Executable, /, **values: object) -> Sequence[Any]:
        """What a query of several columns found; each row reads like a tuple."""
        return (await self._execute(query, values)).rows

    async def find_each(self, *questions: Asked) -> Sequence[Sequence[Any]]:
        """What each of several questions finds, as by `tuples`. A server is asked once for all of them."""
        asked = list[tuple[Prepared, dict[str, Any]]]()
        if self._on_server and self._pending.is_empty:
            self._check_open()
            prepared = [(self._prepared(query, values), values) for query, values in questions]
            asked = [(each, values) for each, values in prepared if each is not None]
        if len(asked) < len(questions):
            return [await self.tuples(query, **values) for query, values in questions]
        try:
            for each, _ in asked:
                if not each.is_told:
                    await drivers.tell_on_server(each, self._connection)
            found = await self._found(asked)
        except _ALL as cause:
            self._refused()
            raise _ours(cause) from cause
        return [each.rows(rows) for (each, _), rows in zip(asked, found, strict=True)]

    def put(self, *rows: Row) -> None:
        """Writes new rows of one table. Clash, at the latest in the end, when one of them is there, or names a row that is
        not."""
        if rows:
            self._pending.add(row_insert(type(rows[0])), *rows)

    def put_finished(self, finish: Finish, *rows: Row) -> None:
        """As `put`, of rows whose last values are known when they are written, such as numbers without gaps. One table has
        one such way."""
        if rows:
            self._pending.add(row_insert(type(rows[0])), *rows, finish=finish)

    def put_missing(self, *rows: Row) -> None:
        """The same for rows of which some may be there: those stay as they are."""
        if rows:
            self._pending.add(row_insert(type(rows[0]), missing=True), *rows)

    def put_over_last(self, row: Row, *columns: str) -> None:
        """As `put_over`, when the row is written with others."""
        self._pending.add(row_insert(type(row), *columns), row)

    def put_by(self, way: RowInsert, row: Row) -> None:
        """As `put`, in a way of the table's own."""
        self._pending.add(way, row)

    async def put_surely(self, row: Row, taken: Callable[[], Exception]) -> None:
        """As `put_new` for who can go no further without it: that error, at the latest when this transaction ends."""
        await self._surely(row_insert(type(row), missing=True), row.__dict__, check=exactly_one(taken))

    def put_open(self, row: Row) -> PendingWrite:
        """As `put`, of a row of which more is said by `amend`; statements marked as `OTHERS` do not ask for it."""
        return self._pending.add_open(row_insert(type(row)), row)

    def amend(self, row: PendingWrite, values: Mapping[str, Any]) -> bool:
        """False where the row is written already."""
        return self._pending.amend(row, dict(values))

    async def put_now(self) -> None:
        """What waits to be written, and what that brings with it."""
        try:
            while not self._pending.is_empty:
                waiting, self._pending = self._pending, PendingWrites()
                await self.put_together(waiting.all())
        except BaseException:
            self._is_broken = True
            raise

    async def put_together(self, waiting: Sequence[PendingWrite]) -> None:
        """What several units have asked for. Each hears how many rows were changed."""
        if self._on_server:
            await self._put_together(waiting)
            return
        await self._put_here(waiting)

    async def _put_here(self, waiting: Iterable[PendingWrite]) -> None:
        for each in waiting:
            if each.finish is not None:
                await each.finish(self, each.values)
            changed = await self._execute_many(*each.one_by_one(self._dialect.name))
            if each.check is not None:
                each.check(changed)

    async def put_new(self, row: Row) -> bool:
        """Writes the row unless a unique key of it is taken: False then, and nothing changed."""
        way = row_insert(type(row), missing=True)
        return (await self._execute(way.one(self._dialect.name), *way.written([row.values()]))).rowcount == 1

    async def put_first(self, row: Row, otherwise: Callable[[], Awaitable[None]]) -> None:
        """As `put_new` for who does something else where a unique key is taken. Where units share a transaction that shows
        when it ends, and each is done alone."""
        if not await self.put_new(row):
            await otherwise()

    async def put_over(self, row: Row, *columns: str) -> None:
        """Writes the row, or only these columns of it into the one with its primary key; holds that row's lock either
        way."""
        way = row_insert(type(row), *columns)
        await self._execute(way.one(self._dialect.name), *way.written([row.values()]))

    async def change(self, statement: Update | Delete | Insert, /, **values: object) -> int:
        """How many rows it changed. Of an update, values that are no parameters of it are columns to set."""
        return (await self._execute(statement, values)).rowcount

    async def change_surely(self, statement: Update | Delete, check: Check, /, **values: object) -> None:
        """As `change` for who can go no further where the number of rows is wrong: `check` hears it and raises, at the
        latest when this transaction ends."""
        await self._surely(statement, values, check=check)

    async def change_each_surely(
        self, statement: Update, check: Check, sets: Sequence[Mapping[str, Any]]
    ) -> None:
        """The same for each set of values, which changes one row; `check` hears how many were changed."""
        if sets:
            await self._surely(statement, *sets, check=check)

    async def change_many(self, statement: Update, values: Sequence[Mapping[str, Any]]) -> None:
        """The same statement for each set of values, as one call to the driver. Each set is of other rows."""
        if values and self._on_server:
            self._pending.add_apart(statement, *values)
        elif values:
            await self._execute_many(statement, [dict(row) for row in values])

    def change_last(self, statement: Update | Delete, /, **values: object) -> None:
        """As `change`, when it is written with others, for who need not hear how many rows it changed."""
        self._pending.add_apart(statement, values)

    async def _surely(self, what: RowInsert | UpdateBase, *sets: Mapping[str, Any], check: Check) -> None:
        """A call to a server costs more than a row; SQLite is asked at once."""
        if self._on_server:
            self._pending.add_apart(what, *sets, check=check)
            return
        many = [*map(dict, sets)]
        statement: Executable
        if isinstance(what, RowInsert):
            statement, many = what.one(self._dialect.name), what.written(many)
        else:
            statement = what
        if len(many) == 1:
            check((await self._execute(statement, many[0])).rowcount)
        else:
            check(await self._execute_many(statement, many))

    def when_committed(self, *tells: Callable[[], None]) -> None:
        """Called once this transaction holds, and never when it does not: for what is counted."""
        self._then += tells

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

    async def _execute(self, statement: Executable, values: dict[str, Any]) -> StatementResult:
        self._check_open()
        try:
            prepared = self._prepared(statement, values)
            if not self._pending.is_empty and (prepared is None or self._asks_for_own(prepared)):
                await self.put_now()
            if prepared is None:
                found = await self._by_library(statement, values or None)
                return StatementResult(found.all() if found.returns_rows else (), found.rowcount)
            if self._driver is not None:
                return drivers.run_here(prepared, self._driver, values)
            return await self._run(prepared, values)
        except _ALL as cause:
            self._refused()
            raise _ours(cause) from cause

    async def _run(self, prepared: Prepared, values: dict[str, Any]) -> StatementResult:
        """On a server."""
        return await drivers.run_on_server(prepared, self._connection, values, alone=self._alone)

    async def _execute_many(self, statement: Executable, many: list[dict[str, Any]]) -> int:
        """As one call to the driver; how many rows it changed, where that can be told."""
        self._check_open()
        try:
            prepared = None
            if self._on_server or (self._driver is not None and len(many) <= drivers.MANY):
                prepared = _STATEMENTS.of_many(statement, many, self._dialect)
            if not self._pending.is_empty and (prepared is None or self._asks_for_own(prepared)):
                await self.put_now()
            if prepared is None:
                changed: int = (await self._by_library(statement, many)).rowcount
                return changed
            if self._driver is not None:
                return drivers.run_many_here(prepared, self._driver, many).rowcount
            return (await drivers.run_many_on_server(prepared, self._connection, many)).rowcount
        except _ALL as cause:
            self._refused()
            raise _ours(cause) from cause

    def _refused(self) -> None:
        """A server undoes all of it, and says nothing when it is told to commit then."""
        self._is_broken = self._is_broken or self._on_server

    def _prepared(self, statement: Executable, values: dict[str, Any]) -> Prepared | None:
        """None for SQLAlchemy itself: what is asked for the first time, and all that a thread asks SQLite."""
        return _STATEMENTS.of(statement, values, self._dialect) if self._is_asked_here else None

    def _asks_for_own(self, prepared: Prepared) -> bool:
        """Whether this statement may find, or point to, or take away what this transaction has yet to write."""
        return prepared.takes_away or self._pending.touches(
            prepared.reaches, open_too=not prepared.finds_others
        )

    async def _put_together(self, waiting: Iterable[PendingWrite]) -> None:
        """On a server: in one statement what does not speak of one table twice."""
        together, tables = list[tuple[PendingWrite, Prepared, dict[str, Any]]](), set[str]()
        for each in waiting:
            statement, values = each.on_server()
            prepared = _STATEMENTS.at_once(statement, values, self._dialect)
            if not tables.isdisjoint(prepared.tables):
                await self._run_together(together)
                together, tables = [], set()
            together.append((each, prepared, values))
            tables.add(each.table)
        await self._run_together(together)

    async def _run_together(self, together: Sequence[tuple[PendingWrite, Prepared, dict[str, Any]]]) -> None:
        if not together:
            return
        try:
            asked = [(prepared, values) for _, prepared, values in together]
            changed = await drivers.run_together_on_server(asked, self._connection)
        except _ALL as cause:
            raise _ours(cause) from cause
        for (each, _, _), rows in zip(together, changed, strict=True):
            if each.check is not None:
                each.check(rows)

    async def _by_library(
        self, statement: Executable, values: list[dict[str, Any]] | dict[str, Any] | None
    ) -> Any:  # Any: the library's own result
        if self._here is None or drivers.is_slow(statement, values):
            return await self._connection.execute(statement, values)
        return self._here.execute(statement, values)

    def _check_open(self) -> None:
        if self._over:
            raise errors.StoreFailure("this unit of work is committed and over; begin another one")
        if self._is_broken:
            raise errors.StoreFailure(
                "something that this unit of work had to write was refused; begin another one"
            )


class Slowly(Transaction):
    """The same open transaction, for lists and searches: on SQLite its statements go to a thread, so that whoever turns
    pages holds nobody up. Those marked as `FEW` do not."""

    def __init__(self, tx: Transaction) -> None:
        self.__dict__ = tx.__dict__  # one state: what one of the two ends is over for both

    async def _execute(self, statement: Executable, values: dict[str, Any]) -> StatementResult:
        return await super()._execute(self._slow(statement), values)

    async def _execute_many(self, statement: Executable, many: list[dict[str, Any]]) -> int:
        return await super()._execute_many(self._slow(statement), many)

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


class _Question(Transaction):
    """On a server: each question by itself, without a transaction around it, which would be two more calls."""

    _alone = True


@asynccontextmanager
async def question(engine: AsyncEngine) -> AsyncIterator[Transaction]:
    """For one question to a server."""
    try:
        async with engine.connect() as connection:
            yield _Question(connection, shared=False)
    except SQLAlchemyError as cause:
        raise failure(cause) from cause


async def run_alone(server: AsyncEngine, statement: Executable, /, **values: object) -> Sequence[Any]:
    """What one statement finds that also changes something; it is committed when it is over. A transaction around it would
    be two more calls."""
    try:
        async with server.connect() as connection:
            prepared = _STATEMENTS.at_once(statement, values, connection.dialect)
            return (await drivers.run_on_server(prepared, connection, values, alone=True)).rows
    except SQLAlchemyError as cause:
        raise _ours(cause) from cause


# The last two: of a number that no column holds, and of a text that has no bytes.
_Failed = SQLAlchemyError | sqlite3.Error | OverflowError | UnicodeEncodeError
_ALL = (SQLAlchemyError, sqlite3.Error, OverflowError, UnicodeEncodeError)
# PostgreSQL's driver says the value itself.
_ARGUMENT = re.compile(r"invalid input for query argument \$\d+(?=: )")


def _ours(cause: _Failed) -> errors.GatewayError:
    """What went wrong with a statement."""
    if isinstance(cause, IntegrityError | sqlite3.IntegrityError):
        return errors.Clash(
            f"the database refused the change ({said(cause)}): a row it needs is missing, or one like it is there"
        )
    return failure(cause)


def failure(cause: _Failed) -> errors.StoreFailure:
    return errors.StoreFailure(
        f"the database did not do it ({type(cause).__name__}: {said(cause)}); nothing of this transaction is stored"
    )


def said(cause: _Failed) -> str:
    """The driver's first line, without the statement and its values: those are content."""
    words = str(cause.orig) if isinstance(cause, DBAPIError) else str(cause)
    if (named := _ARGUMENT.search(words)) is not None:
        _, mark, why = words.rstrip().rpartition(" (")
        words = words[: named.end()] + (mark + why if why.endswith(")") else "")
    return words.partition("\n")[0]


def _number(key: str) -> int:
    """Two names with one number would only wait for each other without need."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


@lru_cache(maxsize=256)
def _kept(query: Select[Any]) -> Select[Any]:
    return query.with_for_update(key_share=True).execution_options(**{KEPT: True})


@lru_cache(maxsize=256)
def _first(query: Select[Any]) -> Select[Any]:
    return query.limit(1)
