"""The bell for those who wait for work, in this process and in the others on the same database. In: names that are rung
after a commit. Out: the same names at every listener: here at once, elsewhere a moment later.

A ring may get lost with a connection or a process, so whoever listens looks now and then by itself. A server carries
rings itself, and is asked to where another process listens: whoever does holds a lock that all of them share, and says so
when it begins. Beside an SQLite file each process that listens has a named pipe, which is gone with its process."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random

from gateway import log
from gateway.errors import StoreFailure

_log = logging.getLogger(__name__)
CHANNEL = "gateway"
ANY = "*"  # rung when the line was down for a while: anything may have happened
# Rings of a moment share one message: a server lets one notifying transaction commit at a time.
GATHER_S = 0.05
FLUSH_S = 2.0
# Who listens holds this lock (two numbers of 32 bits; names that units hold have one of 64), and is looked for so often.
_LISTENS = (0x62656C6C, 1)
_LOOK_EVERY_S = 60.0
_LISTEN = "SELECT pg_advisory_lock_shared($1, $2), pg_notify($3, '')"
_ANY_OTHER = """SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2
    AND objsubid = 2 AND pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""

Heard = Callable[[Collection[str]], None]


class Wake:
    """Part of the store; get it as `store.wake`. This one rings in its own process alone."""

    def __init__(self, needless: Collection[str] = ()) -> None:
        """`needless`: names that are rung for nobody, because what their loops would do is done already."""
        self._needless = frozenset(needless)
        self._listeners: list[Heard] = []
        self._untold: set[str] = set()
        self._made: set[str] = set()

    def listen(self, heard: Heard) -> None:
        """`heard` is called with the names of each ring, from anywhere once `start` was called."""
        self._listeners.append(heard)

    def start(self) -> None:
        """From now on the rings of other processes are heard."""

    def ring(self, *names: str) -> None:
        """Called after the commit that made the work."""
        if meant := [name for name in names if name not in self._needless]:
            self._made.update(meant)
            self._hear(meant)
            self._pass_on(meant)

    def has_made(self, name: str) -> bool:
        """Whether this process itself rang that name since it was last asked: then the work is probably there."""
        try:
            self._made.remove(name)
        except KeyError:
            return False
        return True

    def _hear(self, names: Collection[str]) -> None:
        for heard in self._listeners:
            heard(names)

    def _pass_on(self, names: Collection[str]) -> None:
        """To the other processes."""

    async def close(self) -> None:
        """What was rung is still told, if that takes no time."""


class ServerWake(Wake):
    """The line is made when it is first needed, and again when it breaks."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__()
        self._engine = engine
        self._stirred = asyncio.Event()
        self._line: asyncio.Task[None] | None = None
        self._closing = False
        # Whether another process listens, as of when it was looked for, and how often one has been heard.
        self._others, self._look_at, self._calls = True, 0.0, 0

    def start(self) -> None:
        if not self._closing and (self._line is None or self._line.done()):
            self._line = asyncio.create_task(self._keep_line(), name="wake")
            self._line.add_done_callback(_say_why)

    def _pass_on(self, names: Collection[str]) -> None:
        self._untold.update(names)
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

        again = AsyncRetrying(
            retry=retry_if_exception_type(
                (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
            ),
            wait=wait_random(0.1, 2.0),
        )
        await again(self._over_one_line)

    async def _over_one_line(self) -> None:
        """Returns when this is closing; what is rung while there is no line is told over the next."""
        async with self._engine.connect() as connection:
            line = await connection.get_raw_connection()
            driver: Any = line.driver_connection
            line.detach()  # it is ours to the end and none of the pool's
            driver.add_termination_listener(lambda _: self._stirred.set())
            await driver.add_listener(CHANNEL, self._called)
            await driver.fetchval(_LISTEN, *_LISTENS, CHANNEL)
            self._look_at = 0.0
            self._hear((ANY,))
            while not driver.is_closed():
                await self._stirred.wait()
                self._stirred.clear()
                await self._tell(driver)
                if self._closing:
                    return
        say = "the database line is cut: other processes are not heard until there is a new one"
        log.warn(_log, "wake.lost", say, code=StoreFailure.code)
        raise ConnectionResetError

    async def _tell(self, driver: Any) -> None:
        if not self._untold:
            return
        # What is rung from here on is told once more: others may look before that work is there.
        names, self._untold = self._untold, set()
        try:
            if await self._is_heard(driver):
                await driver.execute("SELECT pg_notify($1, $2)", CHANNEL, " ".join(sorted(names)))
        except BaseException:
            self._untold |= names
            self._stirred.set()
            raise
        if not self._closing:
            await asyncio.sleep(GATHER_S)

    async def _is_heard(self, driver: Any) -> bool:
        """Whether another process listens. One that begins to do so while it is looked for is heard itself."""
        turning = asyncio.get_running_loop()
        if turning.time() >= self._look_at:
            calls = self._calls
            found = await driver.fetchval(_ANY_OTHER, *_LISTENS)
            self._others, self._look_at = found or calls != self._calls, turning.time() + _LOOK_EVERY_S
        return self._others

    def _called(self, driver: Any, sender: int, channel: str, names: object) -> None:
        """`sender` is a backend of the server; our own rings come back too, and were heard already."""
        if sender != driver.get_server_pid():
            self._others, self._calls = True, self._calls + 1
            self._hear(str(names).split())


def _say_why(line: asyncio.Task[None]) -> None:
    """A line ends by itself only when it is closed; whatever ended another is named, and the next ring makes a new one."""
    if not line.cancelled() and (end := line.exception()) is not None:
        _log.error("the line to other processes broke", exc_info=end, extra={"action": "wake.broke"})


class FileWake(Wake):
    """Named pipes in a folder beside the database file."""

    def __init__(self, database: Path, needless: Collection[str] = ()) -> None:
        super().__init__(needless)
        self._folder = database.with_name(f"{database.name}-bells")
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._pipe: int | None = None
        self._later: asyncio.TimerHandle | None = None
        self._told_at = 0.0
        self._closed = False

    def start(self) -> None:
        if self._closed or self._pipe is not None:
            return
        try:
            self._pipe = _opened(self._folder, self._name)
        except OSError as cause:
            self._closed = True  # others are not told either: they look by themselves, as this one does
            log.action(_log, "wake.lost", f"other processes are not heard: {self._folder}: {cause.strerror}")
            return
        asyncio.get_running_loop().add_reader(self._pipe, self._called, self._pipe)

    def _pass_on(self, names: Collection[str]) -> None:
        self._untold.update(names)
        if self._later is None and not self._closed:
            turning = asyncio.get_running_loop()
            self._later = turning.call_at(max(turning.time(), self._told_at + GATHER_S), self._tell, turning)

    async def close(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._tell(asyncio.get_running_loop())
        self._closed = True
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)
            with suppress(FileNotFoundError):
                (self._folder / self._name).unlink()
            os.close(self._pipe)
            self._pipe = None

    def _tell(self, turning: asyncio.AbstractEventLoop) -> None:
        self._later, self._told_at = None, turning.time()
        names, self._untold = self._untold, set()
        message = "".join(f"{name}\n" for name in sorted(names)).encode()
        try:
            others = [each for each in os.listdir(self._folder) if each[:1] != "." and each != self._name]
        except OSError:  # nobody has ever listened here
            return
        for each in others:
            _write(self._folder / each, message)

    def _called(self, pipe: int) -> None:
        self._hear(os.read(pipe, _PIPE).decode(errors="replace").split())


# What a pipe holds at most.
_PIPE = 65536


def _opened(folder: Path, name: str) -> int:
    """A pipe that never ends, as this process could write to it too. It has its name once it is open: what nobody reads is
    taken away by whoever rings."""
    folder.mkdir(mode=0o700, exist_ok=True)
    fresh = folder / f".{name}"
    os.mkfifo(fresh, 0o600)
    pipe = os.open(fresh, os.O_RDWR | os.O_NONBLOCK)
    fresh.rename(folder / name)
    return pipe


def _write(pipe: Path, message: bytes) -> None:
    """Waits for nobody: who has not read what filled its pipe looks anyway."""
    try:
        told = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as cause:
        if cause.errno == errno.ENXIO:  # its process was killed
            with suppress(OSError):
                pipe.unlink()
        return
    try:
        os.write(told, message)
    except OSError:
        pass
    finally:
        os.close(told)
