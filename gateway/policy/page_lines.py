"""Joins the pieces of a drawn page into lines, and rates how sure a value read from them is. In: runs of one page; a
value, the lines that it was read from, and its doubts. Out: `PageLine`s in reading order; `Field`. Pure.

Runs at one height without a wide gap are one line. Text is composed (NFC); an accent drawn separately is put on its
letter, and the line is `shaky` where that took guessing. Anything that could make a value wrong makes it doubtful."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from gateway.domain.pdf import Area, Field, Ink, Sure, TextRun
from gateway.domain.text import fold, nfc
from gateway.policy.texts import is_legacy_font
from gateway.words.reading import LETTERS

# Gaps are relative to the type size.
_SAME_LINE = 0.3
_COLUMN_GAP = 1.5
_LETTER_GAP = 0.15
# Relative to the width of an average letter; "i" is the narrowest.
_AT_THE_END = 0.4
_BASELINE = 0.9 / 1.15  # of the height of a run's area
_HYPHENS = str.maketrans({"\u2010": "-", "\u2011": "-"})
_SIGNS = frozenset("–—…“”‘’•§°‑−·×²³½€№►▪■□→")
T = TypeVar("T")
_INKS = {Ink.RECOGNISED: "recognised", Ink.ADDED: "added"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLine:
    """Line of one column."""

    text: str
    page: int
    area: Area
    type_size: float
    bold: bool
    ink: Ink
    shaky: bool

    @property
    def folded(self) -> str:
        return fold(self.text)

    @property
    def centre(self) -> float:
        return self.area.left + self.area.width / 2

    @property
    def capitals(self) -> bool:
        return self.text.isupper()

    def gap_below(self, lower: PageLine) -> float:
        """Return the blank space to a lower line, relative to the type size."""
        return (lower.area.top - self.area.bottom) / max(self.type_size, 1.0)


def lines_of(runs: Iterable[TextRun]) -> list[PageLine]:
    """Return the lines of one page from top to bottom; at one height, from left to right."""
    rows: list[list[TextRun]] = []
    levels: list[float] = []
    for run in sorted(runs, key=lambda r: (_level(r), r.area.left)):
        if levels and abs(_level(run) - levels[-1]) <= _SAME_LINE * run.type_size:
            rows[-1].append(run)
        else:
            rows.append([run])
            levels.append(_level(run))
    return [line for row in rows for line in _split_columns(row)]


def page_text(runs: Sequence[TextRun]) -> str:
    """Return the text of a page, line by line; what was added to it comes last, on lines of its own."""
    by_ink = (lines_of(run for run in runs if run.ink is ink) for ink in Ink)
    return "\n".join(line.text for lines in by_ink for line in lines)


def is_odd(text: str) -> bool:
    """Tell whether a text has letters that Vietnamese does not use, which shows a damaged text layer."""
    return not all(
        sign in LETTERS or sign in _SIGNS or (sign.isascii() and sign.isprintable()) for sign in text
    )


def _level(run: TextRun) -> float:
    return run.area.top + run.area.height * _BASELINE


def _split_columns(row: Sequence[TextRun]) -> list[PageLine]:
    lines: list[PageLine] = []
    for run in sorted(row, key=lambda r: r.area.left):
        last = lines[-1] if lines else None
        if last is not None and run.area.left - last.area.right <= _COLUMN_GAP * run.type_size:
            lines[-1] = _join(last, run)
        else:
            lines.append(_start_line(run))
    return [replace(line, text=_tidy(line.text)) for line in lines]


def _start_line(run: TextRun) -> PageLine:
    return PageLine(
        text=run.text,
        page=run.page,
        area=run.area,
        type_size=run.type_size,
        bold=run.bold,
        ink=run.ink,
        shaky=run.shaky or bool(unicodedata.combining(run.text[0])),
    )


def _join(line: PageLine, run: TextRun) -> PageLine:
    shaky = line.shaky or run.shaky
    gap = run.area.left - line.area.right
    if unicodedata.combining(run.text[0]):
        text, guessed = _place_mark(line, run)
        shaky = shaky or guessed
    else:
        text = line.text + (" " if gap > _LETTER_GAP * run.type_size else "") + run.text
        shaky = shaky or gap < -_COLUMN_GAP * run.type_size  # printed over one another
    return replace(
        line,
        text=text,
        area=line.area.union(run.area),
        bold=line.bold and run.bold,
        ink=max(line.ink, run.ink, key=list(Ink).index),
        shaky=shaky,
    )


def _place_mark(line: PageLine, run: TextRun) -> tuple[str, bool]:
    """Put an accent on its letter, and tell whether that was a guess. An accent at the end belongs to the last letter;
    some writers draw all letters of a line first, then the accents."""
    wide = line.area.width / max(len(line.text), 1)
    middle = run.area.left + run.area.width / 2
    if middle >= line.area.right - _AT_THE_END * wide:
        return line.text + run.text, False
    at = min(max(int((middle - line.area.left) / wide) + 1, 1), len(line.text))
    return line.text[:at] + run.text + line.text[at:], True


def _tidy(text: str) -> str:
    composed = nfc(text).translate(_HYPHENS)
    return re.sub(r"\s+", " ", composed).strip()


def field_of(value: T, lines: Sequence[PageLine], doubts: Iterable[str | None] = ()) -> Field[T]:
    """Return the value as a field, doubtful for the first doubt given or found in the lines."""
    why = next((doubt for doubt in (*doubts, *map(_doubt, lines)) if doubt), None)
    area = lines[0].area if lines else None
    for line in lines[1:]:
        area = area.union(line.area) if area and line.page == lines[0].page else area
    return Field(
        value=value,
        sure=Sure.DOUBTFUL if why else Sure.SURE,
        why=why,
        page=lines[0].page if lines else None,
        area=area,
    )


def doubt(field: Field[T], why: str | None) -> Field[T]:
    """Return the field made doubtful; unchanged without a reason, or when it was not sure before."""
    if why is None or field.sure is not Sure.SURE:
        return field
    return replace(field, sure=Sure.DOUBTFUL, why=why)


def absent(why: str | None = None) -> Field[T]:
    return Field(why=why)


def _doubt(line: PageLine) -> str | None:
    """Return the reason to doubt a line's text, or None."""
    if line.ink in _INKS:
        return _INKS[line.ink]
    if is_legacy_font(line.text):
        return "legacy-font"
    return "letters" if line.shaky or is_odd(line.text) else None
