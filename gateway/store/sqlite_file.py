"""What the store does with an SQLite file that a server would do by itself: units of work that share commits, readers
of few rows, and the journal. In: engines of the file. Out: transactions that have begun; a journal without what was
deleted.

Taking a connection out of a pool and giving it back takes longer than a small question: readers stay open, and each
question has a view of one moment. In the journal, what was deleted can still be read until it is cut off."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from types import TracebackType

from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway import commits
from gateway.commits import apart
from gateway.store import drivers
from gateway.store.drivers import Line
from gateway.store.transaction import Transaction, failure


class _StoreDriver:
    """Keeps the promise of `commits.Driver`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.line = Line(connection)
        self._driver = drivers.sqlite_driver(connection)

    def mark(self, words: str) -> None:
        try:
            self._driver.execute(words)
        except sqlite3.Error as cause:
            raise OperationalError(words, None, cause) from cause

    async def commit(self) -> None:
        await self.connection.commit()

    async def drop(self) -> None:
        await self.connection.invalidate()

    async def close(self) -> None:
        await self.connection.close()


class GroupedTransaction(Transaction):
    """One unit of a group: what it wrote is on the disk when `commit` returns, together with its neighbours'."""

    def __init__(self, unit: commits.Unit[_StoreDriver]) -> None:
        super().__init__(unit.driver.line, shared=False)
        self._unit = unit

    async def _settle(self) -> None:
        await self._unit.settle()

    async def leave(self) -> None:
        self._over = True
        await self._unit.leave()


class _Begun(AbstractAsyncContextManager[Transaction]):
    def __init__(self, writer: commits.GroupWriter[_StoreDriver]) -> None:
        self._writer = writer

    async def __aenter__(self) -> Transaction:
        try:
            self._unit = GroupedTransaction(await self._writer.begin())
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
    """The one writer of an SQLite store."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writer = commits.GroupWriter(self._opened)

    def unit(self) -> AbstractAsyncContextManager[Transaction]:
        """A unit of work. Leaving without `commit` undoes it; what the driver raises becomes ours."""
        return _Begun(self._writer)

    def alone(self) -> AbstractAsyncContextManager[None]:
        """What was written before is committed, and nobody of this process writes."""
        return self._writer.alone()

    async def _opened(self) -> _StoreDriver:
        connection = await self._engine.connect()
        try:
            await connection.begin()
        except BaseException:
            await connection.close()
            raise
        return _StoreDriver(connection)


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
        """A connection that does not let go of its view is not used again, nor one that SQLAlchemy closed below itself, as
        it does where somebody was cut short while a thread read."""
        connection = line.connection
        try:
            if connection.in_transaction():  # SQLAlchemy itself was asked too
                await connection.rollback()
            else:
                driver.rollback()
        except BaseException:
            await connection.invalidate()
            await connection.close()
            raise
        if len(self._idle) < self._kept and not connection.invalidated:
            self._idle.append((line, driver))
        else:
            await connection.close()


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
