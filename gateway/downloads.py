"""Gives the bytes of a file to whoever asks over HTTP, piece by piece, for the API and the pages alike. In: headers, and
the bytes as they come. Out: the whole file, or a broken connection; never a part that looks whole, nor a name that breaks
out of its header."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from functools import partial
from typing import BinaryIO
from urllib.parse import quote

from aiohttp import web

from gateway import ranges
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
    told = headers(first)
    etag = told.get("ETag")
    if etag is not None and _is_known(request, etag):
        await _close(pieces)
        return web.Response(status=304, headers={"ETag": etag})
    part = ranges.asked(request.headers, etag, size)
    if part is ranges.UNFIT:
        await _close(pieces)
        raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    response = web.StreamResponse(headers=told)
    if size is not None:
        response.content_length = size
    if etag is not None and size is not None:
        response.headers["Accept-Ranges"] = "bytes"
    if isinstance(part, ranges.Part):
        response.set_status(206)
        response.content_length = len(part)
        response.headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
        pieces, first = ranges.cut(_joined(first, pieces), part), b""
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


def _is_known(request: web.Request, etag: str) -> bool:
    """Whether the caller has this very file (RFC 9110, 13.1.2): weak or strong, the digest is the same."""
    given = request.headers.get("If-None-Match", "")
    return given.strip() == "*" or etag in [each.strip().removeprefix("W/") for each in given.split(",")]


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


async def _close(pieces: AsyncIterator[bytes]) -> None:
    """What is not given out is let go of at once, and not when somebody tidies up."""
    if isinstance(pieces, AsyncGenerator):
        await pieces.aclose()


async def read(pool: Pool, file: BinaryIO) -> AsyncIterator[bytes]:
    """The rest of an open file, read in the pool."""
    while piece := await pool.run(partial(file.read, _PIECE)):
        yield piece


def disposition(name: str, how: str = "attachment") -> str:
    """A plain name for old clients and the true one in UTF-8 (RFC 6266, RFC 8187); neither breaks out of its header."""
    plain = "".join(letter if letter in _SAFE else "_" for letter in name).strip() or "file"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
