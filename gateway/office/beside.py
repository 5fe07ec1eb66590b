"""Work of the pages that goes on when nobody waits for it: a list that is gathered, a page that is drawn, a check of the
log. It ends before what it works with is closed. In: a coroutine. Out: its task; what goes wrong in it is told to whoever
waits, if somebody still does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


class Beside:
    """Of one open node."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[object]] = set()

    def begin(
        self, work: Coroutine[None, None, T], unseen: Callable[[BaseException], None] | None = None
    ) -> asyncio.Task[T]:
        """`unseen` hears what went wrong, whether somebody waits or not."""

        def ended(task: asyncio.Task[T]) -> None:
            self._running.discard(task)
            if not task.cancelled() and (why := task.exception()) is not None and unseen is not None:
                unseen(why)

        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(ended)
        return task

    async def stop(self) -> None:
        """Returns when nothing of it runs any more."""
        while self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(self._running)


@asynccontextmanager
async def beside() -> AsyncIterator[Beside]:
    made = Beside()
    try:
        yield made
    finally:
        await made.stop()
