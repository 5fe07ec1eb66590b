"""Hands stored bytes to a browser piece by piece: nosniff, a name that cannot break out of its header, and nothing that a
browser would run (threats.md 77 to 79). Only a PDF that is one by its own first bytes may open in the browser's reader."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from gateway.web.visit import Visit

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ")
_PDF = b"%PDF-"
# Of types as files are found to be; everything else is bytes.
_TYPES = {
    "pdf": "application/pdf",
    "application/pdf": "application/pdf",
    "application/xml": "application/xml",
    "application/zip": "application/zip",
    "text/csv": "text/csv; charset=utf-8",
}
_NOTHING = "default-src 'none'; sandbox"
# The reader of PDFs is the browser's own and will not work in a sandbox; a PDF has no origin to misuse here.
_READER = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; img-src data: blob:; frame-ancestors 'self'"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What the headers say of it."""

    name: str
    content_type: str
    size: int | None = None
    sha256: str | None = None


async def send(
    visit: Visit, file: File, pieces: AsyncIterator[bytes], *, inline: bool = False
) -> web.StreamResponse:
    """The whole file. It is read as far as its first piece before a header is sent, so that one that is gone becomes a page
    and not a broken download."""
    first = await anext(pieces, b"")
    is_pdf = _TYPES.get(file.content_type) == "application/pdf" and first.startswith(_PDF)
    response = web.StreamResponse(headers=headers(file, inline=inline and is_pdf))
    if file.size is not None:
        response.content_length = file.size
    await response.prepare(visit.request)
    if visit.request.method != "HEAD":
        await response.write(first)
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()
    return response


def headers(file: File, *, inline: bool = False) -> dict[str, str]:
    """`inline` is for a PDF alone."""
    made = {
        "Content-Type": _TYPES.get(file.content_type, "application/octet-stream"),
        "Content-Disposition": disposition(file.name, inline=inline),
        "Content-Security-Policy": _READER if inline else _NOTHING,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
    }
    if file.sha256 is not None:
        made["X-Content-SHA256"] = file.sha256
    return made


def disposition(name: str, *, inline: bool = False) -> str:
    """A plain name for old clients and the true one in UTF-8 (RFC 6266, RFC 8187)."""
    plain = "".join(letter if letter in _SAFE else "_" for letter in name).strip() or "file"
    how = "inline" if inline else "attachment"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
