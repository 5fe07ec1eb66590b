"""What the store does with an SQLite file that a server would do by itself: units of work that share commits, readers
of few rows, and the journal. In: engines of the file. Out: transactions that have begun; a journal without what was
deleted.

Taking a connection out of a pool and giving it back takes longer than a small question: readers stay open, and each
question has a view of one moment. In the journal, what was deleted can still be read until it is cut off."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from types import TracebackType

from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway import commits
from gateway.commits import apart
from gateway.store import drivers
from gateway.store import engine as engines
from gateway.store.counters import Counters
from gateway.store.drivers import Line
from gateway.store.transaction import Transaction, failure


class StoreDriver:
    """Keeps the promise of `commits.Driver`, on a connection that is kept open from group to group."""

    def __init__(self, line: Line, counters: Counters, put_back: Callable[[Line], Awaitable[None]]) -> None:
        self.line = line
        self.counters = counters
        self._driver = drivers.driver_of(line)
        self._put_back = put_back

    def mark(self, words: str) -> None:
        try:
            self._driver.execute(words)
        except sqlite3.Error as cause:
            raise OperationalError(words, None, cause) from cause

    async def commit(self) -> None:
        # Not `commit()`, which says nothing where there is no transaction any more.
        await apart(partial(self.mark, "COMMIT"))

    async def drop(self) -> None:
        await self.line.connection.invalidate()

    async def close(self) -> None:
        await self._put_back(self.line)


class GroupedTransaction(Transaction):
    """One unit of a group: what it wrote is on the disk when `commit` returns, together with its neighbours'."""

    def __init__(self, unit: commits.Unit[StoreDriver], tell_counted: Callable[[], None]) -> None:
        super().__init__(unit.driver.line, shared=False)
        self._unit = unit
        self._tell_counted = tell_counted
        unit.driver.counters.begin_unit()

    async def _settle(self) -> None:
        has_counted = self._unit.driver.counters.have_moved
        await self._unit.settle()
        if has_counted:
            self._tell_counted()

    async def leave(self) -> None:
        self._over = True
        if self._unit.has_turn:  # what it counted is undone with what it wrote
            self._unit.driver.counters.undo_unit()
        await self._unit.leave()


class _Begun(AbstractAsyncContextManager[Transaction]):
    def __init__(self, writer: commits.GroupWriter[StoreDriver], tell_counted: Callable[[], None]) -> None:
        self._writer = writer
        self._tell_counted = tell_counted

    async def __aenter__(self) -> Transaction:
        try:
            self._unit = GroupedTransaction(await self._writer.begin(), self._tell_counted)
        except SQLAlchemyError as cause:
            raise failure(cause) from cause
        return self._unit

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._unit.leave()
        if isinstance(error, SQLAlchemyError):
            raise failure(error) from error


class StoreWriter:
    """The one writer of an SQLite store. Its connection stays open, and is in no transaction between two groups."""

    def __init__(self, engine: AsyncEngine, tell_counted: Callable[[], None] = lambda: None) -> None:
        """`tell_counted`: called when a unit is committed whose counters moved."""
        self._engine = engine
        self._tell_counted = tell_counted
        self._writer = commits.GroupWriter(self._locked)
        self._idle: Line | None = None
        self._counters = Counters()
        self._keeps = True

    def unit(self) -> AbstractAsyncContextManager[Transaction]:
        """A unit of work. Leaving without `commit` undoes it; what the driver raises becomes ours."""
        return _Begun(self._writer, self._tell_counted)

    def alone(self) -> AbstractAsyncContextManager[None]:
        """What was written before is committed, and nobody of this process writes."""
        return self._writer.alone()

    async def close(self) -> None:
        """Where a unit is under way, the connection is closed when its group ends."""
        self._keeps = False
        line, self._idle = self._idle, None
        if line is not None:
            await line.connection.close()

    async def _locked(self) -> StoreDriver:
        line, self._idle = self._idle, None
        if line is None:
            line = await self._opened()
        try:
            driver = drivers.driver_of(line)
            await drivers.lock(driver, engines.BUSY_TIMEOUT_S)
            self._counters.begin_group(drivers.version_of(driver))
        except BaseException:
            await self._put_back(line)
            raise
        return StoreDriver(line, self._counters, self._put_back)

    async def _opened(self) -> Line:
        connection = await self._engine.connect()
        drivers.sqlite_driver(connection).execute(commits.WAIT_FOR_NOBODY)
        self._counters = connection.info[drivers.COUNTERS] = Counters()
        return Line(connection)

    async def _put_back(self, line: Line) -> None:
        """Whatever is open in it ends."""
        if await _end_view(line) and self._keeps:
            self._idle = line
        else:
            await line.connection.close()


async def _end_view(line: Line) -> bool:
    """Whether the connection can be used again. One that does not let go of its view cannot, nor one that SQLAlchemy closed
    below itself, as it does where somebody was cut short while a thread read."""
    connection, here = line.connection, line.here
    if here is None or here.invalidated:
        return False
    try:
        drivers.driver_of(line).rollback()
        if here.in_transaction():  # SQLAlchemy itself was asked too
            await connection.rollback()
    except BaseException:
        await connection.invalidate()
        await connection.close()
        raise
    return not here.invalidated


# So many look at the same time, and others wait; a few connections stay open.
_MOST = 16
_KEPT = 4


class NearReaders:
    """Get it as `store.looking`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._idle: list[tuple[Line, sqlite3.Connection]] = []
        self._kept = _KEPT
        self._room = asyncio.Semaphore(_MOST)

    @asynccontextmanager
    async def view(self) -> AsyncIterator[Transaction]:
        """One moment of the file, whatever is written meanwhile. What the driver raises becomes ours."""
        async with self._room:
            try:
                line, driver = self._idle.pop() if self._idle else await self._opened()
                try:
                    driver.execute("BEGIN")
                    yield Transaction(line, shared=False)
                finally:
                    await self._put_back(line, driver)
            except (SQLAlchemyError, sqlite3.Error) as cause:
                raise failure(cause) from cause

    async def close(self) -> None:
        """Those that are lent out are closed when they are given back."""
        self._kept = 0
        while self._idle:
            line, _ = self._idle.pop()
            await line.connection.close()

    async def _opened(self) -> tuple[Line, sqlite3.Connection]:
        connection = await self._engine.connect()
        return Line(connection), drivers.sqlite_driver(connection)

    async def _put_back(self, line: Line, driver: sqlite3.Connection) -> None:
        if await _end_view(line) and len(self._idle) < self._kept:
            self._idle.append((line, driver))
        else:
            await line.connection.close()


# Pages and workers read for some milliseconds. Who reads for longer, as a backup does, is not waited for.
_PAUSES_S = (0.01, 0.03, 0.1, 0.3)


class WriteAheadLog:
    """Cut by who deleted what may be in no file any more."""

    def __init__(self, path: Path, alone: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        """`alone`: while nobody of this process writes."""
        self._path = path
        self._alone = alone
        self._due = True  # who wrote in it before may have died before it was cut
        self._was_read = False

    def mark(self) -> None:
        """What was deleted and committed must not stay in it."""
        self._due = True

    async def cut_if_due(self) -> None:
        """What somebody's reading forbids now is done the next time."""
        if self._due:
            await (self._cut() if self._was_read else self.cut())

    async def cut(self) -> bool:
        """False where somebody went on reading what was there before."""
        for pause in _PAUSES_S:
            if await self._cut():
                return True
            await asyncio.sleep(pause)
        return await self._cut()

    async def _cut(self) -> bool:
        """Who writes waits for the last small step alone, and for no reader."""
        self._due, done = False, False
        try:
            await apart(partial(_checkpoint, self._path, "PASSIVE"))
            async with self._alone():
                done = await apart(partial(_checkpoint, self._path, "TRUNCATE"))
            self._was_read = not done
        except sqlite3.Error as cause:
            raise failure(cause) from cause
        finally:
            self._due = self._due or not done
        return done


def _checkpoint(path: Path, how: str) -> bool:
    """Whether it was done to its end. By a connection of its own, which waits for nobody; what goes into the file has zeros
    where something was deleted (`secure_delete`)."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        ((is_busy, _, _),) = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
    return not is_busy
