"""Rings, which wake loops that wait for work, in this process and in others on the same database. In: names that are rung
after a commit. Out: these names at every listener: in this process at once, in others a moment later.

A ring may get lost with a connection or a process, so listeners also poll now and then. A server carries rings by its own
notifications, which are sent only while another process listens: each listening process holds a shared lock, by which the
others find it, and notifies them when it starts. Beside an SQLite file each listening process has a named pipe."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from tenacity import AsyncRetrying, retry_if_exception_type

from gateway import log, random_source
from gateway.errors import StoreFailure

_log = logging.getLogger(__name__)
CHANNEL = "gateway"
ANY = "*"  # rung when the connection was down for a while, and rings of any name may have been lost
# Rings within this time share one message, because a server commits one notifying transaction at a time.
GATHER_S = 0.05
FLUSH_S = 2.0
# Lock of the listening processes (two numbers of 32 bits; `Transaction.hold` uses one of 64), and how often to look for it.
_LISTENS = (0x62656C6C, 1)
_LOOK_EVERY_S = 60.0
_LISTEN = "SELECT pg_advisory_lock_shared($1, $2), pg_notify($3, '')"
_ANY_OTHER = """SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2
    AND objsubid = 2 AND pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""

Listener = Callable[[Collection[str]], None]
# Most bytes that a pipe holds.
_PIPE = 65536


class Wake:
    """Rings within this process; subclasses pass them on to others. Get it as `store.wake`."""

    def __init__(self, needless: Collection[str] = ()) -> None:
        """Take the names that are not rung (`needless`), because the work of their loops is done in another way."""
        self._needless = frozenset(needless)
        self._listeners: list[Listener] = []
        self._unsent: set[str] = set()
        self._rung: set[str] = set()

    def listen(self, listener: Listener) -> None:
        """Add a function that is called with the names of each ring, after `start` also of other processes' rings."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Receive the rings of other processes from now on."""

    def ring(self, *names: str) -> None:
        """Wake the listeners of these names; call it after the commit that made the work."""
        if needed := [name for name in names if name not in self._needless]:
            self._rung.update(needed)
            self._notify(needed)
            self._pass_on(needed)

    def has_made(self, name: str) -> bool:
        """Tell whether this process itself rang that name since the last call, so that there probably is work."""
        try:
            self._rung.remove(name)
        except KeyError:
            return False
        return True

    def _notify(self, names: Collection[str]) -> None:
        for listener in self._listeners:
            listener(names)

    def _pass_on(self, names: Collection[str]) -> None:
        """Send the names to the other processes."""

    async def close(self) -> None:
        """Send the last rings, if that takes no long time, and stop."""


class ServerWake(Wake):
    """Rings through a server, by a connection (the line) that is opened at first need, and again when it breaks."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__()
        self._engine = engine
        self._stirred = asyncio.Event()
        self._line: asyncio.Task[None] | None = None
        self._closing = False
        # Whether another process listens; when to look for one again; the number of rings received from others.
        self._others, self._look_at, self._calls = True, 0.0, 0

    def start(self) -> None:
        if not self._closing and (self._line is None or self._line.done()):
            self._line = asyncio.create_task(self._keep_line(), name="wake")
            self._line.add_done_callback(_log_break)

    def _pass_on(self, names: Collection[str]) -> None:
        self._unsent.update(names)
        self._stirred.set()
        self.start()

    async def close(self) -> None:
        if self._line is None:
            return
        self._closing = True
        self._stirred.set()
        await asyncio.wait([self._line], timeout=FLUSH_S)
        self._line.cancel()
        await asyncio.wait([self._line])

    async def _keep_line(self) -> None:
        import asyncpg

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(
                (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
            ),
            wait=lambda _: random_source.uniform(0.1, 2.0),
        )
        await retrying(self._over_one_line)

    async def _over_one_line(self) -> None:
        """Open one line, and send and receive rings over it until it closes. Unsent rings wait for the next line."""
        async with self._engine.connect() as connection:
            line = await connection.get_raw_connection()
            driver: Any = line.driver_connection
            line.detach()  # it leaves the pool
            driver.add_termination_listener(lambda _: self._stirred.set())
            await driver.add_listener(CHANNEL, self._receive)
            await driver.fetchval(_LISTEN, *_LISTENS, CHANNEL)
            self._look_at = 0.0
            self._notify((ANY,))
            while not driver.is_closed():
                await self._stirred.wait()
                self._stirred.clear()
                await self._send(driver)
                if self._closing:
                    return
        say = "the database line is cut: other processes are not heard until there is a new one"
        log.warn(_log, "wake.lost", say, code=StoreFailure.code)
        raise ConnectionResetError

    async def _send(self, driver: Any) -> None:
        if not self._unsent:
            return
        # A name that is rung from here on is sent once more, because its work may be committed after the others have
        # looked.
        names, self._unsent = self._unsent, set()
        try:
            if await self._is_heard(driver):
                await driver.execute("SELECT pg_notify($1, $2)", CHANNEL, " ".join(sorted(names)))
        except BaseException:
            self._unsent |= names
            self._stirred.set()
            raise
        if not self._closing:
            await asyncio.sleep(GATHER_S)

    async def _is_heard(self, driver: Any) -> bool:
        """Tell whether another process listens; the answer is reused for a minute. A process that starts listening during
        the query sends a ring, which counts as well."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._look_at:
            calls = self._calls
            listens = await driver.fetchval(_ANY_OTHER, *_LISTENS)
            self._others, self._look_at = listens or calls != self._calls, loop.time() + _LOOK_EVERY_S
        return self._others

    def _receive(self, driver: Any, sender: int, channel: str, names: object) -> None:
        """Receive a notification. `sender` is the server's process of a connection; those of our own rings are ignored,
        because our listeners have been called already."""
        if sender != driver.get_server_pid():
            self._others, self._calls = True, self._calls + 1
            self._notify(str(names).split())


def _log_break(line: asyncio.Task[None]) -> None:
    """Log the error with which the line's task ended. The next ring opens a new line."""
    if not line.cancelled() and (end := line.exception()) is not None:
        _log.error("the line to other processes broke", exc_info=end, extra={"action": "wake.broke"})


class FileWake(Wake):
    """Rings through named pipes of the listening processes, in a folder beside the database file."""

    def __init__(self, database: Path, needless: Collection[str] = ()) -> None:
        super().__init__(needless)
        self._folder = database.with_name(f"{database.name}-bells")
        self._name = f"{os.getpid()}-{random_source.token_hex(4)}"
        self._pipe: int | None = None
        self._later: asyncio.TimerHandle | None = None
        self._sent_at = 0.0
        self._closed = False

    def start(self) -> None:
        if self._closed or self._pipe is not None:
            return
        try:
            self._pipe = _open_pipe(self._folder, self._name)
        except OSError as cause:
            self._closed = True  # other processes get no rings from here either; all of them poll
            log.action(_log, "wake.lost", f"other processes are not heard: {self._folder}: {cause.strerror}")
            return
        asyncio.get_running_loop().add_reader(self._pipe, self._receive, self._pipe)

    def _pass_on(self, names: Collection[str]) -> None:
        self._unsent.update(names)
        if self._later is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._later = loop.call_at(max(loop.time(), self._sent_at + GATHER_S), self._send, loop)

    async def close(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._send(asyncio.get_running_loop())
        self._closed = True
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)
            with suppress(FileNotFoundError):
                (self._folder / self._name).unlink()
            os.close(self._pipe)
            self._pipe = None

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        self._later, self._sent_at = None, loop.time()
        names, self._unsent = self._unsent, set()
        message = "".join(f"{name}\n" for name in sorted(names)).encode()
        try:
            pipe_names = [n for n in os.listdir(self._folder) if n[:1] != "." and n != self._name]
        except OSError:  # no process has ever listened here
            return
        for pipe_name in pipe_names:
            _write_pipe(self._folder / pipe_name, message)

    def _receive(self, pipe: int) -> None:
        self._notify(os.read(pipe, _PIPE).decode(errors="replace").split())


def _open_pipe(folder: Path, name: str) -> int:
    """Create and open a pipe for reading. It is open for writing too, so that it never ends. It gets its final name once it
    is open, because a ring removes a pipe that no process reads."""
    folder.mkdir(mode=0o700, exist_ok=True)
    fresh = folder / f".{name}"
    os.mkfifo(fresh, 0o600)
    pipe = os.open(fresh, os.O_RDWR | os.O_NONBLOCK)
    fresh.rename(folder / name)
    return pipe


def _write_pipe(pipe: Path, message: bytes) -> None:
    """Write to a process's pipe without waiting; when it is full, the message is dropped, as that process has enough rings.
    Delete the pipe when no process reads it."""
    try:
        handle = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as cause:
        if cause.errno == errno.ENXIO:  # its process was killed
            with suppress(OSError):
                pipe.unlink()
        return
    try:
        os.write(handle, message)
    except OSError:
        pass
    finally:
        os.close(handle)
