"""Draws the pictures on paper: an agency's seal, a personal signature. In: words, a form. Out: pictures."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw

from gateway.trust.pdf_signing.appearance import font

_DOTS = 425  # 36 mm at 300 dots to the inch
_RED, _BLUE = (200, 16, 32, 255), (24, 58, 180, 255)


def write_seals(folder: Path, codes: Iterable[str]) -> None:
    """Write an image for each agency, without its name; existing files stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for code in codes:
        file = folder / f"{code}.png"
        if not file.exists():
            file.write_bytes(seal_png(""))


def seal_png(words: str) -> bytes:
    """Draw a seal that is visibly made up: two rings, a star, a name around it."""
    seal = Image.new("RGBA", (_DOTS, _DOTS), (0, 0, 0, 0))
    pen = ImageDraw.Draw(seal)
    pen.ellipse((4, 4, _DOTS - 5, _DOTS - 5), outline=_RED, width=9)
    pen.ellipse((92, 92, _DOTS - 93, _DOTS - 93), outline=_RED, width=5)
    pen.polygon(_star(_DOTS / 2, 92, 92 * 0.382), fill=_RED)
    for n, letter in enumerate(text := f"{words.upper()[:44]}   "):
        _letter(seal, letter, 2 * math.pi * n / len(text))
    content = io.BytesIO()
    seal.save(content, "PNG", dpi=(300, 300))
    return content.getvalue()


def hand_image(ratio: float) -> Image.Image:
    """Draw a blue scrawl, as a personal signature looks."""
    high = 200
    wide = max(60, round(high * ratio))
    hand = Image.new("RGBA", (wide, high), (0, 0, 0, 0))
    steps = [n / 120 for n in range(121)]
    points = [
        (wide * (0.08 + 0.84 * t), high * (0.5 + 0.38 * math.sin(19 * t) * math.cos(5 * t) * (1.1 - t)))
        for t in steps
    ]
    ImageDraw.Draw(hand).line(points, fill=_BLUE, width=7, joint="curve")
    return hand


def _letter(seal: Image.Image, letter: str, angle: float) -> None:
    image = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((40, 40), letter, fill=_RED, font=font(46), anchor="mm")
    turned = image.rotate(-math.degrees(angle), resample=Image.Resampling.BICUBIC)
    reach, middle = _DOTS / 2 - 50, _DOTS / 2
    at = round(middle + reach * math.sin(angle) - 40), round(middle - reach * math.cos(angle) - 40)
    seal.alpha_composite(turned, (max(0, at[0]), max(0, at[1])))


def _star(middle: float, far: float, near: float) -> list[tuple[float, float]]:
    """Return the corners of a star of five points, from the uppermost on."""
    turns = [(math.pi * n / 5, near if n % 2 else far) for n in range(10)]
    return [(middle + reach * math.sin(turn), middle - reach * math.cos(turn)) for turn, reach in turns]
