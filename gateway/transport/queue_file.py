"""The embedded axis's SQLite file: opened on first use, its format brought up to date, read and written without a thread
between. In: statements of `queue_sql`. Out: rows, or Unreachable in words. Several processes have it open at once: the
write lock is waited for while the event loop goes on, and what waits for it here shares one commit (`commits`)."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from gateway import commits
from gateway.errors import Misconfigured, Unreachable
from gateway.ports import Pool
from gateway.transport import queue_sql as sql

BUSY_S = 10.0  # how long a writer waits for another process's transaction (design 6)


class QueueFile:
    """One file. What is quick is asked on the event loop's own thread; COMMIT and whatever grows with the queue is not."""

    def __init__(self, path: Path, pool: Pool, begin: Callable[[sqlite3.Connection], None]) -> None:
        """`begin` is called in a thread with the file as it was opened, once, before anything is read or written."""
        self.path = path
        self._pool, self._begin = pool, begin
        self._groups = commits.GroupWriter(self._locked)
        self._opening = asyncio.Lock()
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._closed = False

    @property
    def is_open(self) -> bool:
        return self._reader is not None

    async def close(self) -> None:
        """What was begun is committed first. A second call does nothing."""
        self._closed = True
        async with self._opening, self._groups.alone():
            with self.failures_named():
                await commits.apart(self._close)

    async def read(self, words: str, about: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
        """A question that an index answers with few rows."""
        with self.failures_named():
            return (await self._opened()).execute(words, about).fetchall()

    async def search(self, words: str, about: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
        """A question that may read all of the queue: asked by a thread that has the file open for itself."""
        with self.failures_named():
            await self._opened()
            return await self._pool.run(partial(_asked, self.path, words, about))

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[sqlite3.Connection]:
        """One unit with the write lock from its first moment; what returns without error is on disk."""
        with self.failures_named():
            await self._opened()
            unit = await self._groups.begin()
            try:
                yield unit.driver.connection
                await unit.settle()
            finally:
                await unit.leave()

    async def shorten(self) -> bool:
        """Empties SQLite's log, in which what was removed can still be read. False while somebody else reads it."""
        with self.failures_named():
            async with self._groups.alone():
                return self._writer is None or await commits.apart(partial(_shorten, self._writer))

    @contextlib.contextmanager
    def failures_named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as cause:
            raise Unreachable(
                f"the embedded axis {self.path} did not answer: {type(cause).__name__}: {cause};"
                " check that the folder exists, has free space and may be written",
            ) from cause

    async def _opened(self) -> sqlite3.Connection:
        """For reading."""
        self._check_open()
        if self._reader is None:
            async with self._opening:
                self._check_open()
                if self._reader is None:
                    await commits.apart(self._open)
        if self._reader is None:
            raise Unreachable(f"the embedded axis {self.path} did not open")
        return self._reader

    def _check_open(self) -> None:
        if self._closed:
            raise Unreachable(f"the embedded axis {self.path} was closed; restart the node to open it again")

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as undo:
            writer = undo.enter_context(contextlib.closing(_connect(self.path)))
            _set_up(writer, self.path)
            self._begin(writer)
            reader = undo.enter_context(contextlib.closing(_connect(self.path)))
            reader.execute("PRAGMA query_only = ON")
            undo.pop_all()
        self._writer, self._reader = writer, reader

    def _open_again(self) -> None:
        self._writer = _connect(self.path)

    def _close(self) -> None:
        writer, reader = self._writer, self._reader
        self._writer = self._reader = None
        for connection in (reader, writer):
            if connection is not None:
                connection.close()

    async def _locked(self) -> _Driver:
        self._check_open()
        if self._writer is None:
            await commits.apart(self._open_again)
        if self._writer is None:
            raise Unreachable(f"the embedded axis {self.path} did not open")
        await commits.take_lock(self._writer, BUSY_S)
        return _Driver(self._writer, self._forget_writer)

    def _forget_writer(self) -> None:
        self._writer = None


class _Driver:
    """Keeps the promise of `commits.Driver`."""

    def __init__(self, connection: sqlite3.Connection, gone: Callable[[], None]) -> None:
        self.connection = connection
        self._gone, self._is_gone = gone, False

    def mark(self, words: str) -> None:
        self.connection.execute(words)

    async def commit(self) -> None:
        # Not `commit()`, which says nothing where there is no transaction any more.
        await commits.apart(partial(self.connection.execute, "COMMIT"))

    async def drop(self) -> None:
        self._is_gone = True
        self._gone()
        await commits.apart(self.connection.close)

    async def close(self) -> None:
        if not self._is_gone and self.connection.in_transaction:
            self.connection.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        # FULL: in WAL, NORMAL may lose the last commits when the power fails, and those were answered "delivered" (G2).
        connection.execute("PRAGMA synchronous = FULL")
        # Zeros over what is deleted: a parcel that is gone must not stay in free pages.
        connection.execute("PRAGMA secure_delete = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    # Several processes may open a new file at once, and the change to WAL does not wait for the busy timeout.
    for attempt in Retrying(
        retry=retry_if_exception_type(sqlite3.OperationalError),
        stop=stop_after_attempt(8),
        wait=wait_random_exponential(multiplier=0.02, max=1.0),
        reraise=True,
    ):
        with attempt:
            connection.execute("PRAGMA journal_mode = WAL")
    version = _format_of(connection)
    if version > sql.SCHEMA_VERSION:
        raise Misconfigured(
            f"{path} has queue format {version}, this program knows up to {sql.SCHEMA_VERSION}: use the newer program"
        )
    if version == 0:
        connection.executescript(sql.SCHEMA)
    elif version < sql.SCHEMA_VERSION:
        _upgrade(connection)


def _upgrade(connection: sqlite3.Connection) -> None:
    """The format is asked again under the write lock: another process may have been quicker."""
    connection.execute("BEGIN IMMEDIATE")
    for version in range(_format_of(connection), sql.SCHEMA_VERSION):
        for step in sql.UPGRADES[version]:
            connection.execute(step)
    connection.execute("COMMIT")


def _format_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _asked(path: Path, words: str, about: Sequence[object] | Mapping[str, object]) -> list[Any]:
    with contextlib.closing(_connect(path)) as connection:
        return connection.execute(words, about).fetchall()


def _shorten(connection: sqlite3.Connection) -> bool:
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {round(BUSY_S * 1000)}")
    return not busy
