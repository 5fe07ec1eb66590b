"""Reads the first sheet of a workbook (XLSX) as rows of text. In: bytes of unknown origin. Out: its cells as text, dates
as 2031-03-04, and the number of formulas, whose last stored values are used without calculation. Every part is bounded
while it is unpacked, and XML with a document type or an entity is refused. Pure."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final
from xml.parsers import expat

from gateway.errors import BadForm

MOST_PARTS = 2_000
MOST_BYTES = 64 * 1024 * 1024  # bytes of one part, unpacked
MOST_ROWS = 150_000
MOST_COLUMNS = 60
MOST_CELLS = 2_000_000
LONGEST_CELL = 2_000
MOST_STRINGS = 1_000_000
_PIECE = 256 * 1024
_FIRST_DAY = date(1899, 12, 30)
_LAST_SERIAL = 2_958_465  # 9999-12-31
_DATES: Final = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\[\]]*\]')
_WHOLE_NUMBER = re.compile(r"-?[0-9]+\.0+")
_CELL = re.compile(r"([A-Z]{1,3})[0-9]+")
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    OverflowError,
)
CODE = "GW-WORKBOOK"


Rows = Sequence[Sequence[str]]


def first_sheet(raw: bytes) -> tuple[Rows, int]:
    """Return the rows with content, each up to its last filled cell, and the number of formulas. BadForm for a file that
    is no workbook, or exceeds a limit."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if len(archive.infolist()) > MOST_PARTS:
                raise _refusal("it has too many parts")
            book = _Book(archive)
            return book.read()
    except _DAMAGED as why:
        raise _refusal("it is no workbook of the form XLSX, or is damaged") from why
    except expat.ExpatError as why:
        raise _refusal("a part of it is no XML") from why


def _refusal(why: str) -> BadForm:
    return BadForm(f"the workbook cannot be read: {why}", code=CODE)


class _Book:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = set(archive.namelist())

    def read(self) -> tuple[Rows, int]:
        path, is_1904 = self._sheet_path()
        strings, dates = _Strings(), _Styles()
        for name, reader in (("xl/sharedStrings.xml", strings), ("xl/styles.xml", dates)):
            if name in self._names:
                self._parse(name, reader)
        cells = _Cells(strings.texts, dates.are_dates(), 1462 if is_1904 else 0)
        self._parse(path, cells)
        return cells.rows, cells.formulas

    def _sheet_path(self) -> tuple[str, bool]:
        """Return the path of the first sheet in the order of the tabs, and whether its dates count from 1904."""
        book, relations = _Workbook(), _Relations()
        if "xl/workbook.xml" not in self._names or "xl/_rels/workbook.xml.rels" not in self._names:
            raise _refusal("it is no workbook of the form XLSX")
        self._parse("xl/workbook.xml", book)
        self._parse("xl/_rels/workbook.xml.rels", relations)
        target = relations.targets.get(book.first, "")
        path = posixpath.normpath(target.lstrip("/") if target.startswith("/") else f"xl/{target}")
        if path not in self._names:
            raise _refusal("it has no sheet")
        return path, book.is_1904

    def _parse(self, name: str, reader: _PartListener) -> None:
        """Parse a part piece by piece, counting the unpacked bytes instead of trusting the archive's own figures."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _no_doctype
        parser.EntityDeclHandler = _no_doctype
        parser.StartElementHandler = lambda tag, attributes: reader.start(tag.rpartition(" ")[2], attributes)
        parser.EndElementHandler = lambda tag: reader.end(tag.rpartition(" ")[2])
        parser.CharacterDataHandler = reader.text
        size = 0
        with self._archive.open(name) as part:
            while piece := part.read(_PIECE):
                size += len(piece)
                if size > MOST_BYTES:
                    raise _refusal(f"a part of it has more than {MOST_BYTES // 1024 // 1024} MB unpacked")
                parser.Parse(piece, False)
        parser.Parse(b"", True)


def _no_doctype(*_: object) -> None:
    raise _refusal("its XML has a document type")


class _PartListener:
    """Receiver of a part's events, element by element."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None: ...

    def end(self, tag: str) -> None: ...

    def text(self, text: str) -> None: ...


class _Workbook(_PartListener):
    def __init__(self) -> None:
        self.first, self.is_1904 = "", False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "sheet" and not self.first:
            self.first = next(
                (value for name, value in attributes.items() if name.endswith("relationships id")), ""
            )
        if tag == "workbookPr":
            self.is_1904 = attributes.get("date1904") in ("1", "true")


class _Relations(_PartListener):
    def __init__(self) -> None:
        self.targets: dict[str, str] = {}

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            self.targets[attributes.get("Id", "")] = attributes.get("Target", "")


class _Texts(_PartListener):
    """Collects one text after the other, without the phonetic reading (rPh) of syllables."""

    def __init__(self, *, values: bool) -> None:
        self._values = values
        self._takes = self._in_reading_aid = False
        self._begin()

    def _begin(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "rPh":
            self._in_reading_aid = True
        self._takes = (tag == "t" and not self._in_reading_aid) or (tag == "v" and self._values)

    def end(self, tag: str) -> None:
        self._takes = False
        if tag == "rPh":
            self._in_reading_aid = False

    def text(self, text: str) -> None:
        if self._takes and self._length <= LONGEST_CELL:
            self._length += len(text)
            self._parts.append(text)


class _Strings(_Texts):
    """Shared texts, which cells name by number."""

    def __init__(self) -> None:
        super().__init__(values=False)
        self.texts: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        super().start(tag, attributes)
        if tag == "si":
            self._begin()

    def end(self, tag: str) -> None:
        super().end(tag)
        if tag == "si":
            if len(self.texts) >= MOST_STRINGS:
                raise _refusal("it has too many texts")
            self.texts.append("".join(self._parts))


class _Styles(_PartListener):
    """Cell formats, and which of them show a number as a date."""

    def __init__(self) -> None:
        self._own: dict[int, str] = {}
        self._cells: list[int] = []
        self._inside = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "numFmt":
            self._own[int(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", "")
        elif tag == "cellXfs":
            self._inside = True
        elif tag == "xf" and self._inside:
            self._cells.append(int(attributes.get("numFmtId", "0")))

    def end(self, tag: str) -> None:
        if tag == "cellXfs":
            self._inside = False

    def are_dates(self) -> list[bool]:
        return [self._is_date(number) for number in self._cells]

    def _is_date(self, format: int) -> bool:
        code = _QUOTED.sub("", self._own.get(format, "")).lower()
        return format in _DATES if format not in self._own else "d" in code or "yy" in code


class _Cells(_Texts):
    def __init__(self, strings: list[str], dates: list[bool], shift: int) -> None:
        super().__init__(values=True)
        self.rows: list[tuple[str, ...]] = []
        self.formulas = 0
        self._strings, self._dates, self._shift = strings, dates, shift
        self._row: list[str] = []
        self._kind, self._style, self._column, self._count = "", 0, 0, 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        super().start(tag, attributes)
        if tag == "row":
            self._row = []
        elif tag == "c":
            self._begin()
            self._kind, self._style = attributes.get("t", "n"), int(attributes.get("s", "0"))
            self._column = _column(attributes.get("r", ""), len(self._row))
        elif tag == "f":
            self.formulas += 1

    def end(self, tag: str) -> None:
        super().end(tag)
        if tag == "c":
            self._ends_cell()
        elif tag == "row":
            while self._row and not self._row[-1]:
                self._row.pop()
            if self._row:
                self.rows.append(tuple(self._row))
            if len(self.rows) > MOST_ROWS:
                raise _refusal(f"it has more than {MOST_ROWS} rows")

    def _ends_cell(self) -> None:
        text = self._value("".join(self._parts))
        self._count += 1
        if self._count > MOST_CELLS:
            raise _refusal(f"it has more than {MOST_CELLS} cells")
        if not text:
            return
        if self._column >= MOST_COLUMNS:
            raise _refusal(f"it has more than {MOST_COLUMNS} columns")
        if len(text) > LONGEST_CELL:
            raise _refusal(f"a cell has more than {LONGEST_CELL} characters")
        self._row += [""] * (self._column + 1 - len(self._row))
        self._row[self._column] = text

    def _value(self, text: str) -> str:
        match self._kind:
            case "s":
                at = int(text) if text.isascii() and text.isdigit() else -1
                if not 0 <= at < len(self._strings):
                    raise _refusal("a cell names a text that is not there")
                return self._strings[at]
            case "n":
                return self._number(text)
            case "e":
                return ""
        return text

    def _number(self, text: str) -> str:
        """Return a number as text: as a date where its format shows one, and without a point where it is whole."""
        is_date = self._style < len(self._dates) and self._dates[self._style]
        if is_date and text:
            days = int(float(text)) + self._shift
            if 0 < days <= _LAST_SERIAL:
                return (_FIRST_DAY + timedelta(days=days)).isoformat()
        return text.partition(".")[0] if _WHOLE_NUMBER.fullmatch(text) else text


def _column(place: str, following: int) -> int:
    """Return a cell's column from 0; a cell without a place follows the one before."""
    match = _CELL.fullmatch(place)
    if match is None:
        return following
    n = 0
    for letter in match.group(1):
        n = n * 26 + ord(letter) - ord("A") + 1
    return n - 1
