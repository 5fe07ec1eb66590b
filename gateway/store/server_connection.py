"""Connections to a PostgreSQL server, with a way past SQLAlchemy to the driver. In: what SQLAlchemy's engine hands its
driver. Out: a connection that `drivers` asks directly. Only nodes with a server load this module: SQLAlchemy's dialect and
the driver are some megabytes that a node on SQLite never uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.util.concurrency import await_

T = TypeVar("T")


class DirectConnection(AsyncAdapt_asyncpg_connection):
    """SQLAlchemy's connection, with a direct way to the driver. Any: the driver has no public types."""

    async def ask_alone(self, call: Callable[[Any], Awaitable[T]]) -> T:
        """Return the driver's answer, in no transaction but that of the call."""
        try:
            return await call(self._connection)
        except Exception as error:
            self._handle_exception(error)

    async def ask(self, call: Callable[[Any], Awaitable[T]]) -> T:
        """Return the driver's answer, within the transaction that SQLAlchemy began: it starts with its first statement."""
        async with self._execute_mutex:
            if self._transaction is None:
                start: Callable[[], Awaitable[None]] = self._start_transaction
                await start()
            try:
                return await call(self._connection)
            except Exception as error:
                self._handle_exception(error)


def connect_server(dbapi: Any, **options: Any) -> Any:
    """Connect within a greenlet of SQLAlchemy's. Any: as in the driver."""
    own = {name: options.pop(name) for name in ("prepared_statement_cache_size",) if name in options}
    return await_(DirectConnection.create(dbapi, asyncpg.connect(**options), **own))
