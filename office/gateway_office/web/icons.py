"""Icons by their meaning on the pages. In: a state, a judgement, an entry of the menu, or a drawing's own name. Out:
that drawing as a piece of the page (SVG, hidden from screen readers: a word stands beside each). The drawings are
Heroicons from the package of that name. One state has one drawing and one colour everywhere, and docs/states.md names
both. Also the agency's emblem at the head of every page, a PNG or SVG file that a setting names: its bytes under an
address that changes with them, or Misconfigured with the fault of the file. Browsers show it as a picture alone:
scripts in an SVG never run or load, and opened by itself it is sandboxed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from aiohttp import web
from heroicons.jinja import heroicon_mini
from markupsafe import Markup

from gateway.domain.states import STATES, State
from gateway.errors import Misconfigured

SHAPES: Mapping[str, tuple[str, ...]] = {
    "pencil": ("pencil-square",),
    "circle-barred": ("no-symbol",),
    "clock": ("clock",),
    "plane": ("paper-airplane",),
    "tick": ("check",),
    "triangle": ("exclamation-triangle",),
    "circle-dash": ("minus-circle",),
    "page": ("document",),
    "tray": ("inbox-arrow-down",),
    "circle-cross": ("x-circle",),
    "board-tick": ("clipboard-document-check",),
    "person": ("user",),
    "circle-dots": ("ellipsis-horizontal-circle",),
    "circle-tick": ("check-circle",),
    "back-arrow": ("arrow-uturn-left",),
    "circling-arrow": ("arrow-path",),
    "back-arrow-tick": ("arrow-uturn-left", "check"),
    "back-arrow-cross": ("arrow-uturn-left", "x-mark"),
    "question": ("question-mark-circle",),
    "envelope": ("envelope",),
    "circle-pause": ("pause-circle",),
    "two-arrows": ("arrows-right-left",),
    "lock": ("lock-closed",),
}
"""Drawings of each shape of states.md; two drawings beside each other are one shape."""

INCOMING: Mapping[str, tuple[str, str]] = {
    "new": ("blue", "envelope"),
    "held": ("amber", "circle-pause"),
    "recalled": ("purple", "back-arrow-tick"),
    "replaced": ("purple", "two-arrows"),
    "sealed": ("red", "lock"),
}
"""Colour and shape of the states that only the receiver sees."""

_GOOD, _NOTE, _WARN, _DOUBT, _BAD, _NONE = (
    "check",
    "information-circle",
    "exclamation-triangle",
    "question-mark-circle",
    "x-mark",
    "minus",
)
SIGNS: Mapping[str, str] = {
    **dict.fromkeys(("good", "valid", "up", "green", "fine"), _GOOD),
    "note": _NOTE,
    **dict.fromkeys(("warn", "warned", "slow", "partly", "waits", "faulty", "yellow"), _WARN),
    **dict.fromkeys(("doubt", "unknown"), _DOUBT),
    **dict.fromkeys(("bad", "invalid", "down", "wrong", "late", "red"), _BAD),
    **dict.fromkeys(("none", "unsigned", "skipped", "grey"), _NONE),
}
"""Drawing of each verdict on a check, a signature, the line or a job."""

MENU: Mapping[str, str] = {
    "dashboard": "home",
    "outgoing": "paper-airplane",
    "incoming": "inbox-arrow-down",
    "todo": "clipboard-document-list",
    "books": "book-open",
    "reports": "chart-bar",
    "agencies": "building-office-2",
    "operations": "server-stack",
    "audit": "list-bullet",
    "inspection": "shield-check",
    "administration": "cog-6-tooth",
    "help": "question-mark-circle",
}


_ATTRIBUTES: Mapping[str, Any] = {"class": "icon"}
EMBLEM_PATH = "/static/emblem"
MOST_EMBLEM_BYTES = 20 * 1024
"""Every first view loads it."""
_PNG = b"\x89PNG\r\n\x1a\n"
_SVG = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?(?:(?><!--.*?-->)\s*)*(?:<!DOCTYPE[^>\[]*>\s*)?<svg[\s>]",
    re.S,
)
_EMBLEM_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"


@lru_cache(maxsize=256)
def icon(name: str) -> Markup:
    """Render a drawing by its own name among those of 20 by 20."""
    svg = heroicon_mini(name, **_ATTRIBUTES)
    return Markup("".join(line.strip() for line in svg.splitlines()))  # noqa: S704  # of the package alone


def state_icon(word: str) -> Markup:
    """Render the icon of a state; the question mark for an unknown word."""
    return Markup("").join(icon(name) for name in SHAPES[shown_as(word)[1]])


def shown_as(word: str) -> tuple[str, str]:
    """Return colour and shape of a state."""
    if word in INCOMING:
        return INCOMING[word]
    state = STATES.get(word, STATES[State.UNKNOWN])
    return state.colour, state.shape


def state_class(word: str) -> str:
    """Return the classes of a state: its word, and the tone that has its colour."""
    return f"{word.replace('_', '-')} tone-{shown_as(word)[0]}"


def drawn_once(word: str) -> Markup:
    """Render the sign of a verdict unseen, for a page with very many of it, which refer to it by `same_sign`."""
    return Markup('<svg hidden aria-hidden="true"><g id="sign">{}</g></svg>').format(sign(word))


def same_sign() -> Markup:
    return Markup('<svg class="icon" aria-hidden="true"><use href="#sign"/></svg>')


def sign(word: str) -> Markup:
    return icon(SIGNS[word])


def menu_icon(key: str) -> Markup:
    return icon(MENU[key])


@dataclass(frozen=True, slots=True, kw_only=True)
class Emblem:
    """Picture that was checked."""

    body: bytes
    media_type: str

    @property
    def address(self) -> str:
        return f"{EMBLEM_PATH}?v={hashlib.sha256(self.body).hexdigest()[:12]}"


def read_emblem(path: Path) -> Emblem:
    """Read the file's picture; its type follows from its bytes, not from its name."""
    try:
        with path.open("rb") as file:
            body = file.read(MOST_EMBLEM_BYTES + 1)
    except OSError as error:
        raise Misconfigured(f"pages.emblem: {path} cannot be read: {error.strerror}") from error
    if len(body) > MOST_EMBLEM_BYTES:
        raise Misconfigured(
            f"pages.emblem: expected at most {MOST_EMBLEM_BYTES // 1024} KB, found more in {path}"
        )
    if body.startswith(_PNG):
        return Emblem(body=body, media_type="image/png")
    if _SVG.match(body):
        return Emblem(body=body, media_type="image/svg+xml")
    raise Misconfigured(f"pages.emblem: expected a PNG or SVG file, found neither in {path}")


def add_emblem(router: web.UrlDispatcher, emblem: Emblem) -> None:
    """Add the route of the picture, which every page shows."""

    async def emblem_file(request: web.Request) -> web.Response:
        headers = {
            "Content-Type": emblem.media_type,
            "Content-Security-Policy": _EMBLEM_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "public, max-age=31536000, immutable" if request.query.get("v") else "no-cache",
        }
        return web.Response(body=emblem.body, headers=headers)

    router.add_get(EMBLEM_PATH, emblem_file)
