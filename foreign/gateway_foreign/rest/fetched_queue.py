"""Holds packets fetched from a foreign axis until the node has stored them: a durable queue in the node's folder, with
leases, lanes and a dead list. In: a fetched file and its recipients. Out: arrivals under a lease."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from gateway import random_source, time_source
from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.ports.axis import NO_ROOM_REASON, DeadCause, Fate, Parcel
from gateway.ports.services import Clock, Pool
from gateway.transport.embedded import EmbeddedAxis
from gateway_foreign.rest.line import NotSent

_ROWS_OF = "SELECT 1 FROM queue WHERE packet_id = ? LIMIT 1"
_ASIDE_OF = "SELECT 1 FROM queue WHERE dead_reason IN (?, ?) AND sender = ? LIMIT 1"
_ALL_IDS = "SELECT DISTINCT packet_id FROM queue"
_LEFT_S = 3600.0


class PartialDownload:
    """File that is being fetched; sync. `begin` creates it, or empties it for another try. Once discarded it is never
    created again, because a thread of a cancelled task may still try to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / f"{random_source.token_hex(8)}.fetched"
        self._turn, self._over = threading.Lock(), False
        self._file: BinaryIO | None = None
        self._hash, self.size = hashlib.sha256(), 0

    def begin(self) -> PartialDownload:
        """Create or empty the file."""
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
        """Flush the file and return the digest of its bytes."""
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
    """Lock held by one process of the machine; it ends with the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn, self._over = threading.Lock(), False
        self._file: int | None = None

    def try_lock(self) -> bool:
        """Take the lock and tell whether that succeeded; half-fetched files of killed processes are removed then."""
        with self._turn:
            if self._over:
                return False
            self._file = _locked(self._folder)
            return self._file is not None

    def release(self) -> None:
        """Release the lock, and keep a thread that is about to take it from doing so."""
        with self._turn:
            self._over = True
            if self._file is not None:
                os.close(self._file)
                self._file = None


class FetchedQueue(EmbeddedAxis):
    """The embedded queue, used by this node alone for fetched packets."""

    def __init__(
        self, folder: Path, node: str, clock: Clock, pool: Pool, poison_limit: int, lease_s: float
    ) -> None:
        super().__init__(folder, node, clock, pool, poison_limit=poison_limit, lease_s=lease_s)
        self.drafts = folder / "drafts"
        self._threads = pool

    async def add(
        self, doc_id: str, kind: str, sender: str, lane: Lane, draft: PartialDownload, to: Sequence[str]
    ) -> bool:
        """Queue a fetched file durably; False where none of its recipients is hosted any more."""
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
        """Tell whether a row of the packet still waits, is leased, or is dead."""
        return bool(await self._queue.search(_ROWS_OF, (doc_id,)))

    async def has_aside(self, sender: str) -> bool:
        """Tell whether a packet of this sender was set aside for want of room."""
        return bool(await self._queue.search(_ASIDE_OF, (DeadCause.NO_ROOM, NO_ROOM_REASON, sender)))

    async def ids(self) -> frozenset[str]:
        """Return the ids of all packets that wait, are leased, or are dead."""
        return frozenset(row[0] for row in await self._queue.search(_ALL_IDS))

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Yield whether this process may fetch now, as the only one of the machine."""
        lock = _Lock(self.drafts)
        try:
            yield await self._threads.run(lock.try_lock)
        finally:
            lock.release()


def _locked(folder: Path) -> int | None:
    """Take the lock and remove old half-fetched files; None where another process holds it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    for path in folder.glob("*.fetched"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time_source.unix_ns() / 1e9 - _LEFT_S:
                path.unlink()
    return file
