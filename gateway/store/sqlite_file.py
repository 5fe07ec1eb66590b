"""Work on an SQLite file that a server would do by itself: units of work that share commits, readers of few rows, and
the journal. In: engines of the file. Out: transactions that have begun; a journal without deleted content.

Taking a connection out of a pool and returning it takes longer than a small query: readers stay open, and each query
has a view of one moment. Deleted content can still be read in the journal until that is cut off."""

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
from gateway.commits import run_in_thread
from gateway.store import drivers
from gateway.store import engine as engines
from gateway.store.counters import Counters
from gateway.store.drivers import Line
from gateway.store.transaction import Transaction, failure


class StoreDriver:
    """Implementation of `commits.Driver`, on a connection that is kept open from group to group."""

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
        # Not `commit()`, which raises nothing where there is no transaction any more.
        await run_in_thread(partial(self.mark, "COMMIT"))

    async def drop(self) -> None:
        await self.line.connection.invalidate()

    async def close(self) -> None:
        await self._put_back(self.line)


class GroupedTransaction(Transaction):
    """One unit of a group: its writes are on the disk when `commit` returns, together with its neighbours'."""

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
        if self._unit.has_turn:  # its counters are undone with its writes
            self._unit.driver.counters.undo_unit()
        await self._unit.leave()


class _UnitContext(AbstractAsyncContextManager[Transaction]):
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
        """Open a unit of work. Leaving without `commit` undoes it; the driver's errors become ours."""
        return _UnitContext(self._writer, self._tell_counted)

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Commit earlier writes, and keep other writers of this process out."""
        return self._writer.exclusive()

    async def close(self) -> None:
        """Close the connection; where a unit is under way, when its group ends."""
        self._keeps = False
        line, self._idle = self._idle, None
        if line is not None:
            await line.connection.close()

    async def _locked(self) -> StoreDriver:
        line, self._idle = self._idle, None
        if line is None:
            line = await self._connect()
        try:
            driver = drivers.driver_of(line)
            await drivers.lock(driver, engines.BUSY_TIMEOUT_S)
            self._counters.begin_group(drivers.version_of(driver))
        except BaseException:
            await self._put_back(line)
            raise
        return StoreDriver(line, self._counters, self._put_back)

    async def _connect(self) -> Line:
        connection = await self._engine.connect()
        drivers.sqlite_driver(connection).execute(commits.NO_WAIT)
        self._counters = connection.info[drivers.COUNTERS] = Counters()
        return Line(connection)

    async def _put_back(self, line: Line) -> None:
        """Keep or close the connection; an open transaction of it ends."""
        if await _end_view(line) and self._keeps:
            self._idle = line
        else:
            await line.connection.close()


async def _end_view(line: Line) -> bool:
    """End the connection's view; return whether it can be used again. It cannot where it keeps its view, nor where
    SQLAlchemy closed it below, as it does when a caller was cancelled while a thread read."""
    connection, sync = line.connection, line.sync_connection
    if sync is None or sync.invalidated:
        return False
    try:
        drivers.driver_of(line).rollback()
        if sync.in_transaction():  # a statement went through SQLAlchemy too
            await connection.rollback()
    except BaseException:
        await connection.invalidate()
        await connection.close()
        raise
    return not sync.invalidated


# Most views at the same time (others wait), and connections that stay open.
_MOST = 16
_OPEN_READERS = 4


class NearReaders:
    """Readers of few rows; get them as `store.looking`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._idle: list[tuple[Line, sqlite3.Connection]] = []
        self._most_idle = _OPEN_READERS
        self._room = asyncio.Semaphore(_MOST)

    @asynccontextmanager
    async def view(self) -> AsyncIterator[Transaction]:
        """Open a view of one moment of the file, whatever is written meanwhile. The driver's errors become ours."""
        async with self._room:
            try:
                line, driver = self._idle.pop() if self._idle else await self._connect()
                try:
                    driver.execute("BEGIN")
                    yield Transaction(line, shared=False)
                finally:
                    await self._put_back(line, driver)
            except (SQLAlchemyError, sqlite3.Error) as cause:
                raise failure(cause) from cause

    async def close(self) -> None:
        """Close the idle connections; those in use are closed when they are returned."""
        self._most_idle = 0
        while self._idle:
            line, _ = self._idle.pop()
            await line.connection.close()

    async def _connect(self) -> tuple[Line, sqlite3.Connection]:
        connection = await self._engine.connect()
        return Line(connection), drivers.sqlite_driver(connection)

    async def _put_back(self, line: Line, driver: sqlite3.Connection) -> None:
        if await _end_view(line) and len(self._idle) < self._most_idle:
            self._idle.append((line, driver))
        else:
            await line.connection.close()


# Pages and workers read for some milliseconds; longer readers, such as a backup, are not waited for.
_PAUSES_S = (0.01, 0.03, 0.1, 0.3)


class WriteAheadLog:
    """Journal of the file, cut after a deletion that must leave its content in no file."""

    def __init__(self, path: Path, alone: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        """Take the file. `alone` keeps the writers of this process out."""
        self._path = path
        self._alone = alone
        self._due = True  # an earlier process may have died before it was cut
        self._was_read = False

    def mark(self) -> None:
        """Note that deleted and committed content must not stay in it."""
        self._due = True

    async def cut_if_due(self) -> None:
        """Cut it where that is due; a cut that a reader prevents is made the next time."""
        if self._due:
            await (self._cut() if self._was_read else self.cut())

    async def cut(self) -> bool:
        """Cut it; False where a reader went on reading the old content."""
        for pause in _PAUSES_S:
            if await self._cut():
                return True
            await asyncio.sleep(pause)
        return await self._cut()

    async def _cut(self) -> bool:
        """Cut it once. Writers wait for the last small step alone, and for no reader."""
        self._due, is_cut = False, False
        try:
            await run_in_thread(partial(_checkpoint, self._path, "PASSIVE"))
            async with self._alone():
                is_cut = await run_in_thread(partial(_checkpoint, self._path, "TRUNCATE"))
            self._was_read = not is_cut
        except sqlite3.Error as cause:
            raise failure(cause) from cause
        finally:
            self._due = self._due or not is_cut
        return is_cut


def _checkpoint(path: Path, how: str) -> bool:
    """Run a checkpoint on a connection of its own, which waits for no lock; return whether it was complete. The file
    gets zeros where something was deleted (`secure_delete`)."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        ((is_busy, _, _),) = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
    return not is_busy
