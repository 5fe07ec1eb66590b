"""PostgreSQL's driver asked without SQLAlchemy between: prepared statements on the very connection, in the very transaction
that SQLAlchemy's pool lends and ends. In: a prepared statement and its values. Out: what it found, or SQLAlchemy's own
errors, so that whoever asks in either way hears the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn, TypeVar

from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util.concurrency import await_

from gateway.store.prepared import Found, Prepared, Values

T = TypeVar("T")


class DirectConnection(AsyncAdapt_asyncpg_connection):
    """The connection that SQLAlchemy has, with a way beside it to the driver. Any: the driver has no public types."""

    async def ask_alone(self, call: Callable[[Any], Awaitable[T]]) -> T:
        """What the driver answers, in no transaction but that of the call."""
        try:
            return await call(self._connection)
        except Exception as error:
            self._handle_exception(error)

    async def ask(self, call: Callable[[Any], Awaitable[T]]) -> T:
        """What the driver answers, within the transaction that SQLAlchemy began: it starts with its first statement."""
        async with self._execute_mutex:
            if self._transaction is None:
                start: Callable[[], Awaitable[None]] = self._start_transaction
                await start()
            try:
                return await call(self._connection)
            except Exception as error:
                self._handle_exception(error)


def connect(dbapi: Any, **words: Any) -> Any:
    """In a greenlet of SQLAlchemy's. Any: as in the driver, which is loaded where there is a server."""
    import asyncpg

    ours = {name: words.pop(name) for name in ("prepared_statement_cache_size",) if name in words}
    return await_(DirectConnection.create(dbapi, asyncpg.connect(**words), **ours))


async def run(prepared: Prepared, connection: AsyncConnection, values: Values | list[Values]) -> Found:
    """For several sets of values nothing is found."""
    if isinstance(values, list):
        many = [prepared.bound(row) for row in values]
        await _asked(connection, prepared, lambda driver: driver.executemany(prepared.text, many))
        return Found((), -1)
    one = prepared.bound(values)
    if not prepared.finds:
        said = await _asked(connection, prepared, lambda driver: driver.execute(prepared.text, *one))
        return Found((), _counted(said))
    if not prepared.is_told:
        prepared.tell(await _asked(connection, prepared, lambda driver: _columns(driver, prepared.text)))
    found: Sequence[Any] = await _asked(
        connection, prepared, lambda driver: driver.fetch(prepared.text, *one)
    )
    return Found(prepared.rows(found), len(found))


async def _columns(driver: Any, text: str) -> list[tuple[str, int]]:
    statement = await driver.prepare(text)
    return [(each.name, each.type.oid) for each in statement.get_attributes()]


def _counted(said: str) -> int:
    """`INSERT 0 1`, `UPDATE 3`."""
    number = said.rpartition(" ")[2]
    return int(number) if number.isdigit() else -1


def is_open(connection: AsyncConnection) -> bool:
    return not _lent(connection, "").driver_connection.is_closed()


async def column(connection: AsyncConnection, text: str) -> tuple[Any, ...]:
    """The first column of what a fixed question finds; in no transaction."""
    lent = _lent(connection, text)
    try:
        return tuple(row[0] for row in await lent.ask_alone(lambda driver: driver.fetch(text)))
    except lent.dbapi.Error as cause:
        _tell(cause, text, connection, lent.dbapi)
    except (OSError, TimeoutError) as cause:
        raise OperationalError(None, None, cause) from cause


async def _asked(connection: AsyncConnection, prepared: Prepared, call: Callable[[Any], Awaitable[T]]) -> T:
    lent = _lent(connection, prepared.text)
    try:
        return await lent.ask(call)
    except lent.dbapi.Error as cause:
        await _given_up(connection, broken=lent.driver_connection.is_closed())
        _tell(cause, prepared.text, connection, lent.dbapi)
    except (OSError, TimeoutError) as cause:
        await _given_up(connection, broken=True)
        raise OperationalError(None, None, cause) from cause
    except BaseException:  # cut short in the middle: what the server makes of it, nobody hears any more
        await _given_up(connection, broken=True)
        raise


def _lent(connection: AsyncConnection, text: str) -> DirectConnection:
    sync = connection.sync_connection
    lent = None if sync is None or sync.invalidated else sync.connection.dbapi_connection
    if not isinstance(lent, DirectConnection):
        raise OperationalError(text, None, ConnectionError("the connection is gone"))
    return lent


async def _given_up(connection: AsyncConnection, *, broken: bool) -> None:
    """A connection that is of no more use leaves the pool."""
    if broken:
        await asyncio.shield(connection.invalidate())


def _tell(cause: Exception, text: str, connection: AsyncConnection, dbapi: Any) -> NoReturn:
    """As SQLAlchemy tells it."""
    raise DBAPIError.instance(text, None, cause, dbapi.Error, dialect=connection.dialect) from cause
