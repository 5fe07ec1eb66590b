"""Reading few rows of an SQLite file: connections that stay open, and a view of one moment in each for whoever asks. In:
an engine. Out: transactions that have begun. To take a connection out of a pool and give it back takes longer than what
is asked in between."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.store import sqlite_here
from gateway.store.transaction import Transaction, failure

# So many look at the same time, and others wait; a few connections stay open.
_MOST = 16
_KEPT = 4


class NearReaders:
    """Get it as `store.looking`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._idle: list[AsyncConnection] = []
        self._room = asyncio.Semaphore(_MOST)

    @asynccontextmanager
    async def view(self) -> AsyncIterator[Transaction]:
        """One moment of the file, whatever is written meanwhile. What the driver raises becomes ours."""
        async with self._room:
            try:
                connection = self._idle.pop() if self._idle else await self._engine.connect()
                try:
                    sqlite_here.driver(connection).execute("BEGIN")
                    yield Transaction(connection, shared=False)
                finally:
                    await self._put_back(connection)
            except (SQLAlchemyError, sqlite3.Error) as cause:
                raise failure(cause) from cause

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def _put_back(self, connection: AsyncConnection) -> None:
        """A connection that does not let go of its view is not used again."""
        try:
            if connection.in_transaction():  # SQLAlchemy itself was asked too
                await connection.rollback()
            else:
                sqlite_here.driver(connection).rollback()
        except BaseException:
            await connection.invalidate()
            await connection.close()
            raise
        if len(self._idle) < _KEPT:
            self._idle.append(connection)
        else:
            await connection.close()
