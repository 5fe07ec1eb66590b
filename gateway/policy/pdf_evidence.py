"""Says how sure a value is that was found on a page. In: the value, the lines that it was read from, and what speaks
against it. Out: `Found`. Pure. Whatever could make a value wrong makes it doubtful: nothing is wrong in silence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from gateway.domain.page_text import Found, Ink, Sure
from gateway.policy.page_lines import Line, is_odd
from gateway.policy.texts import is_legacy_font

T = TypeVar("T")
_INKS = {Ink.RECOGNISED: "recognised", Ink.ADDED: "added"}


def found(value: T, lines: Sequence[Line], doubts: Iterable[str | None] = ()) -> Found[T]:
    """The value, doubtful for the first reason that there is."""
    why = next((each for each in (*doubts, *map(_doubt, lines)) if each), None)
    area = lines[0].area if lines else None
    for each in lines[1:]:
        area = area.around(each.area) if area and each.page == lines[0].page else area
    return Found(
        value=value,
        sure=Sure.DOUBTFUL if why else Sure.SURE,
        why=why,
        page=lines[0].page if lines else None,
        area=area,
    )


def doubted(one: Found[T], why: str | None) -> Found[T]:
    """The same, no longer sure."""
    if why is None or one.sure is not Sure.SURE:
        return one
    return replace(one, sure=Sure.DOUBTFUL, why=why)


def absent(why: str | None = None) -> Found[T]:
    return Found(why=why)


def _doubt(line: Line) -> str | None:
    if line.ink in _INKS:
        return _INKS[line.ink]
    if is_legacy_font(line.text):
        return "legacy-font"
    return "letters" if line.shaky or is_odd(line.text) else None
