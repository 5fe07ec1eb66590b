"""Scans of papers that a test draws: a page as a picture of so many dots, skewed, with noise of the glass, a red seal over
the signer, or a number handwriting by hand. In: a PDF with text. Out: a JPEG, or a PDF that is nothing but that picture."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pypdfium2
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from gateway.domain.pdf import PageSheet, PdfText
from gateway.trust.page_drawing.drawer import DrawingLimits, ScanBox, is_readable, page_wish
from gateway.trust.pdf_signing.appearance import FONT
from tests.support.letters import COLUMN, Letter, Text, page, paper
from tests.support.pdf_pages import A4
from tests.support.services import missing

_RED = (214, 32, 40)
_PEN = (30, 40, 120)
# Strokes of digits on a field of 4 by 6, as a pen draws them.
_STROKES = {
    "0": ((2, 0), (0.3, 1.6), (0.2, 4.2), (2, 6), (3.7, 4.3), (3.6, 1.5), (2, 0)),
    "1": ((0.6, 1.4), (2.2, 0), (2, 6)),
    "2": ((0.4, 1.3), (1.8, 0), (3.5, 1.2), (2.8, 3), (0.3, 5.9), (3.8, 5.7)),
    "3": ((0.5, 0.5), (2.6, 0.1), (3.3, 1.5), (1.7, 2.8), (3.6, 4.2), (2.4, 6), (0.3, 5.4)),
    "4": ((2.6, 0), (0.2, 3.9), (3.9, 3.8), (2.9, 2.2), (2.7, 6)),
    "5": ((3.6, 0.1), (0.9, 0.2), (0.7, 2.6), (3, 2.7), (3.5, 4.6), (1.9, 6), (0.2, 5.3)),
    "6": ((3, 0), (0.8, 2.6), (0.4, 4.9), (2, 6), (3.5, 4.8), (2.4, 3.2), (0.6, 4.2)),
    "7": ((0.2, 0.3), (3.7, 0.1), (1.5, 6)),
    "8": ((3.2, 0.8), (1.5, 0.1), (0.7, 1.6), (3.4, 4), (2, 6), (0.4, 4.6), (3.2, 1.4)),
    "9": ((3.4, 1.3), (1.7, 0), (0.4, 1.8), (2.2, 3.2), (3.4, 1.2), (3, 6)),
}


def scan(
    pdf: bytes,
    *,
    page: int = 1,
    dots: int = 300,
    skew: float = 0.0,
    noise: int = 0,
    seals: tuple[tuple[float, float], ...] = (),
    handwriting: tuple[str, float, float] | None = None,
    seed: int = 1,
) -> Image.Image:
    """Return a page as a scanner with so many dots per inch sees it. `seals` are the middles of red seals and `handwriting`
    digits of a pen with the place of the first, both in points from the top left corner."""
    document = pypdfium2.PdfDocument(pdf)
    picture: Image.Image = document[page - 1].render(scale=dots / 72).to_pil().convert("RGB")
    document.close()
    for across, down in seals:
        picture = ImageChops.multiply(picture, _sealed(picture.size, across, down, dots / 72))
    if handwriting is not None:
        _write(ImageDraw.Draw(picture), handwriting, dots / 72, random.Random(seed))
    if skew:
        picture = picture.rotate(skew, resample=Image.Resampling.BICUBIC, fillcolor="white")
    if noise:
        specks = _specks(picture.size, noise, seed).convert("RGB")
        picture = ImageChops.add(picture, specks, scale=1.0, offset=-150).filter(
            ImageFilter.GaussianBlur(0.6)
        )
        picture = ImageChops.subtract(picture, Image.new("RGB", picture.size, (12, 12, 16)))
    return picture


def _specks(size: tuple[int, int], spread: int, seed: int) -> Image.Image:
    """Draw noise that is the same each time, for a reading differs with it; Pillow's own follows from all drawn before."""
    chance, side = random.Random(seed), 256
    tile = Image.frombytes(
        "L",
        (side, side),
        bytes(min(255, max(0, round(chance.gauss(128, spread)))) for _ in range(side * side)),
    )
    specks = Image.new("L", size)
    for x in range(0, size[0], side):
        for y in range(0, size[1], side):
            specks.paste(tile, (x, y))
    return specks


def _sealed(size: tuple[int, int], across: float, down: float, scale: float) -> Image.Image:
    """Draw a round seal of 36 mm: two rings, a star, and letters along the ring as strokes."""
    layer = Image.new("RGB", size, "white")
    pen, wide = ImageDraw.Draw(layer), max(1, round(2.2 * scale))
    x, y = across * scale, down * scale
    for radius in (51.0, 34.0):
        box = (x - radius * scale, y - radius * scale, x + radius * scale, y + radius * scale)
        pen.ellipse(box, outline=_RED, width=wide)
    points = []
    for n in range(10):
        radius, turn = (13.0 if n % 2 == 0 else 5.0) * scale, math.pi * n / 5 - math.pi / 2
        points.append((x + radius * math.cos(turn), y + radius * math.sin(turn)))
    pen.polygon(points, fill=_RED)
    for n in range(30):
        turn = 2 * math.pi * n / 30
        ends = [(x + r * scale * math.cos(turn), y + r * scale * math.sin(turn)) for r in (38.0, 47.0)]
        pen.line(ends, fill=_RED, width=wide)
    return layer.filter(ImageFilter.GaussianBlur(0.5))


def _write(
    pen: ImageDraw.ImageDraw, handwriting: tuple[str, float, float], scale: float, hand: random.Random
) -> None:
    digits, across, down = handwriting
    for n, digit in enumerate(digits):
        edge = across + n * 9.5
        points = [
            (
                (edge + (x + hand.uniform(-0.15, 0.15)) * 1.9) * scale,
                (down + (y + hand.uniform(-0.15, 0.15)) * 2.2 - 11) * scale,
            )
            for x, y in _STROKES[digit]
        ]
        pen.line(points, fill=_PEN, width=max(2, round(1.1 * scale)), joint="curve")


def jpeg(picture: Image.Image, quality: int = 75) -> bytes:
    output = io.BytesIO()
    picture.save(output, "JPEG", quality=quality)
    return output.getvalue()


def as_pdf(*pictures: Image.Image) -> bytes:
    """Return a PDF whose pages are nothing but these pictures, as a scanner writes it."""
    output = io.BytesIO()
    dots = pictures[0].width * 72 / A4[0]
    pictures[0].save(output, "PDF", resolution=dots, save_all=True, append_images=pictures[1:], quality=75)
    return output.getvalue()


def seal_beside(lines: list[Text], signer: str) -> tuple[float, float]:
    """Return the middle of a seal that covers the beginning of the signer's name, as a seal must."""
    name = next(line for line in lines if line.words == signer)
    return name.across - 50, name.down - 20


def scanned_letter(letter: Letter, *, is_sealed: bool = False, **look: object) -> Image.Image:
    """Return the scan of a letter of one page."""
    lines = page(letter)
    seals = (seal_beside(lines, letter.signer),) if is_sealed else ()
    return scan(paper([lines]), seals=seals, **look)  # type: ignore[arg-type]  # arguments of `scan`


def stamped(
    picture: Image.Image, word: str, *, dots: int, turn: float = 0.0, down: float = 165.0
) -> Image.Image:
    """Press a red stamp with a frame on the picture, below the number of the document."""
    scale = dots / 72
    layer = Image.new("RGB", picture.size, "white")
    pen, font = ImageDraw.Draw(layer), ImageFont.truetype(str(FONT), round(18 * scale))
    middle, half = (COLUMN * scale, down * scale), font.getlength(word) / 2 + 8 * scale
    pen.text(middle, word, fill=_RED, font=font, anchor="mm")
    frame = (middle[0] - half, middle[1] - 14 * scale, middle[0] + half, middle[1] + 14 * scale)
    pen.rectangle(frame, outline=_RED, width=round(2 * scale))
    return ImageChops.multiply(picture, layer.rotate(turn, fillcolor="white", center=middle))


@contextmanager
def open_box(folder: Path, limits: DrawingLimits | None = None) -> Iterator[ScanBox]:
    """Open the process that reads scans, which is not running yet."""
    need_tesseract()
    box = ScanBox(folder, limits)
    try:
        yield box
    finally:
        box.close()


def need_tesseract() -> None:
    if not is_readable():
        missing("Tesseract's Vietnamese model is not installed; `make test` installs it where it may")


def read_alone(box: ScanBox, content: bytes, kind: str = "pdf") -> PdfText:
    """Return the text of the first page of a file in the process's own folder."""
    path = box._folder / "scan"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    look = box.draw(path, page_wish(kind, 1))
    sheets = tuple(PageSheet(number=n, size=size) for n, size in enumerate(look.sizes, start=1))
    return PdfText(pages=look.pages, sheets=sheets, runs=look.runs, fault=look.fault, detail=look.detail)
