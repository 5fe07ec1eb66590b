"""Connections to a PostgreSQL server that give direct access to the driver. In: the connection arguments of SQLAlchemy's
engine. Out: a connection that `drivers` uses directly. Only nodes with a server load this module, because SQLAlchemy's
dialect and the driver are some megabytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.util.concurrency import await_

T = TypeVar("T")


class DirectConnection(AsyncAdapt_asyncpg_connection):
    """SQLAlchemy's connection with calls to the driver itself. Any: the driver has no public types."""

    async def ask_alone(self, call: Callable[[Any], Awaitable[T]]) -> T:
        """Run a call of the driver outside of a transaction, and return its result."""
        try:
            return await call(self._connection)
        except Exception as error:
            self._handle_exception(error)

    async def ask(self, call: Callable[[Any], Awaitable[T]]) -> T:
        """Run a call of the driver within SQLAlchemy's transaction, which the first call starts, and return its result."""
        async with self._execute_mutex:
            if self._transaction is None:
                start: Callable[[], Awaitable[None]] = self._start_transaction
                await start()
            try:
                return await call(self._connection)
            except Exception as error:
                self._handle_exception(error)


def connect_server(dbapi: Any, **options: Any) -> Any:
    """Open a connection; it must be called within a greenlet of SQLAlchemy. Any: as in the driver."""
    own = {name: options.pop(name) for name in ("prepared_statement_cache_size",) if name in options}
    return await_(DirectConnection.create(dbapi, asyncpg.connect(**options), **own))
