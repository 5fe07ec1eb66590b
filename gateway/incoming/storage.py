"""Whether the node's own storage takes anything now. In: how much is to be stored. Out: nothing, or StoreFailure. Asked
after a failure, so that a disk that is full is told from a packet that our own code cannot get through."""

from __future__ import annotations

import hashlib
import os

from gateway.domain.identity import Digest
from gateway.errors import StoreFailure
from gateway.incoming.desk import InDesk

# Larger than what is a row: what is looked for is whether a file is taken.
_PROBE = b"does the content store take a file?\n" * 2_000


async def probe(desk: InDesk, size: int = 0) -> None:
    """Room for so many bytes, then a file and its row, as for a packet; nobody owns the file, so it is swept."""
    with desk.blobs.scratch() as scratch:
        if size:
            await desk.pool.run(lambda: os.posix_fallocate(scratch.file.fileno(), 0, size))
    with desk.blobs.scratch() as scratch:

        def write() -> None:
            scratch.file.write(_PROBE)
            scratch.file.flush()

        await desk.pool.run(write)
        await desk.blobs.keep(scratch, Digest(hashlib.sha256(_PROBE).hexdigest()), len(_PROBE))


async def takes(desk: InDesk, size: int) -> bool:
    try:
        await probe(desk, size)
    except StoreFailure:
        return False
    return True
