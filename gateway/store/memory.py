"""Answers that every document needs and that hold for days (codes, certificates, ended keys, hosted agencies, API keys),
kept in memory until they change. In: an engine for small reads; queries, each with its key. Out: what a transaction that
begins during the call would read, or in the turn of the event loop in which it began, and nothing older.

Triggers give a subject another token in the transaction that changes it, whichever process or person writes. An answer
comes from memory only when a look during the call found the very tokens that the answer was read under. A token never comes
back, so that an undone state is never taken for a later one.

A step that asks a server several things may share one look (`moment`): its answers are then of a moment within the step."""

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

from gateway.store import drivers
from gateway.store.transaction import failure

# A node writes with some hundred agencies in a week, and an answer is a few KB at most.
MOST = 4096
# Characters of one key. Codes and names are shorter; longer texts are not kept.
LONGEST = 1000
_LOOK = "SELECT token FROM memory_version ORDER BY subject"

T = TypeVar("T")
Key = tuple[str | date | None, ...]
Tokens = tuple[str, ...]


# A step that goes on for longer looks again.
MOMENT_S = 0.1
# When the step began, by the clock of the event loop.
_MOMENT: ContextVar[float | None] = ContextVar("memory moment", default=None)


class Memory:
    """Answers in memory, one object for each process and database; get it as `store.memory`."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take `engine`, whose transactions each see one moment."""
        self._engine = engine
        self._line: _SqliteLook | _ServerLook = (
            _SqliteLook(engine) if drivers.is_sqlite(engine) else _ServerLook(engine)
        )
        self._as_of: Tokens | None = None
        self._answers: OrderedDict[Key, Any] = OrderedDict()

    async def ask(self, key: Key, read: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Return the answer of that key. A day or an agency that it depends on is part of the key, and callers never
        change an answer: others get the same one."""
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
        """Return the answers of several keys, of one moment; `read` gets those that are not in memory."""
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
        """Accept, within it and in tasks begun within it, any look at a server that was begun within it and is less
        than a tenth of a second old: for a step that changes nothing that is kept here."""
        token = _MOMENT.set(asyncio.get_running_loop().time())
        try:
            yield
        finally:
            _MOMENT.reset(token)

    async def tokens(self) -> Tokens:
        """Return the tokens, which differ once something changed that is kept here."""
        try:
            return await self._line.tokens()
        except SQLAlchemyError as cause:
            raise failure(cause) from cause

    async def version(self) -> object:
        """Return the version of the SQLite file, another one after each commit. None on a server, which has none."""
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
    """Look at SQLite, by a connection that stays open, in no transaction. The driver looks in the calling thread, and the
    look holds for this turn of the event loop: this process commits nothing within one. Tokens are read again after a
    commit."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._pooled: PoolProxiedConnection | None = None
        self._driver: sqlite3.Connection | None = None  # below that
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
                # A commit after the version was read has another one, and is read with the next look.
                self._read = version, tuple(token for (token,) in driver.execute(_LOOK).fetchall())
            return self._read[1]
        except sqlite3.Error as cause:
            raise OperationalError(_LOOK, None, cause) from cause

    async def _opened(self) -> sqlite3.Connection:
        connection = await self._engine.raw_connection()
        if self._driver is not None:  # another caller was quicker
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
    """Look at a server, one at a time. Callers that come while one is under way share the next, which begins after they
    asked. A connection of its own stays open, in no transaction; the driver itself is asked."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._open_connection: AsyncConnection | None = None
        self._running: asyncio.Task[Tokens] | None = None
        self._next: asyncio.Task[Tokens] | None = None
        self._last: tuple[float, Tokens] | None = None  # the time: when that look began

    @property
    def current_tokens(self) -> Tokens | None:
        """Tokens of the last look where this step may go by it, else None."""
        begun = _MOMENT.get()
        if begun is None or self._last is None:
            return None
        at, tokens = self._last
        return tokens if begun <= at and asyncio.get_running_loop().time() < at + MOMENT_S else None

    async def tokens(self) -> Tokens:
        if (tokens := self.current_tokens) is not None:
            return tokens
        if self._next is None:
            self._next = asyncio.create_task(self._look(self._running), name="memory")
            self._next.add_done_callback(_read_error)
        # Shielded: a cancelled caller must not cancel the look of the others.
        return await asyncio.shield(self._next)

    async def version(self) -> object:
        return None

    async def _look(self, earlier: asyncio.Task[Tokens] | None) -> Tokens:
        if earlier is not None:
            await asyncio.wait([earlier])
        self._running, self._next = self._next, None  # too late to share it from here on
        connection = await self._connection()
        begun = asyncio.get_running_loop().time()
        try:
            tokens = await drivers.first_column(connection, _LOOK)
        except SQLAlchemyError:
            await self._drop()
            raise
        self._last = begun, tokens
        return tokens

    async def _connection(self) -> AsyncConnection:
        """Return the connection, a new one where the server closed the last."""
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
    """Read the look's error, also where no caller is left to read it."""
    if not look.cancelled():
        look.exception()
