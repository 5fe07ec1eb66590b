"""Draws what a signature shows: the seal's image, lines of text. In: a placement, an image, the frame of the page. Out: a
form that stands upright on the page, with only the letters it uses of the font. It belongs to the signature's own field:
content of the page is never touched, so that earlier signatures stay valid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image
from pyhanko.pdf_utils.content import AppearanceContent, ResourceType
from pyhanko.pdf_utils.font.opentype import GlyphAccumulator
from pyhanko.pdf_utils.generic import ArrayObject, NumberObject, StreamObject, pdf_name
from pyhanko.pdf_utils.images import pil_image
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.stamp import BaseStamp, BaseStampStyle

from gateway.domain.pdf_signing import Area, Placement
from gateway.trust.pdf_signing.type_setting import ASCENT, LEADING, font_of, width_of


@dataclass(frozen=True)
class Look(BaseStampStyle):
    """How our signatures look, in the terms of the library that writes them."""

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
        # Readers turn the form with the page; this turns it back.
        form[pdf_name("/Matrix")] = ArrayObject(
            NumberObject(each)  # type: ignore[no-untyped-call]  # of the library
            for each in self._look.matrix
        )
        return form

    def _image(self) -> Iterator[bytes]:
        at, picture = self._placement.image, self._look.picture
        if at is None or picture is None:
            return
        self.set_resource(ResourceType.XOBJECT, pdf_name("/Seal"), pil_image(picture, self._ensure_writer))
        left, bottom = self._inside(at)
        yield f"q {at.width:.3f} 0 0 {at.height:.3f} {left:.3f} {bottom:.3f} cm /Seal Do Q".encode()

    def _text(self) -> Iterator[bytes]:
        layout, at = self._placement.layout, self._placement.text
        if not layout.lines:
            return
        size = layout.type_size
        engine = GlyphAccumulator(self._ensure_writer, BytesIO(font_of(layout.lines)), size)
        self.set_resource(ResourceType.FONT, pdf_name("/Serif"), engine.as_resource())
        left, bottom = self._inside(at)
        baseline = bottom + at.height - ASCENT * size
        for line in layout.lines:
            indent = (at.width - width_of(line, size)) / 2 if self._placement.image is not None else 0.0
            start = f"BT 0 0 0 rg /Serif {size:g} Tf {left + indent:.3f} {baseline:.3f} Td ".encode()
            yield start + engine.shape(line).graphics_ops + b" ET"
            baseline -= LEADING * size

    def _inside(self, part: Area) -> tuple[float, float]:
        """Left and bottom of a part, from the lower left corner of the whole."""
        whole = self._placement.area
        return part.left - whole.left, whole.bottom - part.bottom
