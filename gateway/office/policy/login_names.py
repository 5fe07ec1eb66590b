"""Suggests names to sign in with (R86). In: a full name and the local rule, or an agency's name. Out: a name without
accents that nobody has. Pure; the administrator may write another one."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from itertools import chain, count

from gateway.domain.text import fold


class Style(StrEnum):
    """Local rules: what a clash adds, and whether given names are shortened."""

    SECOND = "second"
    """`tranvana`, then `tranvana2`."""
    NEXT = "next"
    """`nguyenvanan`, then `nguyenvanan1`."""
    INITIALS = "initials"
    """Initials of surname and middle name, then the given name and a tail: `pstoan.ldld`."""


# Words of an agency's name that its short form leaves out.
_HEAD = ("uy ban nhan dan", "ubnd")


def of_person(full_name: str, style: Style, taken: Collection[str] = (), tail: str = "") -> str:
    """The first free name of that style."""
    words = _letters(full_name)
    if style is Style.INITIALS:
        base = "".join(word[0] for word in words[:-1]) + (words[-1] if words else "")
        base += f".{tail}" if tail else ""
    else:
        base = "".join(words)
    start = 1 if style is Style.NEXT else 2
    names = chain((base,), (f"{base}{n}" for n in count(start)))
    return next(name for name in names if name not in taken)


def short(name: str) -> str:
    """Initials of an agency's name: `snv`, `hhh`."""
    bare = fold(name)
    for head in _HEAD:
        bare = bare.removeprefix(head + " ")
    return "".join(word[0] for word in _letters(bare))


def _letters(text: str) -> list[str]:
    """Words of letters and digits alone."""
    bare = "".join(each if each.isascii() and each.isalnum() else " " for each in fold(text))
    return bare.split()
