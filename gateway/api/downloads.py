"""Send the bytes of a file over HTTP in pieces, for the API and the pages alike. In: headers, and the bytes as they come.
Out: the whole file, the requested part (RFC 9110, 14), so that a broken download can continue, or a broken connection;
never a part that looks whole, nor a name that breaks out of its header."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import BinaryIO, Final
from urllib.parse import quote

from aiohttp import web

from gateway.errors import GatewayError
from gateway.ports.services import Pool

_LOG = logging.getLogger(__name__)

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ")
_PIECE = 256 * 1024
# Numbers of any length: an end far behind the file is its end.
_RANGE = re.compile(r"bytes=([0-9]{0,1000})-([0-9]{0,1000})", re.ASCII)


async def send_file(
    request: web.Request,
    pieces: AsyncIterator[bytes],
    headers: Callable[[bytes], Mapping[str, str]],
    size: int | None = None,
) -> web.StreamResponse:
    """Send a file. The first piece is read before the first header is sent, so that a missing file is an ordinary failure;
    `headers` are made from that piece. Later failures break the connection: an error would lie inside of the file."""
    first = await anext(pieces, b"")
    file_headers = headers(first)
    etag = file_headers.get("ETag")
    if etag is not None and is_known(request, etag):
        await _close(pieces)
        return web.Response(status=304, headers={"ETag": etag})
    part = parse_range(request.headers, etag, size)
    if part is UNFIT:
        await _close(pieces)
        raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    response = web.StreamResponse(headers=file_headers)
    if size is not None:
        response.content_length = size
    if etag is not None and size is not None:
        response.headers["Accept-Ranges"] = "bytes"
    if isinstance(part, HttpRange):
        response.set_status(206)
        response.content_length = len(part)
        response.headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
        pieces, first = cut_part(_prepend(first, pieces), part), b""
    return await send_pieces(request, response, first, pieces)


async def send_pieces(
    request: web.Request,
    response: web.StreamResponse,
    first: bytes,
    pieces: AsyncIterator[bytes],
    log_name: str = "file",
) -> web.StreamResponse:
    """Send the answer, its first piece at hand; `log_name` names it in the log."""
    await response.prepare(request)
    try:
        if request.method != "HEAD":
            await response.write(first)
            async for piece in pieces:
                await response.write(piece)
        await response.write_eof()
    except ConnectionResetError:
        _LOG.info("a caller left before an answer was whole", extra={"action": f"{log_name}.left"})
    except (GatewayError, OSError):
        _LOG.warning("an answer broke off", exc_info=True, extra={"action": f"{log_name}.broken"})
        if request.transport is not None:
            request.transport.abort()
    return response


def is_known(request: web.Request, etag: str) -> bool:
    """Tell whether the caller has this very file (RFC 9110, 13.1.2): weak or strong, the digest is the same."""
    header = request.headers.get("If-None-Match", "")
    return header.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in header.split(",")]


async def _prepend(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


async def _close(pieces: AsyncIterator[bytes]) -> None:
    """Close the pieces at once, without waiting for garbage collection."""
    if isinstance(pieces, AsyncGenerator):
        await pieces.aclose()


async def read(pool: Pool, file: BinaryIO) -> AsyncIterator[bytes]:
    """Yield the rest of an open file, read in the pool."""
    while piece := await pool.run(partial(file.read, _PIECE)):
        yield piece


def disposition(name: str, kind: str = "attachment") -> str:
    """Format a plain name for old clients and the true one in UTF-8 (RFC 6266, RFC 8187), safely for the header."""
    plain = "".join(letter if letter in _SAFE else "_" for letter in name).strip() or "file"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


class _Unfit(Enum):
    UNFIT = "unfit"


UNFIT: Final = _Unfit.UNFIT


@dataclass(frozen=True, slots=True)
class HttpRange:
    """A range from `first` to `last`, both inclusive."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


def parse_range(headers: Mapping[str, str], etag: str | None, size: int | None) -> HttpRange | _Unfit | None:
    """Parse the Range header; None for the whole file: no range, several, or one of another version of the file."""
    match = _RANGE.fullmatch(headers.get("Range", "").replace(" ", ""))
    if match is None or size is None or etag is None or headers.get("If-Range", etag).strip() != etag:
        return None
    first, last = match.groups()
    if not first:
        if not last:
            return None
        length = min(int(last), size)
        return HttpRange(size - length, size - 1) if length else UNFIT
    if int(first) >= size:
        return UNFIT
    if last and int(last) < int(first):
        return None
    return HttpRange(int(first), min(int(last), size - 1) if last else size - 1)


async def cut_part(pieces: AsyncIterator[bytes], part: HttpRange) -> AsyncIterator[bytes]:
    """Yield the bytes of that part alone."""
    place = 0
    async for piece in pieces:
        begin, end = max(part.first - place, 0), min(part.last + 1 - place, len(piece))
        if begin < end:
            yield piece[begin:end]
        place += len(piece)
        if place > part.last:
            return
