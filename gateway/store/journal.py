"""SQLite's journal, in which what was deleted can still be read until it is cut off. In: the database file, and its one
writer in this process. Out: a journal without such bytes, as soon as nobody reads what was there before."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from functools import partial
from pathlib import Path

from gateway.commits import apart

# Pages and workers read for some milliseconds. Who reads for longer, as a backup does, is not waited for.
_PAUSES_S = (0.01, 0.03, 0.1, 0.3)


class Journal:
    """Cut by who deleted what may be in no file any more."""

    def __init__(self, path: Path, alone: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        """`alone`: while nobody of this process writes."""
        self._path = path
        self._alone = alone
        self._due = True  # who wrote in it before may have died before it was cut
        self._was_read = False

    def mark(self) -> None:
        """What was deleted and committed must not stay in it."""
        self._due = True

    async def cut_if_due(self) -> None:
        """What somebody's reading forbids now is done the next time."""
        if self._due:
            await (self._cut() if self._was_read else self.cut())

    async def cut(self) -> bool:
        """False where somebody went on reading what was there before."""
        for pause in _PAUSES_S:
            if await self._cut():
                return True
            await asyncio.sleep(pause)
        return await self._cut()

    async def _cut(self) -> bool:
        """Who writes waits for the last small step alone, and for no reader."""
        self._due = False
        await apart(partial(_checkpoint, self._path, "PASSIVE"))
        async with self._alone():
            done = await apart(partial(_checkpoint, self._path, "TRUNCATE"))
        self._due, self._was_read = self._due or not done, not done
        return done


def _checkpoint(path: Path, how: str) -> bool:
    """Whether it was done to its end. By a connection of its own, which waits for nobody; what goes into the file has zeros
    where something was deleted (`secure_delete`)."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        ((is_busy, _, _),) = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
    return not is_busy
