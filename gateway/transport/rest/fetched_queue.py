"""Packets fetched from a foreign axis and not yet the node's own: a durable queue in a folder of the node, with leases,
lanes and a dead list. In: a fetched file and its recipients. Out: arrivals under a lease."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.ports.axis import Fate, Parcel
from gateway.ports.services import Clock, Pool
from gateway.transport.embedded import EmbeddedAxis
from gateway.transport.rest.line import NotSent

_ROWS_OF = "SELECT 1 FROM queue WHERE packet_id = ? LIMIT 1"
_ALL_IDS = "SELECT DISTINCT packet_id FROM queue"
_LEFT_S = 3600.0


class PartialDownload:
    """A file that is being fetched; sync. It is made when it is first begun; `begin` again empties it, for another try. A
    discarded draft is never made again: a thread may be about to, for a task that was cancelled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / f"{secrets.token_hex(8)}.fetched"
        self._turn, self._over = threading.Lock(), False
        self._file: BinaryIO | None = None
        self._hash, self.size = hashlib.sha256(), 0

    def begin(self) -> PartialDownload:
        with self._turn:
            file = self._open_file()
            file.seek(0)
            file.truncate()
            self._hash, self.size = hashlib.sha256(), 0
        return self

    def _open_file(self) -> BinaryIO:
        if self._over:
            raise NotSent("nobody waits for this file any more")
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self.path.open("xb")
        return self._file

    def write(self, piece: bytes) -> None:
        with self._turn:
            self._open_file().write(piece)
        self._hash.update(piece)
        self.size += len(piece)

    def flushed(self) -> Digest:
        with self._turn:
            self._open_file().flush()
        return Digest.of_bytes(self._hash.digest())

    def open(self) -> BinaryIO:
        return self.path.open("rb")

    def discard(self) -> None:
        with self._turn:
            self._over = True
            if self._file is not None:
                self._file.close()
                self.path.unlink(missing_ok=True)


class _Lock:
    """A lock of one process per machine; a killed process holds nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn, self._over = threading.Lock(), False
        self._file: int | None = None

    def try_lock(self) -> bool:
        """Take the lock and tell whether it is ours; half-fetched files of killed processes are removed then."""
        with self._turn:
            if self._over:
                return False
            self._file = _locked(self._folder)
            return self._file is not None

    def release(self) -> None:
        """Release the lock; a thread about to take it takes it no more."""
        with self._turn:
            self._over = True
            if self._file is not None:
                os.close(self._file)
                self._file = None


class FetchedQueue(EmbeddedAxis):
    """The queue of one machine, of this node alone."""

    def __init__(
        self, folder: Path, node: str, clock: Clock, pool: Pool, poison_limit: int, lease_s: float
    ) -> None:
        super().__init__(folder, node, clock, pool, poison_limit=poison_limit, lease_s=lease_s)
        self.drafts = folder / "drafts"
        self._threads = pool

    async def add(
        self, doc_id: str, kind: str, sender: str, lane: Lane, draft: PartialDownload, to: Sequence[str]
    ) -> bool:
        """Put a file on the shelf, durably on return; False where none of its recipients is hosted any more."""
        parcel = Parcel(
            packet_id=doc_id,
            kind=kind,
            sender=sender,
            lane=lane,
            digest=await self._threads.run(draft.flushed),
            size=draft.size,
            open=draft.open,
        )
        outcomes = await self.publish(parcel, to)
        return any(outcome.fate is Fate.DELIVERED for outcome in outcomes.values())

    async def has(self, doc_id: str) -> bool:
        """Tell whether anything of it still waits, is leased, or is dead."""
        return bool(await self._queue.search(_ROWS_OF, (doc_id,)))

    async def ids(self) -> frozenset[str]:
        """Return the ids of all that waits, is leased, or is dead."""
        return frozenset(row[0] for row in await self._queue.search(_ALL_IDS))

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Tell whether this process alone may fetch now."""
        lock = _Lock(self.drafts)
        try:
            yield await self._threads.run(lock.try_lock)
        finally:
            lock.release()


def _locked(folder: Path) -> int | None:
    """Take the lock, and remove half-fetched files of killed processes."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    for path in folder.glob("*.fetched"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - _LEFT_S:
                path.unlink()
    return file
