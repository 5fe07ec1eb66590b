"""News of lists, told to pages that are open. In: who looks. Out: a place to tell them from, for as long as they may have
it. Bounded in number, for each person and for all; whoever has none gets one of a person who has several. Over at once when
the node stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

# An open stream holds a connection: others poll.
MOST = 64
MOST_EACH = 4
LOOK_S = 15.0
# A busy node rings often; a page needs to hear it now and then.
BETWEEN_S = 3.0
# Whoever signed out, or was put out, hears nothing more after that long.
STILL_S = 3.0
LONGEST_S = 240.0


class Live:
    """Who listens at this process."""

    def __init__(self, most: int = MOST, each: int = MOST_EACH) -> None:
        self._most = most
        self._each = each
        # Of each person the open streams, oldest first; set when another takes the place.
        self._open: dict[str, list[asyncio.Event]] = {}
        self._stopping = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    @asynccontextmanager
    async def place(self, person_id: str) -> AsyncIterator[asyncio.Event | None]:
        """A place, held while the body runs or until its event is set; None where there is none."""
        if not self._is_free_for(person_id):
            yield None
            return
        given_up = asyncio.Event()
        mine = self._open.setdefault(person_id, [])
        mine.append(given_up)
        try:
            yield given_up
        finally:
            if given_up in mine:
                mine.remove(given_up)
            if not mine and self._open.get(person_id) is mine:
                del self._open[person_id]

    def _is_free_for(self, person_id: str) -> bool:
        """Whoever has too many, and may have left the page, gives the oldest back."""
        mine = self._open.get(person_id, [])
        if self.is_stopping:
            return False
        if len(mine) >= self._each:
            mine.pop(0).set()
        elif sum(map(len, self._open.values())) >= self._most:
            richest = max(self._open.values(), key=len)
            if len(richest) <= len(mine) + 1:
                return False
            richest.pop(0).set()
        return True

    async def pause(self, seconds: float) -> None:
        """Ends early when the node stops."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def rung(self, wait: Callable[[float], Awaitable[None]], seconds: float) -> None:
        """Until something may have happened; ends early when the node stops."""

        async def waiting() -> None:
            await wait(seconds)

        await self.first(waiting())

    async def first(self, *each: Coroutine[None, None, object]) -> None:
        """Until one of them ends, or the node stops; the others end with it. Raises what that one raised."""
        tasks = [asyncio.ensure_future(one) for one in (*each, self._stopping.wait())]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for one in ended:
                one.result()
        finally:
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        self._stopping.set()
