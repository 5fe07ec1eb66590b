"""Cache of query results that every document needs and that seldom change (codes, certificates, ended keys, hosted
agencies, API keys). In: an engine for small reads; queries, each with its key. Out: their results, never older than the
turn of the event loop in which the call began.

Database triggers give a subject (a group of tables) a new token in the transaction that changes it, whichever process or
person writes. A cached result is returned only when the tokens that are read during the call (a look) equal those under
which the result was read. A token is never used twice, so that an undone state is never taken for a later one.

A step that asks a server several times may share one look (`moment`): its results are then of a moment within the step."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import date
from typing import Any, TypeVar

from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection

from gateway import time_source
from gateway.store import drivers
from gateway.store.transaction import failure

# Most results in memory. A node writes to some hundred agencies in a week, and a result is a few KB at most.
MOST = 4096
# Most characters of one key. Codes and names are shorter; results for longer texts are not cached.
LONGEST = 1000
_LOOK = "SELECT token FROM memory_version ORDER BY subject"

T = TypeVar("T")
Key = tuple[str | date | None, ...]
Tokens = tuple[str, ...]


# Age in seconds after which a shared look is not used any more.
MOMENT_S = 0.1
# Time of the event loop's clock at which the step began.
_MOMENT: ContextVar[float | None] = ContextVar("memory moment", default=None)


class Memory:
    """Cache of query results, one object for each process and database; get it as `store.memory`."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take an engine each of whose transactions sees one moment of the database."""
        self._engine = engine
        self._line: _SqliteLook | _ServerLook = (
            _SqliteLook(engine) if drivers.is_sqlite(engine) else _ServerLook(engine)
        )
        self._as_of: Tokens | None = None
        self._answers: OrderedDict[Key, Any] = OrderedDict()

    async def ask(self, key: Key, read: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Return the cached result of that key, or read it. The key contains all that the result depends on, such as a day
        or an agency. Callers must not change a result, because others get the same object."""
        if (
            self._line.current_tokens is not None
            and self._line.current_tokens == self._as_of
            and key in self._answers
        ):
            self._answers.move_to_end(key)
            answer: T = self._answers[key]
            return answer

        async def read_one(connection: AsyncConnection, _: Sequence[Key]) -> dict[Key, T]:
            return {key: await read(connection)}

        return (await self.ask_all([key], read_one))[key]

    async def ask_all(
        self,
        keys: Collection[Key],
        read: Callable[[AsyncConnection, Sequence[Key]], Awaitable[Mapping[Key, T]]],
    ) -> dict[Key, T]:
        """Return the results of several keys, all of one moment; `read` reads those that are not cached."""
        try:
            remembered = self._recall(await self._line.tokens(), keys)
            if len(remembered) == len(keys):
                return remembered
            async with self._engine.connect() as connection:
                tokens = tuple((await connection.exec_driver_sql(_LOOK)).scalars())
                remembered = self._recall(tokens, keys)
                missing = [key for key in keys if key not in remembered]
                if missing:
                    answers = await read(connection, missing)
                    self._keep(tokens, answers)
                    remembered |= answers
                return remembered
        except SQLAlchemyError as cause:
            raise failure(cause) from cause

    @contextlib.contextmanager
    def moment(self) -> Iterator[None]:
        """Open a context in which calls, also of tasks that are started in it, share looks at a server that began in it and
        are less than a tenth of a second old. It is for a step that changes nothing of what is cached."""
        token = _MOMENT.set(time_source.monotonic())
        try:
            yield
        finally:
            _MOMENT.reset(token)

    async def tokens(self) -> Tokens:
        """Return the current tokens, which differ from earlier ones once any watched subject has changed."""
        try:
            return await self._line.tokens()
        except SQLAlchemyError as cause:
            raise failure(cause) from cause

    async def version(self) -> object:
        """Return the version of the SQLite file, which changes with each commit; None on a server."""
        try:
            return await self._line.version()
        except SQLAlchemyError as cause:
            raise failure(cause) from cause

    async def close(self) -> None:
        await self._line.close()

    def _recall(self, tokens: Tokens, keys: Collection[Key]) -> dict[Key, Any]:
        if tokens != self._as_of:
            return {}
        answers = {key: self._answers[key] for key in keys if key in self._answers}
        for key in answers:
            self._answers.move_to_end(key)
        return answers

    def _keep(self, tokens: Tokens, answers: Mapping[Key, Any]) -> None:
        if tokens != self._as_of:
            self._as_of, self._answers = tokens, OrderedDict()
        for key, answer in answers.items():
            if sum(len(part) for part in key if isinstance(part, str)) <= LONGEST:
                self._answers[key] = answer
        while len(self._answers) > MOST:
            self._answers.popitem(last=False)


class _SqliteLook:
    """Reader of the tokens in an SQLite file, by a connection that stays open outside of a transaction. It reads in the
    calling thread, and only after a commit. The tokens are valid for this turn of the event loop, because this process
    commits nothing within a turn."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._pooled: PoolProxiedConnection | None = None
        self._driver: sqlite3.Connection | None = None  # the driver's connection of `_pooled`
        self._read: tuple[object, Tokens] | None = None
        self.current_tokens: Tokens | None = None

    async def tokens(self) -> Tokens:
        if self.current_tokens is None:
            self.current_tokens = await self._look()
            asyncio.get_running_loop().call_soon(self._forget)
        return self.current_tokens

    def _forget(self) -> None:
        self.current_tokens = None

    async def version(self) -> object:
        driver = self._driver or await self._opened()
        try:
            return drivers.version_of(driver)
        except sqlite3.Error as cause:
            raise OperationalError("PRAGMA data_version", None, cause) from cause

    async def _look(self) -> Tokens:
        driver = self._driver or await self._opened()
        try:
            version = drivers.version_of(driver)
            if self._read is None or self._read[0] != version:
                # A commit after the version was read changes it again, so the next look reads the tokens anew.
                self._read = version, tuple(token for (token,) in driver.execute(_LOOK).fetchall())
            return self._read[1]
        except sqlite3.Error as cause:
            raise OperationalError(_LOOK, None, cause) from cause

    async def _opened(self) -> sqlite3.Connection:
        connection = await self._engine.raw_connection()
        if self._driver is not None:  # another caller has opened one meanwhile
            connection.close()
            return self._driver
        driver: sqlite3.Connection = connection.driver_connection  # type: ignore[assignment]  # the pool's is of any driver
        self._pooled, self._driver = connection, driver
        return driver

    async def close(self) -> None:
        if self._pooled is not None:
            self._pooled.close()
            self._pooled = self._driver = None


class _ServerLook:
    """Reader of the tokens on a server, one look at a time. Calls during a look share the next one, which begins after they
    asked. It uses the driver of a connection of its own, which stays open outside of a transaction."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._open_connection: AsyncConnection | None = None
        self._running: asyncio.Task[Tokens] | None = None
        self._next: asyncio.Task[Tokens] | None = None
        self._last: tuple[float, Tokens] | None = None  # when the last look began, and its tokens

    @property
    def current_tokens(self) -> Tokens | None:
        """Tokens of the last look when the step of `moment` may use it, else None."""
        begun = _MOMENT.get()
        if begun is None or self._last is None:
            return None
        at, tokens = self._last
        return tokens if begun <= at and time_source.monotonic() < at + MOMENT_S else None

    async def tokens(self) -> Tokens:
        if (tokens := self.current_tokens) is not None:
            return tokens
        if self._next is None:
            self._next = asyncio.create_task(self._look(self._running), name="memory")
            self._next.add_done_callback(_read_error)
        # Shielded, because other callers share this look and a cancelled caller must not cancel it.
        return await asyncio.shield(self._next)

    async def version(self) -> object:
        return None

    async def _look(self, earlier: asyncio.Task[Tokens] | None) -> Tokens:
        if earlier is not None:
            await asyncio.wait([earlier])
        self._running, self._next = self._next, None  # from here on calls share the next look
        connection = await self._connection()
        begun = time_source.monotonic()
        try:
            tokens = await drivers.first_column(connection, _LOOK)
        except SQLAlchemyError:
            await self._drop()
            raise
        self._last = begun, tokens
        return tokens

    async def _connection(self) -> AsyncConnection:
        """Return the open connection, or a new one when there is none or the server closed it."""
        if self._open_connection is not None and not drivers.is_line_open(self._open_connection):
            await self._drop()
        if self._open_connection is None:
            self._open_connection = await self._engine.connect()
            (await self._open_connection.get_raw_connection()).detach()  # it leaves the pool
        return self._open_connection

    async def _drop(self) -> None:
        connection, self._open_connection = self._open_connection, None
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                await connection.close()

    async def close(self) -> None:
        looks = [look for look in (self._running, self._next) if look is not None]
        if looks:
            await asyncio.wait(looks)
        await self._drop()


def _read_error(look: asyncio.Task[Tokens]) -> None:
    """Retrieve the look's error, so that asyncio does not report it when all callers were cancelled."""
    if not look.cancelled():
        look.exception()
