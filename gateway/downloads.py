"""Gives the bytes of a file to whoever asks over HTTP, piece by piece, for the API and the pages alike. In: headers, and
the bytes as they come. Out: the whole file, or a broken connection; never a part that looks whole, nor a name that breaks
out of its header."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import BinaryIO
from urllib.parse import quote

from aiohttp import web

from gateway.errors import GatewayError
from gateway.ports import Pool

_LOG = logging.getLogger(__name__)

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ")
_PIECE = 256 * 1024


async def give(
    request: web.Request,
    pieces: AsyncIterator[bytes],
    headers: Callable[[bytes], Mapping[str, str]],
    size: int | None = None,
) -> web.StreamResponse:
    """Read as far as its first piece before the first header is sent, so that a file that is gone is answered as any
    other failure; `headers` are made from that piece. What fails later breaks the connection: an error would lie inside
    the file."""
    first = await anext(pieces, b"")
    response = web.StreamResponse(headers=headers(first))
    if size is not None:
        response.content_length = size
    await response.prepare(request)
    try:
        if request.method != "HEAD":
            await response.write(first)
            async for piece in pieces:
                await response.write(piece)
        await response.write_eof()
    except ConnectionResetError:
        _LOG.info("a caller left before a file was whole", extra={"action": "file.left"})
    except (GatewayError, OSError):
        _LOG.warning("a file broke off", exc_info=True, extra={"action": "file.broken"})
        if request.transport is not None:
            request.transport.abort()
    return response


async def read(pool: Pool, file: BinaryIO) -> AsyncIterator[bytes]:
    """The rest of an open file, read in the pool."""
    while piece := await pool.run(partial(file.read, _PIECE)):
        yield piece


def disposition(name: str, how: str = "attachment") -> str:
    """A plain name for old clients and the true one in UTF-8 (RFC 6266, RFC 8187); neither breaks out of its header."""
    plain = "".join(letter if letter in _SAFE else "_" for letter in name).strip() or "file"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
