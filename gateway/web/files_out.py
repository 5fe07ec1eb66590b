"""Gives a person's browser the bytes of a file, piece by piece. In: a name, what the node found the file to be, and the
bytes as they come. Out: a download; or, of what is a PDF by its content and nothing else, a view inside a page of this
node. A browser may run nothing of it, guess no other type and show it to no other site (threats.md 77 to 79)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO
from urllib.parse import quote

from aiohttp import web

from gateway.errors import GatewayError
from gateway.ports import Pool
from gateway.web.ports_packets import Pack, Packet

_LOG = logging.getLogger(__name__)

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ")
_DOWNLOAD = "default-src 'none'; sandbox; frame-ancestors 'none'"
# The browser's own viewer is a plugin of the same origin with styles of its own; everything else stays shut.
_VIEW = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; img-src data: blob:; frame-ancestors 'self'"
_PIECE = 256 * 1024
_FIRST = b"%PDF-"
PDF = "pdf"
# By the short words of the inspector. Whatever is not named here, and may be anything, is bytes.
_TYPES = {
    PDF: "application/pdf",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Bytes to give out; `pieces` is read once. `found_type` is what the inspector found in them, in its short words."""

    name: str
    found_type: str
    pieces: AsyncIterator[bytes]
    size: int | None = None
    sha256: str | None = None


def can_show(found_type: str | None) -> bool:
    """Whether a page may show it; everything else is only given as a download."""
    return found_type == PDF


async def give(request: web.Request, content: Content, *, inline: bool = False) -> web.StreamResponse:
    """Read as far as its first piece before the first header is sent: what is gone becomes a page that says so, not a
    broken download. What fails later breaks the download, so that nobody takes half a file for the whole."""
    first = await anext(content.pieces, b"")
    shown = inline and can_show(content.found_type) and first.startswith(_FIRST)
    response = web.StreamResponse(headers=headers(content.name, content.found_type, shown=shown))
    if content.sha256 is not None:
        response.headers["X-Content-SHA256"] = content.sha256
    if content.size is not None:
        response.content_length = content.size
    await response.prepare(request)
    try:
        if request.method != "HEAD":
            await response.write(first)
            async for piece in content.pieces:
                await response.write(piece)
        await response.write_eof()
    except ConnectionResetError:
        _LOG.info("a browser left before a file was whole", extra={"action": "file.left"})
    except (GatewayError, OSError):
        _LOG.warning("a file broke off", exc_info=True, extra={"action": "file.broken"})
        if request.transport is not None:
            request.transport.abort()
    return response


def whole(name: str, found_type: str, body: bytes) -> web.Response:
    """What was made in memory, as a download."""
    return web.Response(body=body, headers=headers(name, found_type))


def headers(name: str, found_type: str, *, shown: bool = False) -> dict[str, str]:
    """`shown` is for a PDF alone."""
    return {
        "Content-Type": _TYPES.get(found_type, "application/octet-stream"),
        "Content-Disposition": disposition(name, "inline" if shown else "attachment"),
        "Content-Security-Policy": _VIEW if shown else _DOWNLOAD,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
    }


def disposition(name: str, how: str = "attachment") -> str:
    """A plain name for old browsers and the true one in UTF-8 (RFC 6266, RFC 8187); neither breaks out of its header."""
    plain = "".join(letter if letter in _SAFE else "_" for letter in name).strip() or "file"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


def of_packet(packet: Packet, pieces: AsyncIterator[bytes]) -> Content:
    """One signed packet, byte for byte."""
    return Content(
        name=f"{packet.packet_id}.edxml",
        found_type="xml",
        size=packet.size,
        sha256=packet.digest,
        pieces=pieces,
    )


def of_pack(pack: Pack) -> Content:
    return Content(name=pack.name, found_type="zip", size=pack.size, pieces=pack.pieces)


async def of_file(pool: Pool, file: BinaryIO, name: str, found_type: str) -> Content:
    """What was written into a scratch file, from its beginning."""
    size = await pool.run(lambda: file.seek(0, 2))
    await pool.run(lambda: file.seek(0))
    return Content(name=name, found_type=found_type, size=size, pieces=read(pool, file))


async def read(pool: Pool, file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await pool.run(partial(file.read, _PIECE)):
        yield piece


async def beginning(pieces: AsyncIterator[bytes], most: int) -> tuple[str, bool]:
    """So many bytes as text, and whether there are more."""
    held = bytearray()
    async for piece in pieces:
        held += piece
        if len(held) > most:
            break
    return held[:most].decode("utf-8", "replace"), len(held) > most
