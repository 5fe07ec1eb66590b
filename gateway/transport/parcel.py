"""Stores the bytes of parcels beside an axis's queue: large ones as files named by their digest, which many rows share;
small ones are read in batches. In: a parcel's reader. Out: a durable file, or verified bytes. File functions are sync:
call them in the pool. Which files are still needed is the queue owner's to decide, under the queue's write lock, so that
no process removes a file that another has just adopted."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import math
import os
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from gateway import random_source
from gateway.atomic_files import sync_folder
from gateway.domain.identity import Digest
from gateway.errors import BrokerRefused
from gateway.ports.axis import UNROUTABLE, Fate, Outcome, Parcel

PIECE = 256 * 1024  # bytes in memory at a time
SMALL = 64 * 1024  # payloads up to this size are rows of the queue's database, never files
STALE_S = 3600.0  # a file this old without a queue row was left by a crash, because no copy takes an hour
_UNFINISHED = ".part"
_FINISHED = re.compile(r"[0-9a-f]{64}")
MOST_AT_ONCE = 64  # of at most `SMALL` bytes each: 4 MB at a time
A = TypeVar("A")
B = TypeVar("B")


class PartialFile:
    """Unfinished file; giving it up removes it, even while a thread still writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_given_up = False

    def give_up(self) -> None:
        """Remove the file. A file already adopted under its digest is not affected."""
        self.is_given_up = True
        discard(self.path)


class PayloadFolder:
    """Folder of payload files; several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._name = folder, str(folder)

    def path(self, digest: str) -> Path:
        return self._folder / Digest(digest)

    def has(self, digest: Digest) -> bool:
        return os.access(f"{self._name}/{digest}", os.F_OK)

    def prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def draft(self) -> PartialFile:
        """Return a new draft, whose file does not exist yet."""
        return PartialFile(self._folder / f"{random_source.token_hex(8)}{_UNFINISHED}")

    def bring_in(self, parcel: Parcel, draft: PartialFile, *, may_link: bool) -> None:
        """Copy the parcel's bytes into the draft, synced to disk; BrokerRefused where size or digest differ. The kernel
        copies a file without showing it here: its writer has proved the digest, and its receiver proves it again. With
        `may_link` the draft becomes a second name of the parcel's own file instead, where it is private to this user."""
        try:
            with parcel.open() as source:
                if may_link and self._is_private() and _link(parcel, source, draft.path):
                    return
                with open(draft.path, "xb", opener=self._open_draft) as target:
                    if not _copy_unseen(parcel, source, target):
                        _copy(parcel, source, target)
                    os.fsync(target.fileno())
        finally:
            if draft.is_given_up:
                draft.give_up()

    def _open_draft(self, path: str, flags: int) -> int:
        return os.open(path, flags, 0o600 if self._is_private() else 0o666)

    def _is_private(self) -> bool:
        """Tell whether only this user may write the folder: no other user shares the queue then."""
        folder = self._folder.stat()
        return folder.st_uid == os.geteuid() and not folder.st_mode & 0o022

    def adopt(self, draft: PartialFile, digest: Digest) -> None:
        """Rename the draft durably to its digest, under the queue's write lock and before its rows are committed."""
        draft.path.replace(self.path(digest))
        sync_folder(self._folder)

    def remove(self, digest: str) -> None:
        """Remove a payload file. Call it under the queue's write lock, when no row needs the file."""
        discard(self.path(digest))

    def find_abandoned(self) -> tuple[list[Path], list[str]]:
        """List drafts, and digests of finished files, that are older than `STALE_S` by the file system's own clock; the
        queue must check whether a row still needs a finished one."""
        limit = self._file_system_time() - STALE_S
        old = [entry for entry in self._folder.iterdir() if _changed_at(entry) < limit]
        drafts = [entry for entry in old if entry.suffix == _UNFINISHED]
        return drafts, [entry.name for entry in old if _FINISHED.fullmatch(entry.name)]

    def _file_system_time(self) -> float:
        probe = self.draft().path
        probe.touch()
        try:
            return probe.stat().st_mtime
        finally:
            discard(probe)


def lies_in_memory(parcel: Parcel) -> bool:
    """Tell whether the parcel's bytes are already in memory, so that reading them waits for no disk."""
    return isinstance(parcel.open, partial) and parcel.open.func is io.BytesIO


def content_of(parcel: Parcel) -> bytes:
    """Return the bytes of a small parcel, verified against its size and digest."""
    target = io.BytesIO()
    with parcel.open() as source:
        _copy(parcel, source, target)
    return target.getvalue()


def discard(path: Path) -> None:
    """Remove the file if it is there. A file that another program holds open stays for the next clean-up."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        path.unlink()


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process removed it
        return math.inf


def _link(parcel: Parcel, source: BinaryIO, path: Path) -> bool:
    """Make the path a further name of the opened file, synced to disk and as young as a copy; False, with nothing there,
    where it lies in memory, on another disk, or open to other users."""
    try:
        stat = os.fstat(source.fileno())
        if stat.st_uid != os.geteuid() or stat.st_mode & 0o077 or stat.st_size != parcel.size:
            return False
        os.link(source.name, path)
        if os.path.samestat(stat, path.stat()):
            os.utime(path)
            os.fsync(source.fileno())
            return True
    except OSError:
        pass
    discard(path)
    return False


def _copy_unseen(parcel: Parcel, source: BinaryIO, target: BinaryIO) -> bool:
    """Let the kernel copy a whole file; False, with nothing written, where it is no file or this disk cannot."""
    try:
        handle, remaining = source.fileno(), parcel.size
    except OSError:  # it lies in memory
        return False
    with contextlib.suppress(OSError):
        if os.fstat(handle).st_size == remaining:
            while copied := os.copy_file_range(handle, target.fileno(), remaining):
                remaining -= copied
        if not remaining:
            return True
    source.seek(0)
    target.seek(0)
    target.truncate()
    return False


def _copy(parcel: Parcel, source: BinaryIO, target: BinaryIO) -> None:
    hasher, size = hashlib.sha256(), 0
    while piece := source.read(PIECE):
        target.write(piece)
        hasher.update(piece)
        size += len(piece)
    target.flush()
    if (hasher.hexdigest(), size) != (parcel.digest, parcel.size):
        raise BrokerRefused(
            f"packet {parcel.packet_id}: its bytes are not what was announced: expected {parcel.size} bytes"
            f" with SHA-256 {parcel.digest}, found {size} bytes with {hasher.hexdigest()}; check the content store"
        )


def too_large(size: int, limit: int) -> Outcome:
    detail = f"the packet has {size} bytes, this axis takes at most {limit}; send fewer or smaller files"
    return Outcome(fate=Fate.NEVER, code="too-large", detail=detail)


def unroutable(route: str) -> Outcome:
    return Outcome(fate=Fate.NEVER, code=UNROUTABLE, detail=f"{route} is not connected to the axis")


class Together(Generic[A, B]):
    """Batches concurrent calls: requests that come while a batch runs form the next batch. Each caller waits for its own
    answer; a failed answer fails its caller alone."""

    def __init__(self, do: Callable[[Sequence[A]], Awaitable[Sequence[B | Exception]]]) -> None:
        """`do` returns one answer per request, in order; an exception that it raises goes to every caller of the batch."""
        self._do = do
        self._asked: deque[tuple[A, asyncio.Future[B]]] = deque()
        self._doing: asyncio.Task[None] | None = None

    async def ask(self, request: A) -> B:
        answer: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._asked.append((request, answer))
        if self._doing is None:
            self._doing = asyncio.create_task(self._do_all(), name="together")
        return await answer

    async def _do_all(self) -> None:
        try:
            while self._asked:
                batch = [self._asked.popleft() for _ in range(min(MOST_AT_ONCE, len(self._asked)))]
                for (_, answer), reply in zip(batch, await self._answers(batch), strict=True):
                    if answer.done():  # its caller was cancelled meanwhile
                        continue
                    if isinstance(reply, Exception):
                        answer.set_exception(reply)
                    else:
                        answer.set_result(reply)
        finally:
            self._doing = None

    async def _answers(self, batch: Sequence[tuple[A, object]]) -> Sequence[B | Exception]:
        try:
            return await self._do([request for request, _ in batch])
        except Exception as cause:  # reason: every caller of the batch raises it
            return [cause] * len(batch)


def contents_of(parcels: Sequence[Parcel]) -> list[bytes | Exception]:
    """Return the bytes of small parcels; an unreadable parcel has its exception in place of the bytes."""
    return [_content_or_why(parcel) for parcel in parcels]


def _content_or_why(parcel: Parcel) -> bytes | Exception:
    try:
        return content_of(parcel)
    except Exception as cause:  # reason: it is raised to the caller that asked for this parcel
        return cause
