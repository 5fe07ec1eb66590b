"""Writes bytes from a caller into a scratch file, hashing them as they arrive, a megabyte at a time, so that the file
need not be read again for its digest; a file of less than a megabyte stays in memory. In: chunks of any size. Out: the
file, its size and its digest. The caller sets the size limit; bytes beyond it are not read."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING

from gateway.domain.identity import Digest
from gateway.domain.signatures import SignatureTrace
from gateway.ports.services import Pool

if TYPE_CHECKING:
    from gateway.store.blobs import FileScratch

# Bytes that are written and hashed in one hop to the thread pool: enough to make hops rare, and little enough to hold
# in memory.
PIECE = 1024 * 1024


class Spool:
    """One file that is being received. Its last bytes wait for `end`, so that a small file is written in the hop to the
    thread pool that also inspects it."""

    def __init__(self, scratch: FileScratch, pool: Pool, trace: SignatureTrace | None = None) -> None:
        """`trace` gets the bytes too, so that the file need not be read again for it."""
        self.scratch = scratch
        self.trace = trace
        self.size = 0
        self._pool = pool
        self._hash = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._waiting_size = 0

    async def fill(self, chunks: AsyncIterator[bytes], check_size: Callable[[int], None]) -> None:
        """Read all chunks into the file. `check_size` gets the file's size after each chunk, and raises if it is too
        large."""
        async for chunk in chunks:
            self.size += len(chunk)
            check_size(self.size)
            self._waiting.append(chunk)
            self._waiting_size += len(chunk)
            if self._waiting_size >= PIECE:
                pieces, self._waiting, self._waiting_size = self._waiting, [], 0
                await self._pool.run(partial(self._write, pieces))

    def end(self) -> Digest:
        """Write the remaining bytes and return the digest; afterwards the whole file can be read. Blocks."""
        pieces, self._waiting = self._waiting, []
        self._hash_and_write(pieces)
        self.scratch.file.flush()
        return self.digest()

    def digest(self, behind: bytes = b"") -> Digest:
        """Return the digest of the written bytes followed by the bytes `behind`."""
        hash_copy = self._hash.copy()
        hash_copy.update(behind)
        return Digest.of_bytes(hash_copy.digest())

    def _write(self, pieces: list[bytes]) -> None:
        """Write the pieces to a file on disk. Asking for the path puts the scratch file on disk at once: otherwise it
        would be held in memory first, and copied later."""
        _ = self.scratch.path
        self._hash_and_write(pieces)

    def _hash_and_write(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._hash.update(piece)
            if self.trace is not None:
                self.trace.feed(piece)
            self.scratch.file.write(piece)
