"""Gives a person's browser the bytes of a file, piece by piece. In: a name, what the node found the file to be, and the
bytes as they come. Out: a download; or, of what is a PDF by its content and nothing else, a view inside a page of this
node. A browser may run nothing of it, guess no other type and show it to no other site (threats.md 77 to 79)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from gateway.web.visit import Visit

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ")
_DOWNLOAD = "default-src 'none'; sandbox; frame-ancestors 'none'"
# The browser's own viewer is a plugin of the same origin with styles of its own; everything else stays shut.
_VIEW = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
PDF = "pdf"


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


async def give(visit: Visit, content: Content, *, inline: bool = False) -> web.StreamResponse:
    """Read as far as its first piece before the first header is sent: what is gone becomes a page that says so, not a
    broken download."""
    first = await anext(content.pieces, b"")
    response = web.StreamResponse(headers=headers(content, inline=inline))
    if content.size is not None:
        response.content_length = content.size
    await response.prepare(visit.request)
    if visit.request.method != "HEAD":
        await response.write(first)
        async for piece in content.pieces:
            await response.write(piece)
    await response.write_eof()
    return response


def headers(content: Content, *, inline: bool) -> dict[str, str]:
    shown = inline and can_show(content.found_type)
    told = {
        "Content-Type": "application/pdf" if content.found_type == PDF else "application/octet-stream",
        "Content-Disposition": disposition(content.name, "inline" if shown else "attachment"),
        "Content-Security-Policy": _VIEW if shown else _DOWNLOAD,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
    }
    return told | ({"X-Content-SHA256": content.sha256} if content.sha256 is not None else {})


def disposition(name: str, how: str = "attachment") -> str:
    """A plain name for old browsers and the true one in UTF-8 (RFC 6266, RFC 8187); neither breaks out of its header."""
    plain = "".join(letter if letter in _SAFE else "_" for letter in name).strip() or "file"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
