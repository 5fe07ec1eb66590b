"""Draws tables on the terminal. In: heads and rows of plain text. Out: lines on stdout, and the heads of the columns that
did not fit. It loads no library and nothing else of the program, because a caller of a running node draws with it too."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate, zip_longest
from typing import NamedTuple

_BETWEEN = 2  # spaces between two columns
_LONG_WORD = 20
# Wide enough that nothing is cut or wrapped when the table goes into a file or a pipe.
_PIPE_WIDTH = 400
_STYLES = {"bold": "1", "dim": "2", "green": "32", "yellow": "33", "bold red": "1;31"}


class Table(NamedTuple):
    """A list as people read it; each column has a head and a style."""

    heads: Sequence[str]
    styles: Sequence[str]
    body: Sequence[Sequence[str]]


def painted(text: str, style: str) -> str:
    """Colour a text, or make it bold: on a terminal that can do so only, and not where NO_COLOR is set."""
    is_plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if is_plain or not style or not text else f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def draw(table: Table) -> str:
    """Draw a table that has rows. Return the heads of columns that were left out."""
    page_width = _terminal_width() if sys.stdout.isatty() else _PIPE_WIDTH
    columns = [*zip(table.heads, *table.body, strict=True)]
    narrowest = [_narrowest(n, column) for n, column in enumerate(columns)]
    count = count_fitting(narrowest, page_width)
    widths = [max(map(_cells, column)) for column in columns[:count]]
    # The widest column gives way first. An id is never broken: a window that is narrower breaks it by itself.
    while sum(widths) + _BETWEEN * (count - 1) > page_width:
        wide = [n for n in range(1, count) if widths[n] > narrowest[n]]
        if not wide:
            break
        widths[max(wide, key=widths.__getitem__)] -= 1
    for row, styles in ((table.heads, ["bold"] * count), *((row, table.styles) for row in table.body)):
        folded = [_fold(text, width) for text, width in zip(row, widths, strict=False)]
        for line in zip_longest(*folded, fillvalue=""):
            cells = (
                f"{text}{' ' * (width - _cells(text))}" for text, width in zip(line, widths, strict=True)
            )
            sys.stdout.write((" " * _BETWEEN).join(map(painted, cells, styles)).rstrip() + "\n")
    return ", ".join(table.heads[count:])


def count_fitting(narrowest: Sequence[int], width: int) -> int:
    """Count the columns, from the first, that fit without a broken word; at least the id's."""
    used_widths = accumulate(narrowest, lambda used, least: used + _BETWEEN + least)
    return max(1, sum(used <= width for used in used_widths))


def _terminal_width() -> int:
    from shutil import get_terminal_size  # it loads a dozen modules

    return get_terminal_size().columns


def _narrowest(n: int, column: Sequence[str]) -> int:
    """Return the least width of a column: an id is never broken, because it is copied; other long words may be."""
    if n == 0:
        return max(map(_cells, column))
    return min(_LONG_WORD, max((_cells(word) for text in column for word in text.split()), default=0))


def _fold(text: str, width: int) -> Iterator[str]:
    """Yield the lines of a text that is no wider than `width`, broken between words where that is possible."""
    line = ""
    for word in text.split(" ") if _cells(text) > width else [text]:
        if line and _cells(line) + 1 + _cells(word) > width:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
        while _cells(line) > width:
            end = next(n for n in range(len(line), 0, -1) if n == 1 or _cells(line[:n]) <= width)
            yield line[:end]
            line = line[end:]
    yield line


def _cells(text: str) -> int:
    """Return the width of a text on a terminal."""
    return len(text) if text.isascii() else sum(map(_cells_of_letter, text))


@cache
def _cells_of_letter(letter: str) -> int:
    return 0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in ("W", "F"))
