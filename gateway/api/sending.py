"""Hands a stored file to a caller piece by piece. In: a name, sizes, and the bytes as they come. Out: a streamed answer
that no browser will run or guess at: nosniff, a sandbox without rights, and a name that cannot break out of its header
(threats.md 77 to 79)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from functools import partial
from typing import BinaryIO
from urllib.parse import quote

from aiohttp import web

from gateway.api.call import Call
from gateway.api.media import media_type
from gateway.errors import GatewayError
from gateway.ports import Pool

_LOG = logging.getLogger(__name__)
PIECE = 256 * 1024
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ")


async def download(
    call: Call,
    *,
    name: str,
    content_type: str,
    size: int | None,
    sha256: str | None,
    pieces: AsyncIterator[bytes],
) -> web.StreamResponse:
    """The whole file. It is read before the first header is sent, as far as its first piece, so that a file that is
    gone is answered as a problem. One that breaks off later breaks the connection: a problem would lie inside the file."""
    first = await anext(pieces, b"")
    response = web.StreamResponse(headers=_headers(name, content_type, sha256))
    if size is not None:
        response.content_length = size
    await response.prepare(call.request)
    try:
        if call.request.method != "HEAD":
            await response.write(first)
            async for piece in pieces:
                await response.write(piece)
        await response.write_eof()
    except ConnectionResetError:
        _LOG.info("a caller left before a file was whole", extra={"action": "file.left"})
    except (GatewayError, OSError):
        _LOG.warning("a file broke off", exc_info=True, extra={"action": "file.broken"})
        if call.request.transport is not None:
            call.request.transport.abort()
    return response


async def slices(pool: Pool, opener: Callable[[], BinaryIO]) -> AsyncIterator[bytes]:
    """The bytes of a blob, read in the pool."""
    file = await pool.run(opener)
    with closing(file):
        while piece := await pool.run(partial(file.read, PIECE)):
            yield piece


def disposition(name: str) -> str:
    """Content-Disposition with a plain name for old clients and the true one in UTF-8 (RFC 6266, RFC 8187)."""
    plain = "".join(letter if letter in _SAFE else "_" for letter in name).strip() or "file"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


def _headers(name: str, content_type: str, sha256: str | None) -> dict[str, str]:
    headers = {
        "Content-Type": media_type(content_type),
        "Content-Disposition": disposition(name),
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if sha256 is not None:
        headers["X-Content-SHA256"] = sha256
        headers["ETag"] = f'"{sha256}"'
    return headers
