"""Units of work of the SQLite store that share commits: `commits` with the store's own transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway import commits
from gateway.store import sqlite_here
from gateway.store.transaction import Transaction, failure


class _Driver:
    """Keeps the promise of `commits.Driver`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    def mark(self, words: str) -> None:
        try:
            sqlite_here.driver(self.connection).execute(words)
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

    def __init__(self, unit: commits.Unit[_Driver]) -> None:
        super().__init__(unit.driver.connection, shared=False)
        self._unit = unit

    async def _settle(self) -> None:
        await self._unit.settle()

    async def leave(self) -> None:
        self._over = True
        await self._unit.leave()


class GroupWriter:
    """The one writer of an SQLite store."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writer = commits.GroupWriter(self._opened)

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Transaction]:
        """A unit of work that has begun. Leaving without `commit` undoes it; what the driver raises becomes ours."""
        try:
            unit = GroupedTransaction(await self._writer.begin())
        except SQLAlchemyError as cause:
            raise failure(cause) from cause
        try:
            yield unit
        except SQLAlchemyError as cause:
            raise failure(cause) from cause
        finally:
            await unit.leave()

    def alone(self) -> AbstractAsyncContextManager[None]:
        """What was written before is committed, and nobody of this process writes."""
        return self._writer.alone()

    async def _opened(self) -> _Driver:
        connection = await self._engine.connect()
        try:
            await connection.begin()
        except BaseException:
            await connection.close()
            raise
        return _Driver(connection)
