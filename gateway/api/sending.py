"""Hands a stored file to a caller piece by piece. In: a name, sizes, and the bytes as they come. Out: a streamed answer
that no browser will run or guess at: nosniff, a sandbox without rights, and a name that cannot break out of its header
(threats.md 77 to 79)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import BinaryIO

from aiohttp import web

from gateway import downloads
from gateway.api.call import Call
from gateway.api.media import media_type
from gateway.api.routes import Handler, Route
from gateway.domain.account import ApiScope
from gateway.ports import Pool

_TEXT = (
    "The ETag is the file's SHA-256: `If-None-Match` is answered 304, and `Range` with one range 206, so that what broke "
    "off goes on where it stopped."
)


def giving(
    path: str,
    name: str,
    tag: str,
    handler: Handler,
    summary: str,
    scopes: tuple[ApiScope, ...],
    media: str = "*/*",
) -> Route:
    """The row of what is answered by `download`."""
    return Route(
        method="GET",
        path=path,
        name=name,
        tag=tag,
        handler=handler,
        summary=summary,
        text=_TEXT,
        scopes=scopes,
        media=media,
        fails=(404, 409, 416),
        headers=("ETag", "X-Content-SHA256"),
    )


async def download(
    call: Call,
    *,
    name: str,
    content_type: str,
    size: int | None,
    sha256: str | None,
    pieces: AsyncIterator[bytes],
) -> web.StreamResponse:
    """The whole file; one that is gone is answered as a problem."""
    headers = _headers(name, content_type, sha256)
    return await downloads.give(call.request, pieces, lambda _: headers, size)


async def slices(pool: Pool, opener: Callable[[], BinaryIO]) -> AsyncIterator[bytes]:
    """The bytes of a blob, read in the pool."""
    file = await pool.run(opener)
    with closing(file):
        async for piece in downloads.read(pool, file):
            yield piece


def _headers(name: str, content_type: str, sha256: str | None) -> dict[str, str]:
    headers = {
        "Content-Type": media_type(content_type),
        "Content-Disposition": downloads.disposition(name),
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if sha256 is not None:
        headers["X-Content-SHA256"] = sha256
        headers["ETag"] = f'"{sha256}"'
    return headers
