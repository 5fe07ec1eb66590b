"""Wakes those who wait for work: in this process at once, in the other processes on the same server a moment later. In:
names that are rung after a commit. Out: the same names at every listener. A ring may get lost with a connection, so
whoever listens looks now and then by itself; SQLite has no line between processes, and looking is all there is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random

from gateway import log

_log = logging.getLogger(__name__)
CHANNEL = "gateway"
ANY = "*"  # rung when the line was down for a while: anything may have happened
# Rings of a moment share one message: a server lets one notifying transaction commit at a time.
GATHER_S = 0.05
FLUSH_S = 2.0

Heard = Callable[[Collection[str]], None]


class Wake:
    """Part of the store; get it as `store.wake`. The line is made when it is first needed, and again when it breaks."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._has_line = engine.dialect.name == "postgresql"
        self._listeners: list[Heard] = []
        self._untold: set[str] = set()
        self._stirred = asyncio.Event()
        self._line: asyncio.Task[None] | None = None
        self._closing = False

    def listen(self, heard: Heard) -> None:
        """`heard` is called with the names of each ring, from anywhere once `start` was called."""
        self._listeners.append(heard)

    def start(self) -> None:
        """From now on the rings of other processes are heard."""
        if self._has_line and not self._closing and (self._line is None or self._line.done()):
            self._line = asyncio.create_task(self._keep_line(), name="wake")
            self._line.add_done_callback(_say_why)

    def ring(self, *names: str) -> None:
        """Called after the commit that made the work."""
        self._hear(names)
        if self._has_line:
            self._untold.update(names)
            self._stirred.set()
            self.start()

    async def close(self) -> None:
        """What was rung is still told, if that takes no time."""
        if self._line is None:
            return
        self._closing = True
        self._stirred.set()
        await asyncio.wait([self._line], timeout=FLUSH_S)
        self._line.cancel()
        await asyncio.wait([self._line])

    def _hear(self, names: Collection[str]) -> None:
        for heard in self._listeners:
            heard(names)

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
            self._hear((ANY,))
            while not driver.is_closed():
                await self._stirred.wait()
                self._stirred.clear()
                await self._tell(driver)
                if self._closing:
                    return
        log.action(_log, "wake.lost", "other processes are not heard until there is a new line")
        raise ConnectionResetError

    async def _tell(self, driver: Any) -> None:
        if not self._untold:
            return
        # What is rung from here on is told once more: others may look before that work is there.
        names, self._untold = self._untold, set()
        try:
            await driver.execute("SELECT pg_notify($1, $2)", CHANNEL, " ".join(sorted(names)))
        except BaseException:
            self._untold |= names
            self._stirred.set()
            raise
        if not self._closing:
            await asyncio.sleep(GATHER_S)

    def _called(self, driver: Any, sender: int, channel: str, names: object) -> None:
        """`sender` is a backend of the server; our own rings come back too, and were heard already."""
        if sender != driver.get_server_pid():
            self._hear(str(names).split())


def _say_why(line: asyncio.Task[None]) -> None:
    """A line ends by itself only when it is closed; whatever ended another is named, and the next ring makes a new one."""
    if not line.cancelled() and (end := line.exception()) is not None:
        _log.error("the line to other processes broke", exc_info=end, extra={"action": "wake.broke"})
