"""Draws QR codes: that of an authenticator app on a screen, larger ones on paper. In: a short text. Out: rows of dark and
light modules, a path for an SVG, or lines for a terminal. Correction level M; at most 213 bytes, on paper 2,331 bytes or
3,391 capitals and digits. No I/O."""

from __future__ import annotations

import re

import segno

QUIET = 4
# Larger codes are hard to read from a screen.
_LARGEST, _LARGEST_ON_PAPER = 10, 40
Grid = list[list[int]]


def path(text: str, *, on_paper: bool = False) -> tuple[int, str] | None:
    """Return the width in modules, with the quiet zone, and the dark modules as an SVG path of strokes; None for a too long
    text."""
    rows = draw(text, on_paper=on_paper)
    if rows is None:
        return None
    lines = (f"M{QUIET},{y}.5{_strokes(''.join(map(str, row)))}" for y, row in enumerate(rows, QUIET))
    return len(rows) + 2 * QUIET, "".join(lines)


def _strokes(row: str) -> str:
    """Return a row of modules as moves and strokes: the shortest form, for pages that are sent uncompressed."""
    return re.sub("0+|1+", lambda run: f"h{len(run[0])}" if "1" in run[0] else f"m{len(run[0])},0", row)


def lines(text: str) -> list[str]:
    """Return lines for a terminal with a dark background, two rows of modules to a line, light modules drawn; none for a
    text that is too long."""
    rows = draw(text)
    if rows is None:
        return []
    width = len(rows) + 2 * QUIET
    blank = [[0] * width for _ in range(QUIET)]
    grid = [*blank, *([0] * QUIET + row + [0] * QUIET for row in rows), *blank]
    grid += [[1] * width] if len(grid) % 2 else []
    blocks = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    return [
        "".join(blocks[upper, lower] for upper, lower in zip(grid[n], grid[n + 1], strict=True))
        for n in range(0, len(grid), 2)
    ]


def draw(text: str, *, on_paper: bool = False) -> Grid | None:
    """Return rows of modules, 1 for dark and 0 for light, without the quiet zone; None for a text that is too long."""
    try:
        mode = None if on_paper else "byte"
        code = segno.make_qr(text.encode(), error="m", mode=mode, boost_error=False)
    except segno.DataOverflowError:
        return None
    if int(code.version) > (_LARGEST_ON_PAPER if on_paper else _LARGEST):
        return None
    return [[int(bit) for bit in row] for row in code.matrix]
