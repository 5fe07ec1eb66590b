"""Draws a table as bars. In: a title and the marks of a table. Out: an SVG picture, in plain text; each unit has a
scale of its own, and a limit is a line across its bar."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.sax.saxutils import escape

from bench.marks import Mark

_WIDTH, _NAMES, _BARS, _ROW, _TOP = 760, 290, 340, 22, 44
_STYLE = (
    "text{font:13px sans-serif;fill:#222}.t{font-weight:bold;font-size:15px}.u{fill:#666}.b{fill:#3b6ea5}"
    ".l{stroke:#b3261e;stroke-width:2}"
)


def svg(title: str, marks: Sequence[Mark]) -> str:
    """Draw one group of bars for each unit, in the order of the marks."""
    parts: list[str] = []
    y = _TOP
    for unit, group in groupby(marks, key=lambda mark: mark.unit):
        rows = list(group)
        longest = max((max(row.value, row.limit or 0) for row in rows), default=0) or 1
        parts.append(f'<text class="u" x="12" y="{y + 14}">{escape(unit)}</text>')
        y += _ROW
        for row in rows:
            parts += _bar(row, y, _BARS / longest)
            y += _ROW
        y += _ROW // 2
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}" viewBox="0 0 {_WIDTH} {y}">',
            f"<style>{_STYLE}</style>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            f'<text class="t" x="12" y="24">{escape(title)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def _bar(mark: Mark, y: int, scale: float) -> list[str]:
    long = max(mark.value * scale, 1)
    drawn = [
        f'<text x="{_NAMES - 8}" y="{y + 14}" text-anchor="end">{escape(mark.name)}</text>',
        f'<rect class="b" x="{_NAMES}" y="{y + 3}" width="{long:.1f}" height="{_ROW - 6}"/>',
        f'<text x="{_NAMES + long + 6:.1f}" y="{y + 14}">{mark.value:g}</text>',
    ]
    if mark.limit is not None:
        x = f"{_NAMES + mark.limit * scale:.1f}"
        drawn.append(f'<line class="l" x1="{x}" x2="{x}" y1="{y}" y2="{y + _ROW}"/>')
    return drawn
