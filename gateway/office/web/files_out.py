"""Gives a person's browser the bytes of a file, piece by piece. In: a name, what the node found the file to be, and the
bytes as they come. Out: a download; or, of what is a PDF by its content and nothing else, a view inside a page of this
node. A browser may run nothing of it, guess no other type and show it to no other site (threats.md 77 to 79)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO

from aiohttp import web

from gateway import downloads
from gateway.office.web.ports_packets import Pack, Packet
from gateway.ports import Pool

_DOWNLOAD = "default-src 'none'; sandbox; frame-ancestors 'none'"
# The browser's own viewer is a plugin of the same origin with styles of its own; everything else stays shut.
_VIEW = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; img-src data: blob:; frame-ancestors 'self'"
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
    """What is gone becomes a page that says so. `inline` shows it where it is a PDF."""

    def headers_of(first: bytes) -> dict[str, str]:
        shown = inline and can_show(content.found_type) and first.startswith(_FIRST)
        made = headers(content.name, content.found_type, shown=shown)
        return made if content.sha256 is None else made | {"X-Content-SHA256": content.sha256}

    return await downloads.give(request, content.pieces, headers_of, content.size)


def whole(name: str, found_type: str, body: bytes) -> web.Response:
    """What was made in memory, as a download."""
    return web.Response(body=body, headers=headers(name, found_type))


def headers(name: str, found_type: str, *, shown: bool = False) -> dict[str, str]:
    """`shown` is for a PDF alone."""
    return {
        "Content-Type": _TYPES.get(found_type, "application/octet-stream"),
        "Content-Disposition": downloads.disposition(name, "inline" if shown else "attachment"),
        "Content-Security-Policy": _VIEW if shown else _DOWNLOAD,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
    }


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
    return Content(name=name, found_type=found_type, size=size, pieces=downloads.read(pool, file))


async def beginning(pieces: AsyncIterator[bytes], most: int) -> tuple[str, bool]:
    """So many bytes as text, and whether there are more."""
    held = bytearray()
    async for piece in pieces:
        held += piece
        if len(held) > most:
            break
    return held[:most].decode("utf-8", "replace"), len(held) > most
