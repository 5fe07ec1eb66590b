"""Draws tables on the terminal. In: heads and rows of plain text. Out: lines on stdout, and the heads of the columns that
did not fit. It loads nothing else of the command line, because a caller of a running node draws with it too."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Drawing
from rich.text import Text

_BETWEEN = 2  # spaces between two columns of a table without lines
_LONG_WORD = 20
# Wide enough that nothing is cut or wrapped when the table goes into a file or a pipe.
_PIPE_WIDTH = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A list as people read it; each column has a head and a style."""

    heads: Sequence[str]
    styles: Sequence[str]
    body: Sequence[Sequence[str]]


def console() -> Console:
    """Return the console for tables: colour and bold on a terminal only, without either where NO_COLOR is set."""
    return Console(
        file=sys.stdout,
        width=None if sys.stdout.isatty() else _PIPE_WIDTH,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
        emoji=False,
        markup=False,
        soft_wrap=False,
    )


def draw(table: Table) -> str:
    """Draw a table that has rows. Return the heads of columns that were left out."""
    page = console()
    narrowest = [_narrowest(n, head, table.body) for n, head in enumerate(table.heads)]
    count = count_fitting(narrowest, page.width)
    drawing = Drawing(box=None, pad_edge=False, header_style="bold")
    for n in range(count):
        drawing.add_column(
            table.heads[n], style=table.styles[n], overflow="fold", min_width=narrowest[n], no_wrap=n == 0
        )
    for row in table.body:
        drawing.add_row(*(Text(c) for c in row[:count]))
    page.print(
        drawing, width=max(page.width, narrowest[0]), crop=False
    )  # a window narrower than an id breaks it by itself
    return ", ".join(table.heads[count:])


def count_fitting(narrowest: Sequence[int], width: int) -> int:
    """Count the columns, from the first, that fit without a broken word; at least the id's."""
    used_width = 0
    for n, least in enumerate(narrowest):
        used_width += least + (_BETWEEN if n else 0)
        if n and used_width > width:
            return n
    return len(narrowest)


def _narrowest(n: int, head: str, body: Sequence[Sequence[str]]) -> int:
    """Return the least width of a column: an id is never broken, because it is copied; other long words may be."""
    if n == 0:
        return max(cell_len(head), *(cell_len(row[n]) for row in body))
    words = (word for text in (head, *(row[n] for row in body)) for word in text.split())
    return min(_LONG_WORD, max(map(cell_len, words), default=0))
