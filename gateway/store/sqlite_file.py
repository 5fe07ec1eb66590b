"""Work on an SQLite file that a server would do by itself: units of work that share commits, readers of few rows, and
truncation of the write-ahead log. In: engines of the file. Out: open transactions; a write-ahead log without deleted
content.

Connections for small queries stay open, because taking one from a pool and returning it takes longer than the query.
Deleted content can still be read in the write-ahead log until that is truncated."""

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

# Most views at the same time (further ones wait), and most connections that stay open.
_MOST = 16
_OPEN_READERS = 4
# Pauses between tries to truncate. Pages and workers read for milliseconds; longer readers, such as a backup, are not
# waited for.
_PAUSES_S = (0.01, 0.03, 0.1, 0.3)


class StoreDriver:
    """Implementation of `commits.Driver`, on the writer's connection, which stays open between groups."""

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
        # Not the driver's `commit()`, which raises no error when the transaction is gone.
        await run_in_thread(partial(self.mark, "COMMIT"))

    async def drop(self) -> None:
        await self.line.connection.invalidate()

    async def close(self) -> None:
        await self._put_back(self.line)


class GroupedTransaction(Transaction):
    """Transaction of one unit of a group; `commit` returns when the writes of the whole group are on the disk."""

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
        if self._unit.has_turn:  # the unit is undone, so its counters must be too
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
    """The one writer of an SQLite store. Its connection stays open, without a transaction between two groups."""

    def __init__(self, engine: AsyncEngine, tell_counted: Callable[[], None] = lambda: None) -> None:
        """Take the writer's engine; `tell_counted` is called when a unit that changed counters is committed."""
        self._engine = engine
        self._tell_counted = tell_counted
        self._writer = commits.GroupWriter(self._locked)
        self._idle: Line | None = None
        self._counters = Counters()
        self._keeps = True

    def unit(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction for a unit of work; it is undone when its context ends without `commit`. Errors of SQLAlchemy
        become StoreFailure."""
        return _UnitContext(self._writer, self._tell_counted)

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Open a context in which no other unit of this process writes; earlier writes are committed before."""
        return self._writer.exclusive()

    async def close(self) -> None:
        """Close the connection, at once or when the running group ends."""
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
        """End the connection's transaction; keep it for the next group, or close it when it is unusable or we close."""
        if await _end_view(line) and self._keeps:
            self._idle = line
        else:
            await line.connection.close()


async def _end_view(line: Line) -> bool:
    """End the connection's transaction; return whether it can be used again. It cannot when SQLAlchemy has closed the
    driver's connection, as it does when a caller is cancelled while a thread reads."""
    connection, sync = line.connection, line.sync_connection
    if sync is None or sync.invalidated:
        return False
    try:
        drivers.driver_of(line).rollback()
        if sync.in_transaction():  # SQLAlchemy ran a statement too, and has its own transaction
            await connection.rollback()
    except BaseException:
        await connection.invalidate()
        await connection.close()
        raise
    return not sync.invalidated


class NearReaders:
    """Connections for reading few rows, which stay open; use them by `store.viewing_few` and `store.asking`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._idle: list[tuple[Line, sqlite3.Connection]] = []
        self._most_idle = _OPEN_READERS
        self._room = asyncio.Semaphore(_MOST)

    @asynccontextmanager
    async def view(self) -> AsyncIterator[Transaction]:
        """Open a transaction that reads the file as of one moment. Errors of SQLAlchemy and SQLite become StoreFailure."""
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


class WriteAheadLog:
    """Write-ahead log of the file, which is truncated after a deletion that must leave the content in no file."""

    def __init__(self, path: Path, alone: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        """Take the database file's path; `alone` opens a context without other writers of this process."""
        self._path = path
        self._alone = alone
        self._due = True  # an earlier process may have died before it truncated the log
        self._was_read = False

    def mark(self) -> None:
        """Mark that content was deleted, so that the log must be truncated."""
        self._due = True

    async def cut_if_due(self) -> None:
        """Truncate the log if it is marked. When a reader prevents it, it is tried again at the next call."""
        if self._due:
            await (self._cut() if self._was_read else self.cut())

    async def cut(self) -> bool:
        """Truncate the log, in several tries. Return False when a reader still reads from it after the last."""
        for pause in _PAUSES_S:
            if await self._cut():
                return True
            await asyncio.sleep(pause)
        return await self._cut()

    async def _cut(self) -> bool:
        """Try once to truncate the log. Only the last, small step keeps writers out, and it waits for no reader."""
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
    """Run a checkpoint on a connection of its own, without waiting for locks; return whether it was complete. Pages with
    deleted content were overwritten with zeros (`secure_delete`), and so is the file now."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        ((is_busy, _, _),) = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
    return not is_busy
