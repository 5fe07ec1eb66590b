"""Writes A4 sheets as PDF, by the library of reports (reportlab): lines of text, the heading of an office letter, tables
that go over many sheets with their titles repeated, a place for signatures, and "page x of y" on each. In: texts and rows,
as they come; a file to write to. Out: the PDF. Each sheet is written as soon as it is full, and only its place is kept, so
a book of a year takes some tens of megabytes. Everything is worked out at once; the caller provides a thread."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import IO

from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.pdfdoc import (
    PDFCrossReferenceTable,
    PDFDictionary,
    PDFDocument,
    PDFFile,
    PDFIndirectObject,
    PDFName,
    PDFStream,
    PDFTrailer,
)
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.pdfgen.textobject import PDFTextObject

import gateway.trust
from gateway.domain.agency_profile import Letterhead
from gateway.words import labels

_NAME, _FILE = "Serif", Path(gateway.trust.__file__).parent / "fonts" / "LiberationSerif-Regular.ttf"
_MM: float = mm
_MARGIN, _FOOT, _PAD = 15 * _MM, 14 * _MM, 1.2 * _MM
# Lines of text stand so many times their size apart.
_LEADING = 1.2
_TOTAL = "total"
# The font has one weight; its outline drawn with this share of the size looks bold.
_BOLD_OUTLINE = 0.03
_TEXT_SIZE, _CELL_SIZE = 12, 9
_EMBLEM_HEIGHT, _EMBLEM_WIDTH = 15 * _MM, 45 * _MM


class Align(StrEnum):
    LEFT = "left"
    CENTRE = "centre"


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetColumn:
    """Column of a table; `share` is its width beside those of the others."""

    title: str
    share: float
    centred: bool = False


class _ObjectFile(PDFFile):  # type: ignore[misc]  # the library has no types
    """File of PDF objects: each is written at once and forgotten, where the library keeps all of them until the end."""

    def __init__(self, out: IO[bytes], document: PDFDocument) -> None:
        super().__init__(document._pdfVersion)
        self._out, self._document, self._digest = out, document, hashlib.sha256()
        head, self.write = b"".join(self.strings), self._write
        self._write(head)

    def _write(self, content: bytes) -> None:
        self._digest.update(content)
        self._out.write(content)

    def put(self, name: str) -> None:
        """Write a registered object, which nothing changes any more."""
        document = self._document
        text = PDFIndirectObject(name, document.idToObject[name]).format(document)
        document.idToOffset[name] = self.add(text)
        document.idToObject[name] = None

    def end(self) -> str:
        """Write what was not written yet, and the table of places; return the file's SHA-256. The library calls it in place
        of its own writing, once all parts are registered."""
        document = self._document
        document.encrypt.prepare(document)
        root, info = document.Reference(document.Catalog), document.Reference(document.info)
        number = 1
        # Objects may be added while others are written.
        while (name := document.numberToId.get(number)) is not None:
            if name not in document.idToOffset:
                self.put(name)
            number += 1
        table = PDFCrossReferenceTable()
        table.addsection(0, [document.numberToId[n] for n in range(1, number)])
        start = self.add(table.format(document))
        trailer = PDFTrailer(
            startxref=start, Size=number, Root=root, Info=info, Encrypt=None, ID=document.ID()
        )
        self.add(trailer.format(document))
        return self._digest.hexdigest()


class PdfSheets:
    """Writer of one document, whose file is complete after `close`."""

    def __init__(
        self, out: IO[bytes], title: str, author: str, *, lang: str = "vi", across: bool = False
    ) -> None:
        """`across`: the long side lies at the bottom."""
        if _NAME not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(_NAME, str(_FILE)))
        self._size: tuple[float, float] = landscape(A4) if across else A4
        # The same rows give the same bytes at any time, so that two prints can be compared.
        self._lang = lang
        self._canvas = Canvas("", pagesize=self._size, pageCompression=1, invariant=1)
        self._canvas.setTitle(title)
        self._canvas.setAuthor(author)
        self._file = _ObjectFile(out, self._canvas._doc)
        self._sheet, self._has_marks, self._numbered = 1, False, True
        self._columns: Sequence[SheetColumn] = ()
        self._widths: list[float] = []
        self._lengths: dict[str, float] = {}
        self._y = self._top

    @property
    def width(self) -> float:
        return self._size[0] - 2 * _MARGIN

    @property
    def _top(self) -> float:
        return self._size[1] - _MARGIN

    def line(
        self,
        text: str,
        *,
        size: float = _TEXT_SIZE,
        bold: bool = False,
        align: Align = Align.LEFT,
        left: float = 0,
        width: float | None = None,
    ) -> None:
        """Write a text, in as many lines as it needs. `left` and `width` are shares of the sheet's width."""
        wide = self.width * (1 if width is None else width)
        for part in self._wrap(text, wide, size):
            self._need(size * _LEADING)
            self._y -= size * _LEADING
            self._write(part, _MARGIN + left * self.width, wide, size, bold=bold, align=align)

    def space(self, millimetres: float) -> None:
        self._y -= millimetres * _MM

    def keep(self, millimetres: float) -> None:
        """Begin the next sheet where so much does not fit on this one, so that a heading stands above its table."""
        self._need(millimetres * _MM)

    def sheet(self, *, numbered: bool = True) -> None:
        """Begin a new sheet; `numbered` is about the one that ends."""
        self._numbered = numbered
        self._end_sheet()

    def letterhead(self, issuer: Letterhead, today: date, *, below: Sequence[str] = ()) -> None:
        """Write the head of an office letter: the offices at the left, below their emblem and with number and subject below
        them; the country at the right, with place and date."""
        say = partial(labels.say, lang=self._lang)
        day, month = f"{today:%d}", f"{today:%m}"
        place = issuer.place or "……"
        self.emblem(issuer.picture, width=0.45)
        top = self._y
        if issuer.parent:
            self.line(issuer.parent.upper(), size=11, align=Align.CENTRE, width=0.45)
        self.line(issuer.agency.upper(), size=11, bold=True, align=Align.CENTRE, width=0.45)
        self._rule(0.225, 0.12)
        for text in below:
            self.line(text, size=11, align=Align.CENTRE, width=0.45)
        left_end, self._y = self._y, top
        self.line(say("outgoing.slip.country"), size=11, bold=True, align=Align.CENTRE, left=0.45, width=0.55)
        self.line(say("outgoing.slip.motto"), size=12, bold=True, align=Align.CENTRE, left=0.45, width=0.55)
        self._rule(0.725, 0.3)
        date_line = say("account_form.date", place=place, day=day, month=month, year=today.year)
        self.line(date_line, size=11, align=Align.CENTRE, left=0.45, width=0.55)
        self._y = min(left_end, self._y)

    def emblem(self, picture: bytes, *, width: float = 1) -> None:
        """Draw a small PNG picture in the middle of that share of the width; nothing where there is none."""
        if not picture:
            return
        image = ImageReader(io.BytesIO(picture))
        across, down = image.getSize()
        scale = min(_EMBLEM_HEIGHT / down, _EMBLEM_WIDTH / across)
        self._y -= down * scale
        x = _MARGIN + (self.width * width - across * scale) / 2
        self._canvas.drawImage(image, x, self._y, across * scale, down * scale)
        self.space(1)

    def side_by_side(self, left: Sequence[str], right: Sequence[str], *, bold: bool = True) -> None:
        """Write two blocks beside each other, as signatures stand: the first line of each bold."""
        self._need(40 * _MM)
        top, end = self._y, self._y
        for texts, at in ((left, 0.0), (right, 0.55)):
            self._y = top
            for n, text in enumerate(texts):
                is_bold = bold and not n
                self.line(text, size=11, bold=is_bold, align=Align.CENTRE, left=at, width=0.45)
            end = min(end, self._y)
        self._y = end

    def table(self, columns: Sequence[SheetColumn], *, places: bool = False) -> None:
        """Begin a table. Its titles are repeated on each sheet; `places` writes (1), (2) … under them."""
        total = sum(column.share for column in columns)
        self._columns, self._has_marks = columns, places
        self._widths = [self.width * column.share / total for column in columns]
        self._titles()

    def row(self, cells: Sequence[str], *, struck: bool = False, bold: bool = False) -> None:
        """Write a row of the table; one that is too high for the rest of the sheet begins the next, and one that is higher
        than a sheet goes on there."""
        lines = [
            self._wrap(text, width - 2 * _PAD, _CELL_SIZE)
            for text, width in zip(cells, self._widths, strict=True)
        ]
        if max(map(len, lines), default=0) > self._room():
            self._next_sheet()
        while any(lines):
            part = max(self._room(), 1)
            self._cells([texts[:part] for texts in lines], struck=struck, bold=bold)
            lines = [texts[part:] for texts in lines]
            if any(lines):
                self._next_sheet()

    def wide_row(self, text: str) -> None:
        """Write a row of one cell, such as the name of a month."""
        height = _CELL_SIZE * _LEADING + 2 * _PAD
        # Not alone at the foot of a sheet.
        if self._y - 3 * height < _FOOT:
            self._next_sheet()
        self._boxes([self.width], height)
        self._write(text, _MARGIN + _PAD, self.width, _CELL_SIZE, down=_PAD + _CELL_SIZE, bold=True)
        self._y -= height

    def end_table(self) -> None:
        self._columns = ()

    def close(self) -> str:
        """Write the file, and return its SHA-256."""
        sheets = self._sheet
        self._foot()
        self._pack()
        self._canvas.beginForm(_TOTAL)
        self._canvas.setFont(_NAME, 9)
        self._canvas.drawString(0, 0, str(sheets))
        self._canvas.endForm()
        document = self._canvas._doc
        document.format = self._file.end
        digest: str = document.GetPDFData(self._canvas)
        return digest

    # --- parts ---------------------------------------------------------------------------------------------

    def _room(self) -> int:
        """Count the lines of text that a row may still have on this sheet."""
        return int((self._y - _FOOT - 2 * _PAD) // (_CELL_SIZE * _LEADING))

    def _next_sheet(self) -> None:
        self._end_sheet()
        self._titles()

    def _titles(self) -> None:
        titles = [
            self._wrap(column.title, width - 2 * _PAD, _CELL_SIZE)
            for column, width in zip(self._columns, self._widths, strict=True)
        ]
        # A row of two lines stands below them.
        self._need((max(map(len, titles)) + self._has_marks + 2) * _CELL_SIZE * _LEADING + 6 * _PAD)
        self._cells(titles, bold=True, centred=True)
        if self._has_marks:
            self._cells([[f"({n})"] for n in range(1, len(titles) + 1)], centred=True)

    def _cells(
        self,
        cells: Sequence[Sequence[str]],
        *,
        struck: bool = False,
        bold: bool = False,
        centred: bool = False,
    ) -> None:
        height = max(max(map(len, cells), default=1), 1) * _CELL_SIZE * _LEADING + 2 * _PAD
        self._boxes(self._widths, height)
        words = self._begin(_CELL_SIZE)
        x, strokes = _MARGIN + _PAD, []
        for lines, width, column in zip(cells, self._widths, self._columns, strict=True):
            for n, text in enumerate(filter(None, lines)):
                length = self._length(text, _CELL_SIZE)
                is_centred = centred or column.centred
                left = x + (max(width - 2 * _PAD - length, 0) / 2 if is_centred else 0)
                base = self._y - _PAD - _CELL_SIZE * (1 + n * _LEADING)
                words.setTextOrigin(left, base)
                words.textOut(text)
                if struck:
                    strokes.append((left, base + _CELL_SIZE * 0.3, left + length, base + _CELL_SIZE * 0.3))
            x += width
        self._show(words, _CELL_SIZE, bold)
        self._canvas.lines(strokes)
        self._y -= height

    def _begin(self, size: float) -> PDFTextObject:
        words = self._canvas.beginText()
        words.setFont(_NAME, size)
        return words

    def _show(self, words: PDFTextObject, size: float, bold: bool) -> None:
        if not bold:
            self._canvas.drawText(words)
            return
        # How letters are filled goes on after a text, so it is set and taken back around it.
        self._canvas.saveState()
        self._canvas.setLineWidth(size * _BOLD_OUTLINE)
        self._canvas._code.append("2 Tr")
        self._canvas.drawText(words)
        self._canvas.restoreState()

    def _boxes(self, widths: Sequence[float], height: float) -> None:
        bottom, x = self._y - height, _MARGIN
        edges = [(x, y, x + self.width, y) for y in (self._y, bottom)]
        for width in (0.0, *widths):
            x += width
            edges.append((x, self._y, x, bottom))
        self._canvas.setLineWidth(0.4)
        self._canvas.lines(edges)

    def _rule(self, middle: float, share: float) -> None:
        """Draw a short rule below the text, of that share of the width."""
        self._y -= 5
        x, half = _MARGIN + middle * self.width, share * self.width / 2
        self._canvas.setLineWidth(0.6)
        self._canvas.line(x - half, self._y, x + half, self._y)

    def _write(
        self,
        text: str,
        x: float,
        width: float,
        size: float,
        *,
        down: float = 0,
        bold: bool = False,
        align: Align = Align.LEFT,
    ) -> None:
        if not text:
            return
        if align is Align.CENTRE:
            x += max(width - self._length(text, size), 0) / 2
        words = self._begin(size)
        words.setTextOrigin(x, self._y - down)
        words.textOut(text)
        self._show(words, size, bold)

    def _need(self, height: float) -> None:
        if self._y - height < _FOOT:
            self._end_sheet()

    def _end_sheet(self) -> None:
        self._foot()
        self._pack()
        self._sheet += 1
        self._y = self._top

    def _pack(self) -> None:
        """End the sheet and write what was drawn on it."""
        self._canvas.showPage()
        document = self._canvas._doc
        page = document.Pages[-1]
        packed = zlib.compress(page.stream.encode())
        stream = PDFStream(PDFDictionary({"Filter": PDFName("FlateDecode")}), packed)
        page.Contents, page.stream = document.Reference(stream), None
        self._file.put(stream.__InternalName__)

    def _foot(self) -> None:
        if self._numbered:
            text = labels.say("book.sheet", self._lang, n=self._sheet)
            x = self._size[0] - _MARGIN - self._length(f"{text}00000", 9)
            self._canvas.setFont(_NAME, 9)
            self._canvas.drawString(x, 8 * _MM, text)
            self._canvas.saveState()
            self._canvas.translate(x + self._length(text, 9), 8 * _MM)
            self._canvas.doForm(_TOTAL)
            self._canvas.restoreState()
        self._numbered = True

    def _wrap(self, text: str, width: float, size: float) -> list[str]:
        """Break a text into lines: between words, and within a word that is too long."""
        lines: list[str] = []
        space = self._length(" ", size)
        for paragraph in text.split("\n"):
            words, line, used = paragraph.split(), "", 0.0
            for word in words:
                length = self._length(word, size)
                if line and used + space + length > width:
                    lines.append(line)
                    line, used = "", 0.0
                while length > width and len(word) > 1:
                    head = self._head_of(word, width, size)
                    lines.append(word[:head])
                    word = word[head:]
                    length = self._length(word, size)
                line, used = (f"{line} {word}", used + space + length) if line else (word, length)
            lines.append(line)
        return lines

    def _head_of(self, word: str, width: float, size: float) -> int:
        """Return the number of letters of the word that a line holds; one at least."""
        count, used = 0, 0.0
        while count < len(word) and (used := used + self._length(word[count], size)) <= width:
            count += 1
        return max(count, 1)

    def _length(self, text: str, size: float) -> float:
        """Return the width of a text; those of short words are kept."""
        if (length := self._lengths.get(text)) is None:
            length = pdfmetrics.stringWidth(text, _NAME, 1)
            if len(text) < 12 and len(self._lengths) < 20_000:
                self._lengths[text] = length
        return length * size
