"""Reads the bytes of small parcels, many in one go: what is asked for in the same moment, and while the thread reads, is
read together. So a batch that is published side by side is ready for one commit. In: parcels. Out: checked bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial

from gateway.ports import Parcel, Pool
from gateway.transport.parcel import content_of

MOST = 64  # of `parcel.SMALL` bytes at most: 4 MB at a time


class SmallReader:
    """Whoever asks waits for its own parcel; one that cannot be read fails alone."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._asked: deque[tuple[Parcel, asyncio.Future[bytes]]] = deque()
        self._reading: asyncio.Task[None] | None = None

    async def read(self, parcel: Parcel) -> bytes:
        """BrokerRefused when its bytes are not those that were announced; OSError as reading raised it."""
        content: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked.append((parcel, content))
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all(), name="small parcels")
        return await content

    async def _read_all(self) -> None:
        try:
            while self._asked:
                asked = [self._asked.popleft() for _ in range(min(MOST, len(self._asked)))]
                for (_, content), read in zip(asked, await self._contents(asked), strict=True):
                    if content.done():  # who asked was cut short meanwhile
                        continue
                    if isinstance(read, bytes):
                        content.set_result(read)
                    else:
                        content.set_exception(read)
        finally:
            self._reading = None

    async def _contents(self, asked: Sequence[tuple[Parcel, object]]) -> Sequence[bytes | Exception]:
        try:
            return await self._pool.run(partial(_contents_of, [parcel for parcel, _ in asked]))
        except Exception as cause:  # reason: as below, and for all of them
            return [cause] * len(asked)


def _contents_of(parcels: Sequence[Parcel]) -> list[bytes | Exception]:
    return [_content_or_why(parcel) for parcel in parcels]


def _content_or_why(parcel: Parcel) -> bytes | Exception:
    try:
        return content_of(parcel)
    except Exception as cause:  # reason: it is handed to whoever asked for this parcel, which raises it
        return cause
