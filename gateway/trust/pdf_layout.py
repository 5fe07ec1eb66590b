"""Finds positions on a PDF page, as shown and in the PDF's user space: the areas that are occupied, and the text of
pages, each piece with its place. In: a page, or an open file. Out: areas in points from the top-left corner of the page
as shown, rectangles in user space, and the matrix that turns a picture upright; or `PdfText`, in which unreadable
content is a fault or a page marked unread, never an exception. Decides nothing. Only the reading process, which limits
time and memory, reads whole files."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, BinaryIO

from pypdf import PageObject, PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, StreamObject

from gateway import time_source
from gateway.domain.pdf import Area, Ink, PageSheet, PdfText, Size, TextRun
from gateway.trust.pdf import LIBRARY, bounded, open_pdf
from gateway.trust.pdf_drawing import (
    AT_LENGTH,
    IN_PASSING,
    Drawing,
    EnoughError,
    PageLimits,
    Piece,
    resolve,
)

Rect = tuple[float, float, float, float]
# Matrix by rotation that makes a picture upright on the rotated page.
_MATRICES = {
    0: (1, 0, 0, 1, 0, 0),
    90: (0, 1, -1, 0, 0, 0),
    180: (-1, 0, 0, -1, 0, 0),
    270: (0, -1, 1, 0, 0, 0),
}
MOST_HEAD = 20
MOST_TAIL = 3
MOST_RUNS = 20_000
MOST_LETTERS = 200_000
_MOST_MARKS = 50
# Limit of processor time, so that a busy machine reads as much as an idle one.
_SECONDS = 8.0
# A picture that takes more of the page is a scan, and text on it comes from character recognition.
_WHOLE_PAGE = 0.5
# Gaps in type sizes between letters of one word, and between words of one line.
_OVERLAP, _LETTER_GAP, _WORD_GAP = 0.1, 0.15, 0.6
_LONGEST_RUN = 1000
_DEEPEST_TREE = 64
_TEXT_SECONDS = 2.0
_SHOWING = frozenset({"/Widget", "/FreeText", "/Stamp"})
_HIDDEN = 0x02 | 0x20


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFrame:
    """Geometry of one page: its visible box in user space, its clockwise rotation, and points per user unit."""

    box: Rect
    turned: int = 0
    unit: float = 1.0

    @classmethod
    def of_page(cls, page: PageObject) -> PageFrame:
        """Return a page's frame as readers show it: the part of the crop box inside the media box. Raise ValueError
        where nothing is visible."""
        media, crop = corners(page.mediabox), corners(page.cropbox)
        box = (
            max(media[0], crop[0]),
            max(media[1], crop[1]),
            min(media[2], crop[2]),
            min(media[3], crop[3]),
        )
        if box[2] - box[0] < 1 or box[3] - box[1] < 1:
            raise ValueError("the page has no visible box")
        unit = float(page.user_unit)
        return cls(box=box, turned=page.rotation % 360, unit=unit if 0 < unit <= 1000 else 1.0)

    @property
    def size(self) -> Size:
        """Size of the page as shown, in points."""
        width, height = (self.box[2] - self.box[0]) * self.unit, (self.box[3] - self.box[1]) * self.unit
        turned = self.turned in (90, 270)
        return Size(width=height if turned else width, height=width if turned else height)

    @property
    def matrix(self) -> tuple[int, ...]:
        return _MATRICES.get(self.turned, _MATRICES[0])

    def rect(self, area: Area) -> Rect:
        """Return an area of the page as a rectangle in user space."""
        a, b = self._to_user(area.left, area.top), self._to_user(area.right, area.bottom)
        return min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])

    def area(self, rect: Rect) -> Area:
        """Return a rectangle in user space as an area of the page."""
        a, b = self._to_page(rect[0], rect[1]), self._to_page(rect[2], rect[3])
        x, y = min(a[0], b[0]), min(a[1], b[1])
        return Area(left=x, top=y, width=abs(a[0] - b[0]), height=abs(a[1] - b[1]))

    def _to_user(self, x: float, y: float) -> tuple[float, float]:
        x0, y0, x1, y1 = self.box
        right, down = x / self.unit, y / self.unit
        by_turn = {
            90: (x0 + down, y0 + right),
            180: (x1 - right, y0 + down),
            270: (x1 - down, y1 - right),
        }
        return by_turn.get(self.turned, (x0 + right, y1 - down))

    def _to_page(self, x: float, y: float) -> tuple[float, float]:
        x0, y0, x1, y1 = self.box
        by_turn = {90: (y - y0, x - x0), 180: (x1 - x, y - y0), 270: (y1 - y, x1 - x)}
        across, down = by_turn.get(self.turned, (x - x0, y1 - y))
        return across * self.unit, down * self.unit


def corners(box: Any) -> Rect:  # Any: an array of numbers in a sound file
    a, b, c, d = map(float, box.get_object())
    return min(a, c), min(b, d), max(a, c), max(b, d)


def read_text(stream: BinaryIO, seconds: float = _SECONDS) -> PdfText:
    """Return the text of the first and last pages. Bad content becomes a fault, never an error."""
    try:
        with bounded():
            reader = open_pdf(stream)
            if reader is None:
                return PdfText(fault="PDF-UNREADABLE", detail="the file is encrypted")
            return _Reading(time_source.thread_time() + seconds, AT_LENGTH).read(reader)
    except LIBRARY as why:
        return PdfText(fault="PDF-UNREADABLE", detail=f"{type(why).__name__}: {why}"[:500])


def read_page(page: PageObject, seconds: float) -> PdfText:
    """Return the text of one page, within the limits for a document that waits for it; `cut` where they were reached.
    Bad content is no error."""
    return _Reading(time_source.thread_time() + seconds, IN_PASSING).read_one(page)


def first_page(reader: PdfReader, deadline: float) -> PdfText | None:
    """Return the text of an open file's first page, as far as it can be read until the deadline (of `monotonic`); None
    where there is no readable page. Bad content is no error."""
    try:
        page = _first_page(reader)
        seconds = min(_TEXT_SECONDS, deadline - time_source.monotonic())
        return read_page(page, seconds) if page is not None else None
    except (*LIBRARY, MemoryError):
        return None


def _first_page(reader: PdfReader) -> PageObject | None:
    """Return the first page, found by following first kids, with the resources that it inherits. The reader's own list
    of pages is not used: it walks the whole tree, which can be made endless."""
    root = reader.trailer["/Root"].get_object()
    if not isinstance(root, DictionaryObject):
        return None
    node: Any = root["/Pages"]  # Any: pypdf's objects are dictionaries of anything
    resources: Any = None
    for _ in range(_DEEPEST_TREE):
        node = node.get_object()
        if not isinstance(node, DictionaryObject):
            return None
        resources = node.get("/Resources", resources)
        kids = node.get("/Kids")
        if not isinstance(kids, ArrayObject) or not kids:
            break
        node = kids[0]
    page = PageObject(reader)
    page.update(node)
    if resources is not None:
        page[NameObject("/Resources")] = resources
    return page


class _Reading:
    """Reader of pages one after the other, until the deadline or a limit."""

    def __init__(self, deadline: float, limits: PageLimits) -> None:
        self._deadline, self._limits = deadline, limits
        self._runs: list[TextRun] = []
        self._sideways: list[str] = []
        self._letters = 0

    def read(self, reader: PdfReader) -> PdfText:
        count = len(reader.pages)
        numbers = [n for n in range(count) if n < MOST_HEAD or n >= count - MOST_TAIL]
        sheets: list[PageSheet] = []
        cut = len(numbers) < count
        for n in numbers:
            try:
                sheets.append(self._page(reader.pages[n], n + 1))
            except EnoughError:
                cut = True
                break
            except LIBRARY:
                cut = True
        return PdfText(pages=count, sheets=tuple(sheets), runs=tuple(self._runs), cut=cut)

    def read_one(self, page: PageObject) -> PdfText:
        sheets: tuple[PageSheet, ...] = ()
        cut = False
        try:
            sheets = (self._page(page, 1),)
        except (EnoughError, MemoryError):
            cut = True
        except LIBRARY:
            pass
        return PdfText(sheets=sheets, runs=tuple(self._runs), sideways=tuple(self._sideways), cut=cut)

    def _page(self, page: PageObject, number: int) -> PageSheet:
        frame = PageFrame.of_page(page)
        drawn, unread = Drawing(self._deadline, self._limits), False
        try:
            drawn.page(page)
        except LIBRARY:
            unread = True
        except EnoughError:
            self._keep(drawn.pieces, frame, number, Ink.PRINTED)
            raise
        scanned = any(_is_scan(frame, _picture_area(frame, m)) for m in drawn.pictures)
        ink = Ink.RECOGNISED if scanned else Ink.PRINTED
        self._keep(drawn.pieces, frame, number, ink)
        added = Drawing(self._deadline, self._limits)
        try:
            for look, matrix in _looks(page):
                try:
                    added.form(look, page, matrix)
                except LIBRARY:
                    unread = True
        finally:
            self._keep(added.pieces, frame, number, Ink.ADDED)
        unread = unread or drawn.unread or added.unread
        return PageSheet(number=number, size=frame.size, unread=unread)

    def _keep(self, pieces: list[Piece], frame: PageFrame, number: int, ink: Ink) -> None:
        for piece in pieces:
            area = _text_area(frame, piece)
            if not _is_on_page(area, frame) or not piece.text.strip():
                continue
            upright = _area_of(frame, piece.matrix, (0.0, 0.0, 0.0, piece.high)).height
            if upright <= 0:
                self._sideways.append(piece.text)  # text along the edge is no line of the document
                continue
            run = TextRun(
                text=piece.text,
                page=number,
                area=area,
                type_size=round(upright, 2),
                bold=piece.bold,
                ink=Ink.RECOGNISED if piece.invisible else ink,
                shaky=piece.shaky,
            )
            self._take(run)

    def _take(self, run: TextRun) -> None:
        """Add a run, or append it to the last one where it continues that: word processors draw letter by letter. Raise
        EnoughError at the limits."""
        self._letters += len(run.text)
        last = self._runs[-1] if self._runs else None
        if last is not None and (between := _joint(last, run)) is not None:
            self._runs[-1] = replace(
                last,
                text=last.text + between + run.text,
                area=last.area.union(run.area),
                shaky=last.shaky or run.shaky,
            )
            return
        if len(self._runs) >= MOST_RUNS or self._letters > MOST_LETTERS:
            raise EnoughError
        self._runs.append(run)


def _joint(last: TextRun, run: TextRun) -> str | None:
    """Return the text to put between two runs that belong together, nothing or a space; None where they do not."""
    same = (last.page, last.type_size, last.bold, last.ink, last.area.top)
    if same != (run.page, run.type_size, run.bold, run.ink, run.area.top) or len(last.text) > _LONGEST_RUN:
        return None
    gap = (run.area.left - last.area.right) / run.type_size
    if not -_OVERLAP <= gap <= _WORD_GAP or unicodedata.combining(run.text[0]):
        return None
    return " " if gap > _LETTER_GAP and not last.text.endswith(" ") and not run.text.startswith(" ") else ""


def taken_areas(page: PageObject, frame: PageFrame, seconds: float) -> tuple[Area, ...]:
    """Return the areas of text, pictures and form fields, as far as the page can be read in that time; areas are rather
    too large. A scan is left out, because its margin cannot be told from its text. Bad content is no error."""
    drawing = Drawing(time_source.thread_time() + seconds)
    areas: list[Area] = []
    with suppress(EnoughError, *LIBRARY, MemoryError):
        areas += [frame.area(corners(note["/Rect"])) for _, note in widgets(page) if "/Rect" in note]
        drawing.page(page)
    areas += (_text_area(frame, p) for p in drawing.pieces)
    pictures = (_picture_area(frame, p) for p in drawing.pictures)
    areas += (area for area in pictures if not _is_scan(frame, area))
    most = frame.size.width * frame.size.height
    return tuple(area for area in areas if 0 < area.width * area.height <= most)


def annotations_on(page: PageObject) -> Iterator[tuple[Any, DictionaryObject]]:
    """Yield each annotation of the page, preceded by the page's reference to it."""
    listed = resolve(page.get("/Annots"))
    for place in listed if isinstance(listed, ArrayObject) else ():
        note = place.get_object()
        if isinstance(note, DictionaryObject):
            yield place, note


def widgets(page: PageObject) -> Iterator[tuple[Any, DictionaryObject]]:
    """Yield reference and annotation of the form fields on the page; earlier marks and seals are form fields."""
    return ((place, note) for place, note in annotations_on(page) if note.get("/Subtype") == "/Widget")


def look_of(note: DictionaryObject) -> StreamObject | None:
    """Return the form that draws an annotation, or None."""
    look = resolve(note.get("/AP", DictionaryObject()).get_object().get("/N"))
    return look if isinstance(look, StreamObject) else None


def _looks(page: PageObject) -> Iterator[tuple[StreamObject, tuple[float, ...]]]:
    """Yield forms and matrices of the annotations shown on the page, because a number or a date may have been added as
    one."""
    for _, note in islice(annotations_on(page), _MOST_MARKS):
        flags = note.get("/F", 0)
        if note.get("/Subtype") not in _SHOWING or (isinstance(flags, int) and flags & _HIDDEN):
            continue
        if (look := look_of(note)) is not None:
            yield look, _fitting_matrix(note, look)


def _fitting_matrix(note: DictionaryObject, look: StreamObject) -> tuple[float, ...]:
    """Return the matrix that fits the form's box into the annotation's rectangle."""
    x0, y0, x1, y1 = corners(note["/Rect"])
    own = corners(look["/BBox"])
    wide, high = own[2] - own[0], own[3] - own[1]
    across = (x1 - x0) / wide if wide else 1.0
    along = (y1 - y0) / high if high else 1.0
    return (across, 0.0, 0.0, along, x0 - own[0] * across, y0 - own[1] * along)


def _text_area(frame: PageFrame, piece: Piece) -> Area:
    """Return the area of a line of text, with a little room below the baseline for descenders and dots."""
    return _area_of(frame, piece.matrix, (0.0, -0.25 * piece.high, piece.wide, 0.9 * piece.high))


def _picture_area(frame: PageFrame, matrix: tuple[float, ...]) -> Area:
    return _area_of(frame, matrix, (0.0, 0.0, 1.0, 1.0))


def _is_scan(frame: PageFrame, area: Area) -> bool:
    return area.width * area.height > _WHOLE_PAGE * frame.size.width * frame.size.height


def _area_of(frame: PageFrame, matrix: tuple[float, ...], box: Rect) -> Area:
    """Return the area of the page that a box occupies, given in the space of the matrix."""
    a, b, c, d, e, f = matrix
    points = [(x, y) for x in box[::2] for y in box[1::2]]
    across = [x * a + y * c + e for x, y in points]
    along = [x * b + y * d + f for x, y in points]
    area = frame.area((min(across), min(along), max(across), max(along)))
    return Area(
        left=round(area.left, 2),
        top=round(area.top, 2),
        width=round(area.width, 2),
        height=round(area.height, 2),
    )


def _is_on_page(area: Area, frame: PageFrame) -> bool:
    """Tell whether the middle of the area lies on the page: text beside the page is not shown."""
    across, along = area.left + area.width / 2, area.top + area.height / 2
    return 0 <= across <= frame.size.width and 0 <= along <= frame.size.height
