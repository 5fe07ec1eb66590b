"""A parcel on its way up, read piece by piece. In: the parcel, and what stands before and behind its bytes. Out: the body
of a call, made anew for each try."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from gateway.ports import Parcel, Pool

_PIECE = 256 * 1024


def streamed(
    parcel: Parcel, pool: Pool, head: bytes = b"", tail: bytes = b""
) -> Callable[[], AsyncIterator[bytes]]:
    async def body() -> AsyncIterator[bytes]:
        if head:
            yield head
        file = await pool.run(parcel.open)
        try:
            while piece := await pool.run(lambda: file.read(_PIECE)):
                yield piece
        finally:
            file.close()
        yield tail

    return body
