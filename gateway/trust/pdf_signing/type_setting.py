"""Sets text in the one font that marks are written in. In: paragraphs, a size, a width. Out: a `Layout`. The font is
Liberation Serif, which has the widths of Times New Roman (R24) and every Vietnamese letter, and may be shipped."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path

from fontTools import subset, ttLib  # type: ignore[import-untyped]  # ships no types
from fontTools.ttLib.scaleUpem import scale_upem  # type: ignore[import-untyped]  # the same
from PIL import ImageFont

from gateway.domain.pdf_signing import Layout, Size
from gateway.domain.unicode_form import nfc

FONT = Path(__file__).parent.parent / "fonts" / "LiberationSerif-Regular.ttf"
LEADING = 1.15
ASCENT, DESCENT = 0.891, 0.216  # of the font, in parts of its size
_MOST_CHARACTERS = 400
_MEASURED_AT = 1000


def set_text(paragraphs: Sequence[str], type_size: float, width: float) -> Layout:
    """Lines no wider than `width`, where the words allow it."""
    lines = tuple(line for each in paragraphs for line in _lines(_clean(each), type_size, width))
    widest = max((width_of(line, type_size) for line in lines), default=0.0)
    high = (len(lines) - 1) * type_size * LEADING + type_size * (ASCENT + DESCENT) if lines else 0.0
    return Layout(lines=lines, type_size=type_size, size=Size(width=widest, height=high))


def width_of(text: str, type_size: float) -> float:
    return float(font(_MEASURED_AT).getlength(text)) * type_size / _MEASURED_AT


@cache
def font(pixels: float) -> ImageFont.FreeTypeFont:
    """The font at a size in pixels, for measuring and for previews."""
    return ImageFont.truetype(str(FONT), pixels, layout_engine=ImageFont.Layout.BASIC)


def font_of(lines: Sequence[str]) -> bytes:
    """The font with the letters of these lines alone, in thousandths: the library that writes PDFs counts no others."""
    return _font_with("".join(sorted({letter for line in lines for letter in line})))


@lru_cache(maxsize=16)
def _font_with(letters: str) -> bytes:
    """One agency's seals say nearly the same words each day: cutting the font anew is what takes the time."""
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it warns of tables that no reader needs
    whole = ttLib.TTFont(FONT)
    options = subset.Options(
        hinting=False, layout_features=[], drop_tables=["FFTM", "GPOS", "GSUB", "GDEF", "kern"]
    )
    options.name_IDs = [*range(7)]
    some = subset.Subsetter(options=options)
    some.populate(text=letters)
    some.subset(whole)
    scale_upem(whole, 1000)
    written = BytesIO()
    whole.save(written)
    whole.close()
    return written.getvalue()


def _clean(text: str) -> str:
    """One line of letters that are drawn as they are read: no control signs, no marks of direction, composed."""
    composed = nfc(text)
    shown = (" " if each.isspace() else each for each in composed if not _hidden(each))
    return " ".join("".join(shown).split())[:_MOST_CHARACTERS]


def _hidden(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cs", "Cn") and not sign.isspace()


def _lines(text: str, type_size: float, width: float) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and width_of(longer, type_size) > width:
            yield line
            line = word
        else:
            line = longer
    if line:
        yield line
