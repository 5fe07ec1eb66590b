"""Asks the drawing process (`child`) for a page, within a time limit. In: the path of a file, and a wish. Out: a
`PageLook`. A file that is too large, takes too long or kills the process gets a fault, and the next file a new process.
Each picture is checked before it is passed on. A process draws many files, then it is replaced.

Another process (`scan_child`) reads the text of pages that are nothing but pictures, where Tesseract's library and its
Vietnamese model are installed. In: a file, and the text that its pages have by themselves. Out: the same text with that of
scanned pages, every piece marked as recognised: a suggestion for a person, never a fact."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pydantic import TypeAdapter

from gateway.domain.pdf import DRAWN_KINDS, Ink, PageLook, PageSheet, PageWish, PdfText, TextRun
from gateway.ports.services import Pool
from gateway.trust.apart import MB, KeptProcess, Lent, ReaderProcess, ReadingLimits

_MOST_PICTURE = 8 * MB
PNG = b"\x89PNG\r\n\x1a\n"
LANGUAGE = "vie"
# Debian's folder first; the others are those of other systems.
_FOLDERS = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
)
# More dots cost more and are read no better.
DOTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingLimits(ReadingLimits):
    """Limits for drawing one page."""

    seconds: float = 8.0
    memory: int = 1024 * MB


class PageBox(KeptProcess):
    """Drawing process. It can read only files in `folder` and the fonts."""

    module = "gateway.trust.page_drawing.child"
    max_questions = 500
    area = "PAGE"
    does = ("drawing it", "the process that draws pages")

    def __init__(self, folder: Path, limits: DrawingLimits | None = None) -> None:
        super().__init__(folder, limits or DrawingLimits())

    def draw(self, path: Path, wish: PageWish) -> PageLook:
        """Return the drawn page. Raise StoreFailure when the file cannot be opened."""
        look = self.look(path, {"wish": asdict(wish)}, parse_look, PageLook)
        if look.picture and not is_picture(look.picture, as_png=wish.as_png):
            return PageLook(fault="PAGE-READER", detail="what was drawn is no picture")
        return look

    def _start(self) -> ReaderProcess:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return super()._start()


@cache
def _look() -> TypeAdapter[PageLook]:
    """Return the parser of looks, made once when the first page is drawn."""
    return TypeAdapter(PageLook)


def write_look(look: PageLook) -> bytes:
    """Return a look as one line, as the process answers."""
    bare = _look().dump_python(replace(look, picture=b""), mode="json")
    return json.dumps({"look": bare, "picture": b64encode(look.picture).decode()}).encode()


def parse_look(line: bytes) -> PageLook:
    """Return the look in a line of `write_look`; raise ValueError, KeyError or TypeError for any other."""
    part = json.loads(line)
    return replace(_look().validate_python(part["look"]), picture=b64decode(part["picture"], validate=True))


def is_picture(octets: bytes, *, as_png: bool = False) -> bool:
    """Tell whether these are the first bytes of a WebP picture, or a PNG one, of a plausible size."""
    is_begun = octets.startswith(PNG) if as_png else octets[:4] == b"RIFF" and octets[8:12] == b"WEBP"
    return is_begun and len(octets) <= _MOST_PICTURE


class PageDrawer:
    """Drawer of pages with several drawing processes."""

    def __init__(self, boxes: Sequence[PageBox], pool: Pool) -> None:
        self._boxes = Lent(boxes, pool)

    def can_draw(self, kind: str) -> bool:
        return kind in DRAWN_KINDS

    async def draw(self, path: Path, wish: PageWish) -> PageLook:
        return await self._boxes.run(lambda box: box.draw(path, wish))

    async def warm(self) -> None:
        await self._boxes.run(PageBox.warm)


def model_folder() -> Path | None:
    """Return the folder with the language's model; None where it is not installed."""
    return next((Path(f) for f in _FOLDERS if Path(f, f"{LANGUAGE}.traineddata").is_file()), None)


@cache
def is_readable() -> bool:
    """Tell whether library and model are installed. It is looked up once: a package that is added needs a new start."""
    return find_spec("tesserocr") is not None and model_folder() is not None


def scan_limits() -> DrawingLimits:
    """Return the limits of reading a page: it takes a second of processor time, and a busy machine ten times as long."""
    return DrawingLimits(seconds=30.0, memory=768 * MB)


class ScanBox(PageBox):
    """Process that reads scanned pages, as confined as those that draw pages."""

    module = "gateway.trust.page_drawing.scan_child"
    does = ("reading it", "the process that reads scans")

    def __init__(self, folder: Path, limits: DrawingLimits | None = None) -> None:
        super().__init__(folder, limits or scan_limits())

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
