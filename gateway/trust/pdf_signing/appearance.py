"""Draws the appearance of a signature on the page: the image of the seal (R24), lines of text, and a preview of the
page. In: a placement, a PNG, paragraphs, the frame of the page. Out: a form that is upright on the page, with the used
letters of the font embedded; or a PNG of the page with its present content as grey blocks. The form belongs to the
signature's field, and the content of the page is not touched, so that earlier signatures stay valid. The font is
Liberation Serif, which has the widths of Times New Roman (R24) and all Vietnamese letters, and may be redistributed. An
image unlike a seal on paper is refused: not transparent, not red, or of the wrong size."""

from __future__ import annotations

import io
import logging
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from fontTools import (
    subset,
    ttLib,
)
from fontTools.ttLib.scaleUpem import scale_upem
from PIL import Image, ImageDraw, ImageFont
from pyhanko.pdf_utils.content import AppearanceContent, ResourceType
from pyhanko.pdf_utils.font.opentype import GlyphAccumulator
from pyhanko.pdf_utils.generic import ArrayObject, NumberObject, StreamObject, pdf_name
from pyhanko.pdf_utils.images import pil_image
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.stamp import BaseStamp, BaseStampStyle

from gateway.domain.pdf import POINTS_PER_MM, Area, Layout, PageView, Placement, Size
from gateway.domain.text import nfc
from gateway.errors import Clash

FONT = Path(__file__).parent.parent / "fonts" / "LiberationSerif-Regular.ttf"
LEADING = 1.15
ASCENT, DESCENT = 0.891, 0.216  # of the font, in type sizes
_MOST_CHARACTERS = 400
_MEASURED_AT = 1000
LARGEST_SEAL = 4 * 1024 * 1024
MOST_SEAL_PIXELS = 4_000_000
LEAST_SEAL_MM, MOST_SEAL_MM = 20.0, 60.0
USUAL_SEAL_MM = 36.0  # where the file states no resolution
_SOLID = 200
_MM_PER_INCH = 25.4
DOTS_PER_INCH = 100
_MOST_DOTS = 4000  # the longer side of the picture
_PAPER, _OCCUPIED, _FRAME, _INK = (255, 255, 255), (205, 205, 205), (200, 30, 30), (0, 0, 0)


def set_text(paragraphs: Sequence[str], type_size: float, width: float) -> Layout:
    """Return the paragraphs set in lines no wider than `width`, except for a single word that is wider."""
    lines = tuple(line for p in paragraphs for line in _lines(_clean(p), type_size, width))
    widest = max((width_of(line, type_size) for line in lines), default=0.0)
    high = (len(lines) - 1) * type_size * LEADING + type_size * (ASCENT + DESCENT) if lines else 0.0
    return Layout(lines=lines, type_size=type_size, size=Size(width=widest, height=high))


def width_of(text: str, type_size: float) -> float:
    return float(font(_MEASURED_AT).getlength(text)) * type_size / _MEASURED_AT


@cache
def font(pixels: float) -> ImageFont.FreeTypeFont:
    """Return the font at a size in pixels, for measuring and for previews."""
    return ImageFont.truetype(str(FONT), pixels, layout_engine=ImageFont.Layout.BASIC)


def font_of(lines: Sequence[str]) -> bytes:
    """Return the font cut to the letters of these lines, at 1000 units per em, as the PDF library needs it."""
    return _font_with("".join(sorted({letter for line in lines for letter in line})))


@lru_cache(maxsize=16)
def _font_with(letters: str) -> bytes:
    """Return the font cut to these letters; cached, because an agency's seals have nearly the same text every day."""
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it warns of tables that no reader needs
    typeface = ttLib.TTFont(FONT)
    options = subset.Options(
        hinting=False, layout_features=[], drop_tables=["FFTM", "GPOS", "GSUB", "GDEF", "kern"]
    )
    options.name_IDs = [*range(7)]
    subsetter = subset.Subsetter(options=options)
    subsetter.populate(text=letters)
    subsetter.subset(typeface)
    scale_upem(typeface, 1000)
    buffer = BytesIO()
    typeface.save(buffer)
    typeface.close()
    return buffer.getvalue()


def _clean(text: str) -> str:
    """Return the text as one line without control characters or direction marks, in composed form."""
    composed = nfc(text)
    letters = (" " if c.isspace() else c for c in composed if not _is_hidden(c))
    return " ".join("".join(letters).split())[:_MOST_CHARACTERS]


def _is_hidden(sign: str) -> bool:
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


def read_seal(content: bytes) -> Image.Image:
    """Return the image with transparency. Raise Clash when it cannot serve as a seal."""
    if len(content) > LARGEST_SEAL:
        raise _unfit_seal(f"has {len(content)} bytes, more than {LARGEST_SEAL}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the library only warns of a too large image
            image = Image.open(io.BytesIO(content), formats=("PNG",))
            if image.width * image.height > MOST_SEAL_PIXELS:
                raise _unfit_seal(f"has {image.width} x {image.height} dots")
            picture = image.convert("RGBA")
    except Clash:
        raise
    except Exception as why:  # the library's errors for a damaged picture have no common class
        raise _unfit_seal("is no PNG that can be read") from why
    _must_look_like_a_seal(picture)
    picture.info["dpi"] = image.info.get("dpi", (0, 0))
    return picture


def seal_size(picture: Image.Image) -> Size:
    """Return its real size, by its resolution, else by the usual width of a seal. Raise Clash for a wrong size."""
    dpi = float(picture.info.get("dpi", (0, 0))[0] or 0)
    wide = picture.width / dpi * _MM_PER_INCH if dpi > 1 else USUAL_SEAL_MM
    if not LEAST_SEAL_MM <= wide <= MOST_SEAL_MM:
        raise _unfit_seal(f"is {wide:.0f} mm wide; a seal has {LEAST_SEAL_MM:.0f} to {MOST_SEAL_MM:.0f}")
    width = wide * POINTS_PER_MM
    return Size(width=width, height=width * picture.height / picture.width)


def _must_look_like_a_seal(picture: Image.Image) -> None:
    small = picture.resize((64, 64))
    dots = [dot for dot in small.get_flattened_data() if isinstance(dot, tuple)]
    solid = [dot for dot in dots if dot[3] >= _SOLID]
    if len(solid) > 0.9 * len(dots):
        raise _unfit_seal("is not transparent: it would hide the personal signature")
    if not solid:
        raise _unfit_seal("is empty")
    red, green, blue = (sum(dot[n] for dot in solid) / len(solid) for n in range(3))
    if red < 1.5 * max(green, blue, 1):
        raise _unfit_seal("is not red")


def _unfit_seal(why: str) -> Clash:
    return Clash(
        f"the image of the seal {why}",
        code="SEAL-IMAGE",
        hint="scan the seal in red, make its ground transparent, and save it as PNG with its dots to the inch",
    )


@dataclass(frozen=True)
class Look(BaseStampStyle):
    """Appearance of our signatures, as the PDF library takes it."""

    border_width: int = 0
    placement: Placement = field(kw_only=True)
    picture: Image.Image | None = None
    matrix: Sequence[int] = (1, 0, 0, 1, 0, 0)

    def create_stamp(self, writer: BasePdfFileWriter, box: BoxConstraints, text_params: Any) -> BaseStamp:
        return _Drawing(writer, self)


class _Drawing(BaseStamp):
    def __init__(self, writer: BasePdfFileWriter, look: Look) -> None:
        self._look = look
        self._placement = look.placement
        area = self._placement.area
        super().__init__(writer, look, BoxConstraints(width=area.width, height=area.height))

    def render(self) -> bytes:
        return b"\n".join((b"q", *self._image(), *self._text(), b"Q"))

    def as_form_xobject(self) -> StreamObject:
        form = AppearanceContent.as_form_xobject(self)
        # Readers rotate the form with the page; this matrix rotates it back.
        form[pdf_name("/Matrix")] = ArrayObject(
            NumberObject(n)  # type: ignore[no-untyped-call]  # of the library
            for n in self._look.matrix
        )
        return form

    def _image(self) -> Iterator[bytes]:
        at, picture = self._placement.image, self._look.picture
        if at is None or picture is None:
            return
        self.set_resource(ResourceType.XOBJECT, pdf_name("/Seal"), pil_image(picture, self._ensure_writer))
        x, y = self._inside(at)
        yield f"q {at.width:.3f} 0 0 {at.height:.3f} {x:.3f} {y:.3f} cm /Seal Do Q".encode()

    def _text(self) -> Iterator[bytes]:
        layout, at = self._placement.layout, self._placement.text
        if not layout.lines:
            return
        size = layout.type_size
        engine = GlyphAccumulator(self._ensure_writer, BytesIO(font_of(layout.lines)), size)
        self.set_resource(ResourceType.FONT, pdf_name("/Serif"), engine.as_resource())
        x, y = self._inside(at)
        baseline = y + at.height - ASCENT * size
        for line in layout.lines:
            indent = (at.width - width_of(line, size)) / 2 if self._placement.image is not None else 0.0
            start = f"BT 0 0 0 rg /Serif {size:g} Tf {x + indent:.3f} {baseline:.3f} Td ".encode()
            yield start + engine.shape(line).graphics_ops + b" ET"
            baseline -= LEADING * size

    def _inside(self, part: Area) -> tuple[float, float]:
        """Return left and bottom of a part, measured from the lower left corner of the whole area."""
        area = self._placement.area
        return part.left - area.left, area.bottom - part.bottom


def draw_preview(view: PageView, placement: Placement, seal: Image.Image | None) -> bytes:
    """Return the preview of the page as PNG, at 100 dots per inch, fewer for a very large page."""
    scale = min(DOTS_PER_INCH / 72, _MOST_DOTS / max(view.size.width, view.size.height))
    paper = Image.new(
        "RGB", (max(1, round(view.size.width * scale)), max(1, round(view.size.height * scale))), _PAPER
    )
    pen = ImageDraw.Draw(paper)
    for area in view.occupied:
        pen.rectangle(_box(area, scale), fill=_OCCUPIED)
    if placement.image is not None and seal is not None:
        x0, y0, x1, y1 = _box(placement.image, scale)
        small = seal.resize((max(1, x1 - x0), max(1, y1 - y0)))
        paper.paste(small, (x0, y0), small)
    layout, letters = placement.layout, font(placement.layout.type_size * scale)
    for n, line in enumerate(layout.lines):
        at = (placement.text.left * scale, (placement.text.top + n * layout.type_size * LEADING) * scale)
        pen.text(at, line, fill=_INK, font=letters)
    pen.rectangle(_box(placement.area, scale), outline=_FRAME)
    content = io.BytesIO()
    paper.save(content, "PNG")
    return content.getvalue()


def _box(area: Area, scale: float) -> tuple[int, int, int, int]:
    return (
        round(area.left * scale),
        round(area.top * scale),
        round(area.right * scale),
        round(area.bottom * scale),
    )
