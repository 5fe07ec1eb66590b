"""Takes a feed in a folder again and again, each time in a copy, and is killed at another statement. Run as a program by
its test: prints one line per point, whether it was killed there. The parent runs no event loop, so each fork is clean."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import event

from gateway.pool import ThreadPool
from gateway.registry_authoring.feed import SqlFeed
from gateway.registry_authoring.feed_judge import FeedRoom
from gateway.store.engine import EngineRole, open_engine
from tests.support.clock import ManualClock


def room_in(folder: Path, clock: ManualClock | None = None) -> FeedRoom:
    """Open a node's folder with its database, its issuers and nothing else. The caller closes engines and pool."""
    url = f"sqlite:///{folder}/blank.db"
    return FeedRoom(
        writer=open_engine(url, EngineRole.WRITER),
        reader=open_engine(url, EngineRole.READER),
        clock=clock or ManualClock(),
        pool=ThreadPool(1),
        issuers=folder / "feed",
        scratch=folder,
    )


async def close(room: FeedRoom) -> None:
    await room.writer.dispose()
    await room.reader.dispose()
    room.pool.close()  # type: ignore[attr-defined]  # made above


async def _take(folder: Path, point: int) -> None:
    """Take the feed, and die before the writer's statement of that number, commits counted."""
    room, calls = room_in(folder), count(1)

    def strike(*_: Any) -> None:
        if next(calls) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(room.writer.sync_engine, "before_cursor_execute", strike)
    event.listen(room.writer.sync_engine, "commit", strike)
    await SqlFeed(room).accept(folder / "new.feed", "operator")
    await close(room)


def main(source: Path) -> None:
    for point in count(1):
        folder = source.with_name(f"{source.name}-{point}")
        shutil.copytree(source, folder)
        child = os.fork()
        if child == 0:
            asyncio.run(_take(folder, point))
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        print("killed" if killed else "through", flush=True)
        if not killed:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
