"""News of lists, told to pages that are open. In: since when somebody looks. Out: a stream of server-sent events with how
many documents came meanwhile; it never moves a row. Bounded in number and time, and over at once when the node stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

# An open stream holds a connection: others poll.
MOST = 64
LOOK_S = 15.0
# A busy node rings often; a page needs to hear it now and then.
BETWEEN_S = 3.0
LONGEST_S = 240.0


class Live:
    """Who listens at this process."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._open = 0
        self._stopping = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[bool]:
        """Whether there is one more place, held while the body runs."""
        free = self._open < self._most and not self.is_stopping
        self._open += free
        try:
            yield free
        finally:
            self._open -= free

    async def pause(self, seconds: float) -> None:
        """Ends early when the node stops."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def rung(self, wait: Callable[[float], Awaitable[None]], seconds: float) -> None:
        """Until something may have happened; ends early when the node stops."""
        waits = {asyncio.ensure_future(wait(seconds)), asyncio.ensure_future(self._stopping.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def stop(self) -> None:
        self._stopping.set()
