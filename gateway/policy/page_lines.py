"""Makes lines of the pieces that a page is drawn of, and says how sure a value is that was found in them. In: runs of
one page; a value, the lines that it was read from, and what speaks against it. Out: `PageLine`s in reading order;
`Field`. Pure.

What stands on one height without a wide gap is one line. Text is composed (NFC); a mark that was drawn apart goes
to its letter, and where that took guessing the line says so. Whatever could make a value wrong makes it doubtful:
nothing is wrong in silence."""

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

# In parts of the type size.
_SAME_LINE = 0.3
_COLUMN_GAP = 1.5
_LETTER_GAP = 0.15
# In parts of the width of a letter, of which "i" is the narrowest.
_AT_THE_END = 0.4
_BASELINE = 0.9 / 1.15  # of the height of an area of text
_HYPHENS = str.maketrans({"\u2010": "-", "\u2011": "-"})
_SIGNS = frozenset("–—…“”‘’•§°‑−·×²³½€№►▪■□→")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLine:
    """A line of one column."""

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
        """The blank between two lines, in parts of the type size."""
        return (lower.area.top - self.area.bottom) / max(self.type_size, 1.0)


def lines_of(runs: Iterable[TextRun]) -> list[PageLine]:
    """The lines of one page from top to bottom, on one height from left to right."""
    rows: list[list[TextRun]] = []
    levels: list[float] = []
    for run in sorted(runs, key=lambda each: (_level(each), each.area.left)):
        if levels and abs(_level(run) - levels[-1]) <= _SAME_LINE * run.type_size:
            rows[-1].append(run)
        else:
            rows.append([run])
            levels.append(_level(run))
    return [line for row in rows for line in _split(row)]


def is_odd(text: str) -> bool:
    """Whether letters stand in it that Vietnamese is not written with: the text layer is damaged."""
    return not all(
        sign in LETTERS or sign in _SIGNS or (sign.isascii() and sign.isprintable()) for sign in text
    )


def _level(run: TextRun) -> float:
    return run.area.top + run.area.height * _BASELINE


def _split(row: Sequence[TextRun]) -> list[PageLine]:
    made: list[PageLine] = []
    for run in sorted(row, key=lambda each: each.area.left):
        last = made[-1] if made else None
        if last is not None and run.area.left - last.area.right <= _COLUMN_GAP * run.type_size:
            made[-1] = _joined(last, run)
        else:
            made.append(_line(run))
    return [replace(each, text=_tidy(each.text)) for each in made]


def _line(run: TextRun) -> PageLine:
    return PageLine(
        text=run.text,
        page=run.page,
        area=run.area,
        type_size=run.type_size,
        bold=run.bold,
        ink=run.ink,
        shaky=run.shaky or bool(unicodedata.combining(run.text[0])),
    )


def _joined(line: PageLine, run: TextRun) -> PageLine:
    shaky = line.shaky or run.shaky
    gap = run.area.left - line.area.right
    if unicodedata.combining(run.text[0]):
        text, guessed = _marked(line, run)
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


def _marked(line: PageLine, run: TextRun) -> tuple[str, bool]:
    """With a mark put to its letter; and whether that was a guess. It is the last letter's only where it stands there: some
    writers draw all letters of a line first, and then its marks."""
    wide = line.area.width / max(len(line.text), 1)
    middle = run.area.left + run.area.width / 2
    if middle >= line.area.right - _AT_THE_END * wide:
        return line.text + run.text, False
    at = min(max(int((middle - line.area.left) / wide) + 1, 1), len(line.text))
    return line.text[:at] + run.text + line.text[at:], True


def _tidy(text: str) -> str:
    composed = nfc(text).translate(_HYPHENS)
    return re.sub(r"\s+", " ", composed).strip()


T = TypeVar("T")
_INKS = {Ink.RECOGNISED: "recognised", Ink.ADDED: "added"}


def found(value: T, lines: Sequence[PageLine], doubts: Iterable[str | None] = ()) -> Field[T]:
    """The value, doubtful for the first reason that there is."""
    why = next((each for each in (*doubts, *map(_doubt, lines)) if each), None)
    area = lines[0].area if lines else None
    for each in lines[1:]:
        area = area.union(each.area) if area and each.page == lines[0].page else area
    return Field(
        value=value,
        sure=Sure.DOUBTFUL if why else Sure.SURE,
        why=why,
        page=lines[0].page if lines else None,
        area=area,
    )


def doubted(one: Field[T], why: str | None) -> Field[T]:
    """The same, no longer sure."""
    if why is None or one.sure is not Sure.SURE:
        return one
    return replace(one, sure=Sure.DOUBTFUL, why=why)


def absent(why: str | None = None) -> Field[T]:
    return Field(why=why)


def _doubt(line: PageLine) -> str | None:
    if line.ink in _INKS:
        return _INKS[line.ink]
    if is_legacy_font(line.text):
        return "legacy-font"
    return "letters" if line.shaky or is_odd(line.text) else None
