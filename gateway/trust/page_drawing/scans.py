"""Text of pages that are nothing but pictures. In: a file, and the text that its pages have by themselves. Out: the same
text with that of scanned pages, every piece marked as recognised: a suggestion for a person, never a fact. One process
reads one page at a time; without Tesseract's library or its Vietnamese model nothing is read."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from gateway.domain.pdf import Ink, PageLook, PageSheet, PageWish, PdfText, TextRun
from gateway.ports.services import Pool
from gateway.trust.apart import MB
from gateway.trust.page_drawing.drawer import DrawingLimits, PageBox, PageDrawer

LANGUAGE = "vie"
# Debian's folder first; the others are those of other systems.
_FOLDERS = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
)
# More dots cost more and are read no better.
DOTS = 200
# A page takes a second of processor time, and a busy machine ten times as long.
LIMITS = DrawingLimits(seconds=30.0, memory=768 * MB)


def model_folder() -> Path | None:
    """Return the folder with the language's model; None where it is not installed."""
    return next((Path(f) for f in _FOLDERS if Path(f, f"{LANGUAGE}.traineddata").is_file()), None)


@cache
def is_readable() -> bool:
    """Tell whether library and model are installed. It is looked up once: a package that is added needs a new start."""
    return find_spec("tesserocr") is not None and model_folder() is not None


class ScanBox(PageBox):
    """Process that reads scanned pages, as confined as those that draw pages."""

    module = "gateway.trust.page_drawing.scan_child"
    does = ("reading it", "the process that reads scans")

    def __init__(self, folder: Path, limits: DrawingLimits | None = None) -> None:
        super().__init__(folder, limits or LIMITS)

    def end_idle(self) -> None:
        """End the process once it has read its page; the next page starts a new one."""
        with self._turn:
            self._end()


class ScanReader:
    """Reader of scanned pages with one process."""

    def __init__(self, box: ScanBox, pool: Pool) -> None:
        self._pages, self._pool = PageDrawer([box], pool), pool
        self.end_idle, self.close = box.end_idle, box.close

    async def read(self, path: Path, kind: str, page: int) -> PageLook:
        return await self._pages.draw(path, page_wish(kind, page))

    async def complete(self, path: Path, kind: str, text: PdfText) -> PdfText:
        """Add the text of the first and the last page where these have none of their own. A page that cannot be read adds
        nothing."""
        if text.fault is not None:
            return text
        lacking = [
            page
            for page in sorted({1, text.pages or 1})
            if not any(_is_letter(run) for run in text.runs if run.page == page)
        ]
        for page in lacking:
            look = await self.read(path, kind, page)
            if look.fault is None:
                sheets = [sheet for sheet in text.sheets if sheet.number != page]
                sheet = PageSheet(number=page, size=look.sizes[0])
                text = replace(
                    text,
                    pages=text.pages or look.pages,
                    sheets=tuple(sorted([*sheets, sheet], key=lambda s: s.number)),
                    runs=(*text.runs, *look.runs),
                )
        if lacking:  # people bring a scan now and then; meanwhile it takes no memory
            await self._pool.run(self.end_idle)
        return text


def page_wish(kind: str, page: int) -> PageWish:
    return PageWish(kind=kind, page=page, dots=DOTS, recognises=True)


def _is_letter(run: TextRun) -> bool:
    """Tell whether this is text of the page itself; what was added says nothing about it, and rules or dots are no text."""
    return run.ink is not Ink.ADDED and any(map(str.isalpha, run.text))
