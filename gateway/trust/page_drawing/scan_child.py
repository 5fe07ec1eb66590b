"""Reads the words of scanned pages, in a child process as confined as the one that draws pages and apart from it. The model
of the language is loaded before the fences are set up; what arrives from outside reaches Tesseract only as bare grey
pixels, after the page was drawn. In: the drawn page. Out: `TextRun`s with their places, all marked as recognised.

Seals and stamps are red: they are taken out of the picture before its text is read, which makes a name below a seal
legible. They are read by themselves, as added, because a stamp of secrecy is one of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageChops

from gateway.domain.pdf import Area, Ink, TextRun
from gateway.trust.page_drawing import child
from gateway.trust.page_drawing.drawer import LANGUAGE, model_folder

# A stamped page has more red; the specks of a scanner's colours have less.
_RED, _LEAST_RED = 60, 0.0003
_LEAST_SURE, _LEAST_SURE_STAMP = 25, 50
# Parts of the type size, as in `pdf_layout`: heights above and below the baseline, and a gap that begins a column.
_ABOVE, _BELOW, _COLUMN_GAP = 0.9, 0.25, 1.2
_ROW = 0.98  # height of a row of Vietnamese letters with accents and descenders
# Added to the niceness of a child that draws: the machine does everything else first.
_IDLE = 19
_SMALLEST, _LARGEST = 4.0, 72.0


class ScanReading:
    """Tesseract with one language, in one thread, for page after page."""

    def __init__(self, folder: str) -> None:
        # Read when the library is loaded: a second thread would take a core from the delivery of documents.
        os.environ["OMP_THREAD_LIMIT"] = "1"
        import tesserocr

        self._library: Any = tesserocr  # Any: its types are not checked
        self._tesseract = tesserocr.PyTessBaseAPI(path=folder, lang=LANGUAGE, oem=tesserocr.OEM.LSTM_ONLY)
        # Behind the fences no file can be opened for its messages; stderr is discarded already.
        self._tesseract.SetVariable("debug_file", "")
        self.read(Image.new("RGB", (40, 40), "white"), 1, 1.0)  # loads what is loaded at first use

    def read(self, drawn: Image.Image, page: int, scale: float) -> tuple[TextRun, ...]:
        """Return the text in the picture of a page with so many pixels per point."""
        red, green, blue = drawn.convert("RGB").split()
        stamped = ImageChops.subtract(red, ImageChops.lighter(green, blue)).point(_red_to_black)
        # Red ink is nearly white in the red part of the picture; its edges are made so.
        printed = ImageChops.lighter(red, ImageChops.invert(stamped))
        runs = list(self._runs(printed, page, scale, Ink.RECOGNISED))
        if stamped.histogram()[0] > _LEAST_RED * drawn.width * drawn.height:
            runs += self._runs(stamped, page, scale, Ink.ADDED)
        return tuple(runs)

    def _runs(self, grey: Image.Image, page: int, scale: float, ink: Ink) -> Iterator[TextRun]:
        tesseract, level = self._tesseract, self._library.RIL
        modes = self._library.PSM
        tesseract.SetPageSegMode(modes.SPARSE_TEXT if ink is Ink.ADDED else modes.AUTO)
        tesseract.SetImageBytes(grey.tobytes(), grey.width, grey.height, 1, grey.width)
        tesseract.SetSourceResolution(max(70, round(scale * 72)))
        tesseract.Recognize()
        words = tesseract.GetIterator()
        last: TextRun | None = None
        while words is not None:
            run = _run_of(words, level, page, scale, ink)
            if run is not None and last is not None and not words.IsAtBeginningOf(level.TEXTLINE):
                joined = _join(last, run)
                if joined is None:
                    yield last
                last = joined or run
            elif run is not None:
                if last is not None:
                    yield last
                last = run
            if not words.Next(level.WORD):
                break
        if last is not None:
            yield last
        tesseract.Clear()


def _red_to_black(redness: int) -> int:
    return 0 if redness > _RED else 255


def _run_of(words: Any, level: Any, page: int, scale: float, ink: Ink) -> TextRun | None:
    """Return the word at hand, or None for a blank, a speck, or letters that were mere guesses."""
    box, baseline = words.BoundingBox(level.WORD), words.Baseline(level.WORD)
    least = _LEAST_SURE_STAMP if ink is Ink.ADDED else _LEAST_SURE
    if box is None or baseline is None or words.Confidence(level.WORD) < least:
        return None
    text = "".join(sign for sign in words.GetUTF8Text(level.WORD) if sign.isprintable()).strip()
    size = round(words.RowAttributes()["row_height"] / scale * _ROW, 2)
    if not text or not _SMALLEST <= size <= _LARGEST:
        return None
    (_, begin), (_, end) = baseline
    top = (begin + end) / 2 / scale - _ABOVE * size
    area = Area(
        left=box[0] / scale, top=top, width=(box[2] - box[0]) / scale, height=(_ABOVE + _BELOW) * size
    )
    return TextRun(text=text, page=page, area=area, type_size=size, ink=ink)


def _join(last: TextRun, run: TextRun) -> TextRun | None:
    """Return both as one piece of a line; None where a wide gap is between them."""
    if run.area.left - last.area.right > _COLUMN_GAP * last.type_size:
        return None
    area = Area(
        left=last.area.left,
        top=last.area.top,
        width=run.area.right - last.area.left,
        height=last.area.height,
    )
    return TextRun(
        text=f"{last.text} {run.text}", page=last.page, area=area, type_size=last.type_size, ink=last.ink
    )


def main() -> None:
    os.nice(_IDLE)
    child.main(ScanReading(str(model_folder())).read)


if __name__ == "__main__":
    main()
