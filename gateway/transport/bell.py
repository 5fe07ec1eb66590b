"""Wakes the waiters of one embedded queue inside this process, so that a parcel between two nodes of one program
does not wait for the next poll. In: the queue's path, a ring. Out: every `Bell` on that path is set. Other
processes are not reached: their waiters poll."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from weakref import WeakSet

_GUARD = threading.Lock()
_BELLS: dict[Path, WeakSet[Bell]] = {}


class Bell:
    """One waiter's bell. A ring between two waits is kept for the next one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        with _GUARD:
            _BELLS.setdefault(path, WeakSet()).add(self)

    async def wait(self) -> None:
        """Returns once the bell has rung since the last call."""
        self._loop = asyncio.get_running_loop()
        await self._event.wait()
        self._event.clear()

    def close(self) -> None:
        with _GUARD:
            bells = _BELLS.get(self._path)
            if bells is not None:
                bells.discard(self)
                if not bells:
                    del _BELLS[self._path]

    def _ring(self, running: asyncio.AbstractEventLoop) -> None:
        if self._loop is None or self._loop is running:
            self._event.set()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)


def ring(path: Path) -> None:
    """Rings every bell on this path, in whatever event loop it is waited for."""
    running = asyncio.get_running_loop()
    with _GUARD:
        bells = list(_BELLS.get(path, ()))
    for bell in bells:
        bell._ring(running)
