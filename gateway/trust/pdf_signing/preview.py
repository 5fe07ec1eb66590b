"""Draws a page as it will look, without being a reader of PDFs. In: what stands on the page, the placement, the seal. Out:
a PNG: what is there already as grey blocks, what will be put there as it is, within a frame."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from gateway.domain.pdf_signing import Area, PageView, Placement
from gateway.trust.pdf_signing.type_setting import LEADING, font

DOTS_PER_INCH = 100
_MOST_DOTS = 4000  # the longer side of the picture
_PAPER, _THERE, _FRAME, _INK = (255, 255, 255), (205, 205, 205), (200, 30, 30), (0, 0, 0)


def draw(view: PageView, placement: Placement, seal: Image.Image | None) -> bytes:
    """The page at 100 dots to the inch, less for a very large one."""
    scale = min(DOTS_PER_INCH / 72, _MOST_DOTS / max(view.size.width, view.size.height))
    paper = Image.new(
        "RGB", (max(1, round(view.size.width * scale)), max(1, round(view.size.height * scale))), _PAPER
    )
    pen = ImageDraw.Draw(paper)
    for each in view.taken:
        pen.rectangle(_box(each, scale), fill=_THERE)
    if placement.image is not None and seal is not None:
        left, top, right, bottom = _box(placement.image, scale)
        small = seal.resize((max(1, right - left), max(1, bottom - top)))
        paper.paste(small, (left, top), small)
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
