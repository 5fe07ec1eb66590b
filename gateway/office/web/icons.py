"""Which drawing stands for what on the pages. In: a state, a judgement, an entry of the menu, or a drawing's own name. Out:
that drawing as a piece of the page (SVG, hidden from those who hear the page: a word stands beside each). The drawings
are Heroicons, read from the kept package of that name; nothing is fetched and only what a page shows is in it. One state
has one drawing and one colour wherever it stands, and docs/states.md names both."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from heroicons.jinja import heroicon_mini
from markupsafe import Markup

from gateway.domain.status import STATES

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
"""By the shapes of states.md; two drawings beside each other are one shape."""

INCOMING: Mapping[str, tuple[str, str]] = {
    "new": ("blue", "envelope"),
    "held": ("amber", "circle-pause"),
    "recalled": ("purple", "back-arrow-tick"),
    "replaced": ("purple", "two-arrows"),
    "sealed": ("red", "lock"),
}
"""Colour and shape of what only the receiver sees."""

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
"""What a check, a signature, the line or a job is found to be."""

MENU: Mapping[str, str] = {
    "dashboard": "home",
    "outgoing": "paper-airplane",
    "incoming": "inbox-arrow-down",
    "todo": "clipboard-document-list",
    "books": "book-open",
    "agencies": "building-office-2",
    "operations": "server-stack",
    "audit": "list-bullet",
    "administration": "cog-6-tooth",
    "help": "question-mark-circle",
}


_ATTRIBUTES: Mapping[str, Any] = {"class": "icon"}


@lru_cache(maxsize=256)
def icon(name: str) -> Markup:
    """A drawing by its own name among those of 20 by 20."""
    drawn = heroicon_mini(name, **_ATTRIBUTES)
    return Markup("".join(line.strip() for line in drawn.splitlines()))  # noqa: S704  # of the package alone


def state_icon(word: str) -> Markup:
    """Of a state; of a word that no table has, the question."""
    return Markup("").join(icon(name) for name in SHAPES[shown_as(word)[1]])


def shown_as(word: str) -> tuple[str, str]:
    """Colour and shape of a state."""
    if word in INCOMING:
        return INCOMING[word]
    known = STATES.get(word, STATES["unknown"])
    return known.colour, known.shape


def sign(word: str) -> Markup:
    return icon(SIGNS[word])


def menu_icon(key: str) -> Markup:
    return icon(MENU[key])
