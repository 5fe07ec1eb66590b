"""The agency's emblem at the head of every page: a PNG or SVG file that a setting names. In: its path, at the start. Out:
its bytes under an address that changes with them, or Misconfigured with what is wrong with the file. A browser shows it
as a picture alone: what an SVG may hold beside its drawing never runs, loads nothing, and opened by itself it stands
in a trial node."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from gateway.errors import Misconfigured

PATH = "/static/emblem"
MOST_BYTES = 20 * 1024
"""It is a part of every first view."""
_PNG = b"\x89PNG\r\n\x1a\n"
_SVG = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?(?:(?><!--.*?-->)\s*)*(?:<!DOCTYPE[^>\[]*>\s*)?<svg[\s>]",
    re.S,
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Emblem:
    """A picture that was checked."""

    body: bytes
    media_type: str

    @property
    def address(self) -> str:
        return f"{PATH}?v={hashlib.sha256(self.body).hexdigest()[:12]}"


def read(path: Path) -> Emblem:
    """The file's picture; what it is follows from its bytes, not from its name."""
    try:
        with path.open("rb") as file:
            body = file.read(MOST_BYTES + 1)
    except OSError as why:
        raise Misconfigured(f"pages.emblem: {path} cannot be read: {why.strerror}") from why
    if len(body) > MOST_BYTES:
        raise Misconfigured(f"pages.emblem: expected at most {MOST_BYTES // 1024} KB, found more in {path}")
    if body.startswith(_PNG):
        return Emblem(body=body, media_type="image/png")
    if _SVG.match(body):
        return Emblem(body=body, media_type="image/svg+xml")
    raise Misconfigured(f"pages.emblem: expected a PNG or SVG file, found neither in {path}")


def add_emblem(router: web.UrlDispatcher, emblem: Emblem) -> None:
    """The picture, for everybody who sees a page."""

    async def shown(request: web.Request) -> web.Response:
        headers = {
            "Content-Type": emblem.media_type,
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "public, max-age=31536000, immutable" if request.query.get("v") else "no-cache",
        }
        return web.Response(body=emblem.body, headers=headers)

    router.add_get(PATH, shown)
