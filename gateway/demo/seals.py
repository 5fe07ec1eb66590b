"""Draws the image of a seal for each agency of the demonstration: a red ring with a star on a clear ground, and no
writing, so that nobody takes it for a real one. In: the folder of seals, codes. Out: CODE.png in it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw

_DOTS, _DPI = 425, 300
_RED, _CLEAR = (200, 16, 46, 255), (0, 0, 0, 0)
_POINTS = 5


def write(folder: Path, codes: Iterable[str]) -> None:
    """What lies there stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for code in codes:
        file = folder / f"{code}.png"
        if not file.exists():
            _drawn().save(file, "PNG", dpi=(_DPI, _DPI))


def _drawn() -> Image.Image:
    picture = Image.new("RGBA", (_DOTS, _DOTS), _CLEAR)
    pen, middle = ImageDraw.Draw(picture), _DOTS / 2
    for radius, width in ((206, 9), (188, 4), (112, 4)):
        pen.ellipse(
            [middle - radius, middle - radius, middle + radius, middle + radius], outline=_RED, width=width
        )
    corners = []
    for n in range(2 * _POINTS):
        reach, turn = (84 if n % 2 == 0 else 33), math.pi * n / _POINTS
        corners.append((middle + reach * math.sin(turn), middle - reach * math.cos(turn)))
    pen.polygon(corners, fill=_RED)
    return picture
