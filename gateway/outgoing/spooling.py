"""Writes bytes from a caller into a scratch file, once: written and hashed by the megabyte as they come, and never read
again to be known; less than a megabyte stays in memory. In: chunks of any size. Out: the file, its size and its digest. The
caller says how much is too much; bytes behind that are not read."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING

from gateway.domain.identity import Digest
from gateway.ports.services import Pool

if TYPE_CHECKING:
    from gateway.store.blobs import FileScratch

# Written and hashed in one hop to the pool: large enough to make hops rare, small enough to stay cheap to hold.
PIECE = 1024 * 1024


class Spool:
    """One file on its way. The last bytes wait for `end`, so that a small file takes no hop of its own."""

    def __init__(self, scratch: FileScratch, pool: Pool) -> None:
        self.scratch = scratch
        self.size = 0
        self._pool = pool
        self._hash = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._waiting_size = 0

    async def fill(self, chunks: AsyncIterator[bytes], check_size: Callable[[int], None]) -> None:
        """Take all chunks. `check_size` gets the file's size with each next chunk, and raises where that is too large."""
        async for chunk in chunks:
            self.size += len(chunk)
            check_size(self.size)
            self._waiting.append(chunk)
            self._waiting_size += len(chunk)
            if self._waiting_size >= PIECE:
                pieces, self._waiting, self._waiting_size = self._waiting, [], 0
                await self._pool.run(partial(self._write, pieces))

    @property
    def unwritten(self) -> bytes:
        """The bytes that wait for `end`."""
        return b"".join(self._waiting)

    def end(self) -> Digest:
        """Write the remaining bytes; all of it can be read again on return. Sync: call it in the pool."""
        pieces, self._waiting = self._waiting, []
        self._hash_and_write(pieces)
        self.scratch.file.flush()
        return self.digest()

    def digest(self, behind: bytes = b"") -> Digest:
        """Return the digest of the written bytes, with these bytes behind them."""
        hash_copy = self._hash.copy()
        hash_copy.update(behind)
        return Digest.of_bytes(hash_copy.digest())

    def _write(self, pieces: list[bytes]) -> None:
        """Write to the file from now on: bytes that more will follow would be held in memory first, and copied."""
        _ = self.scratch.path
        self._hash_and_write(pieces)

    def _hash_and_write(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._hash.update(piece)
            self.scratch.file.write(piece)
