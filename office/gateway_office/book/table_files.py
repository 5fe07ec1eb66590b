"""Writes one table as an Office Open XML workbook or as comma-separated text, row by row, with one row in memory. In:
columns, rows of cells, a file to write to. Out: the workbook: real dates, text that stays text, a frozen header, a filter
and a print area; or UTF-8 with a byte order mark, so that Excel shows accents. No cell holds text that a table program
would run, or that its format cannot carry."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from types import TracebackType
from typing import IO, Self
from xml.sax.saxutils import escape, quoteattr

from gateway.domain.book import Cell
from gateway.errors import Clash
from gateway.ports.services import Pool

# A table program takes any text that begins so for a formula.
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MOST_ROWS = 1_048_576
MOST_LETTERS = 32_767
_DAY_ZERO = date(1899, 12, 30)
# Excel counts a 29 February 1900 that never was: from here on its days are those of the calendar.
_FIRST_DAY = date(1900, 3, 1)
_SHEET = "xl/worksheets/sheet1.xml"
# A text of this form would be read as one character.
_CODED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OF_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# Positions in `cellXfs` below.
_PLAIN, _HEADER, _TEXT, _DATE, _NUMBER, _QUOTED, _LAST = range(7)
_STRUCK = {_TEXT: 7, _DATE: 8, _NUMBER: 9, _QUOTED: 10}
Piece = Callable[[], Iterable[tuple[Sequence[Cell], bool]]]
"""Makes some rows, each with whether it is struck; called in the pool."""


def is_formula_like(text: str) -> bool:
    """Tell whether text looks like a formula, also behind spaces, which some programs skip."""
    return text.startswith(_STARTS) or text.lstrip().startswith(_STARTS[:4])


def clean_text(text: str) -> str:
    """Remove characters that neither XML nor a person can read."""
    return _CONTROL.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


def csv_heading(titles: Sequence[str]) -> bytes:
    return BYTE_ORDER_MARK + csv_line(titles)


def csv_line(cells: Sequence[Cell]) -> bytes:
    """Write one record of RFC 4180."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(
        [_csv_cell(cell) for cell in cells]
    )
    return text.getvalue().encode()


def _csv_cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, date):
        return value.strftime("%d/%m/%Y")
    if isinstance(value, int):
        return str(value)
    words = clean_text(value)
    return f"'{words}" if is_formula_like(value) or is_formula_like(words) else words


@dataclass(frozen=True, slots=True, kw_only=True)
class XlsxColumn:
    title: str
    width: int


class XlsxWriter:
    """Writer of a workbook: open it, `add` rows, `close` it with the lines below the table; or leave, and the file is no
    workbook. Everything is written at once; the caller provides a thread."""

    def __init__(self, out: IO[bytes], title: str, columns: Sequence[XlsxColumn]) -> None:
        self._zip = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED)
        self._columns = columns
        self._title = title
        self._rows = 0
        self._part("[Content_Types].xml", _content_types())
        self._part("_rels/.rels", _relations(("xl/workbook.xml", "officeDocument")))
        self._part(
            "xl/_rels/workbook.xml.rels",
            _relations(("worksheets/sheet1.xml", "worksheet"), ("styles.xml", "styles")),
        )
        self._part("xl/styles.xml", _styles())
        self._sheet = self._zip.open(_info(_SHEET), "w")
        self._write(_sheet_head(columns))
        self._row([_text_cell(column.title, _HEADER) for column in columns])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._sheet.closed:
            self._sheet.close()
        self._zip.close()

    def add(self, cells: Sequence[Cell], *, struck: bool = False) -> None:
        self._row([_xlsx_cell(cell, struck) for cell in cells])

    def close(self, below: Sequence[str] = ()) -> None:
        last = self._rows
        for text in below:
            self._row([_text_cell(text, _LAST)])
        self._write(_sheet_tail(len(self._columns), last, self._rows))
        self._sheet.close()
        self._part("xl/workbook.xml", _workbook(self._title, len(self._columns), last, self._rows))
        self._zip.close()

    def _row(self, cells: Sequence[tuple[str, str]]) -> None:
        if self._rows >= MOST_ROWS:
            raise Clash(
                f"a sheet holds {MOST_ROWS} rows and the book has more; export it in shorter spans of days"
            )
        self._rows += 1
        placed = (
            f'<c r="{_letter(n)}{self._rows}"{attributes}>{content}</c>'
            for n, (attributes, content) in enumerate(cells)
        )
        self._write(f'<row r="{self._rows}">{"".join(placed)}</row>')

    def _write(self, text: str) -> None:
        self._sheet.write(text.encode())

    def _part(self, name: str, text: str) -> None:
        self._zip.writestr(_info(name), text)


async def write(
    pool: Pool,
    out: IO[bytes],
    form: str,
    title: str,
    columns: Sequence[XlsxColumn],
    pieces: AsyncIterator[Piece],
    below: Callable[[], Sequence[str]] = tuple,
) -> None:
    """Write a table as `xlsx` or `csv`, away from the event loop and a piece at a time: one piece is in memory. `below`
    makes the lines under a workbook's table."""
    if form == "csv":
        out.write(csv_heading([column.title for column in columns]))
        async for piece in pieces:
            await pool.run(partial(_add_rows, piece, lambda cells, struck: out.write(csv_line(cells))))
        return
    with XlsxWriter(out, title, columns) as writer:
        async for piece in pieces:
            await pool.run(partial(_add_rows, piece, lambda cells, struck: writer.add(cells, struck=struck)))
        await pool.run(lambda: writer.close(below()))


def _add_rows(piece: Piece, add: Callable[[Sequence[Cell], bool], object]) -> None:
    for cells, struck in piece():
        add(cells, struck)


def _info(name: str) -> zipfile.ZipInfo:
    """Make a file's entry, always of the same moment, so that equal books are equal files."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _xlsx_cell(value: Cell, struck: bool) -> tuple[str, str]:
    """Return attributes and content of one cell."""
    if value is None or value == "":
        return _text_cell("", _TEXT)
    if isinstance(value, date):
        if value < _FIRST_DAY:
            return _xlsx_cell(value.strftime("%d/%m/%Y"), struck)
        return _styled(_DATE, struck), f"<v>{(value - _DAY_ZERO).days}</v>"
    if isinstance(value, int):
        return _styled(_NUMBER, struck), f"<v>{value}</v>"
    if not (value := clean_text(value)):
        return _text_cell("", _TEXT)
    style = _QUOTED if is_formula_like(value) else _TEXT
    return _text_cell(value, _STRUCK[style] if struck else style)


def _styled(style: int, struck: bool) -> str:
    return f' s="{_STRUCK[style] if struck else style}"'


def _text_cell(text: str, style: int) -> tuple[str, str]:
    """Put text unchanged in the cell itself: it is never a formula, and "01" never a number."""
    if not text:
        return f' s="{style}"', ""
    words = clean_text(text)
    if len(words) > MOST_LETTERS:
        words = words[: MOST_LETTERS - 1] + "…"
    escaped = escape(_CODED.sub("_x005F_", words))
    return f' s="{style}" t="inlineStr"', f'<is><t xml:space="preserve">{escaped}</t></is>'


def _letter(n: int) -> str:
    """Return the column's letter, A to Z: no book has more columns."""
    return chr(ord("A") + n)


def _sheet_head(columns: Sequence[XlsxColumn]) -> str:
    widths = "".join(
        f'<col min="{n}" max="{n}" width="{column.width}" customWidth="1"/>'
        for n, column in enumerate(columns, start=1)
    )
    return (
        f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>'
        '<sheetViews><sheetView workbookViewId="0" tabSelected="1">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        '<selection pane="bottomLeft" activeCell="A2" sqref="A2"/></sheetView></sheetViews>'
        f'<sheetFormatPr defaultRowHeight="15"/><cols>{widths}</cols><sheetData>'
    )


def _sheet_tail(columns: int, last: int, printed: int) -> str:
    end = _letter(columns - 1)
    merged = range(last + 1, printed + 1)
    cells = "".join(f'<mergeCell ref="A{row}:{end}{row}"/>' for row in merged)
    merge = f'<mergeCells count="{len(merged)}">{cells}</mergeCells>' if merged else ""
    return (
        f'</sheetData><autoFilter ref="A1:{end}{last}"/>{merge}'
        '<pageMargins left="0.4" right="0.4" top="0.6" bottom="0.6" header="0.3" footer="0.3"/>'
        '<pageSetup paperSize="9" orientation="landscape" fitToWidth="1" fitToHeight="0"/>'
        "<headerFooter><oddFooter>&amp;R&amp;P/&amp;N</oddFooter></headerFooter></worksheet>"
    )


def _workbook(title: str, columns: int, last: int, printed: int) -> str:
    # A sheet's name: at most 31 characters, and none of these.
    name = re.sub(r"[\\/*?:\[\]']", " ", clean_text(title))[:31].strip() or "1"
    sheet = f"'{name}'"
    end = _letter(columns - 1)
    area, header, filtered = (
        escape(f"{sheet}!{place}") for place in (f"$A$1:${end}${printed}", "$1:$1", f"$A$1:${end}${last}")
    )
    return (
        f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_OF_DOCUMENT}"><sheets>'
        f'<sheet name={quoteattr(name)} sheetId="1" r:id="rId1"/></sheets><definedNames>'
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="0" hidden="1">{filtered}</definedName>'
        f'<definedName name="_xlnm.Print_Area" localSheetId="0">{area}</definedName>'
        f'<definedName name="_xlnm.Print_Titles" localSheetId="0">{header}</definedName>'
        "</definedNames></workbook>"
    )


def _relations(*parts: tuple[str, str]) -> str:
    entries = "".join(
        f'<Relationship Id="rId{n}" Type="{_OF_DOCUMENT}/{kind}" Target="{target}"/>'
        for n, (target, kind) in enumerate(parts, start=1)
    )
    return f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{entries}</Relationships>'


def _content_types() -> str:
    relations = "application/vnd.openxmlformats-package.relationships+xml"
    parts = (
        ("/xl/workbook.xml", "sheet.main"),
        ("/" + _SHEET, "worksheet"),
        ("/xl/styles.xml", "styles"),
    )
    overrides = "".join(
        f'<Override PartName="{name}" ContentType="{_OFFICE}.{kind}+xml"/>' for name, kind in parts
    )
    return (
        f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="{relations}"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )


def _styles() -> str:
    """Write the styles in the order of `_PLAIN` and the others, then those of struck lines."""
    font = '<sz val="11"/><name val="Times New Roman"/><family val="1"/>'
    side = "".join(f'<{edge} style="thin"/>' for edge in ("left", "right", "top", "bottom"))
    wrap = '<alignment vertical="top" wrapText="1"/>'
    centre = '<alignment horizontal="center" vertical="center" wrapText="1"/>'

    def form(number: int, of_font: int, inside: str, *, border: int = 1, more: str = "") -> str:
        return (
            f'<xf numFmtId="{number}" fontId="{of_font}" fillId="0" borderId="{border}" xfId="0" '
            f'applyNumberFormat="1" applyFont="1" applyBorder="1" applyAlignment="1"{more}>{inside}</xf>'
        )

    quoted = ' quotePrefix="1"'
    kinds = [(49, ""), (164, ""), (1, ""), (49, quoted)]
    forms = [
        form(0, 0, "", border=0),
        form(49, 1, centre),
        *(form(number, 0, wrap, more=more) for number, more in kinds),
        form(49, 3, '<alignment vertical="top" wrapText="1"/>', border=0),
        *(form(number, 2, wrap, more=more) for number, more in kinds),
    ]
    return (
        f'{_HEAD}<styleSheet xmlns="{_MAIN}">'
        '<numFmts count="1"><numFmt numFmtId="164" formatCode="dd/mm/yyyy"/></numFmts>'
        f'<fonts count="4"><font>{font}</font><font><b/>{font}</font><font><strike/>{font}</font>'
        f"<font><i/>{font}</font></fonts>"
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="2"><border><left/><right/><top/><bottom/><diagonal/></border>'
        f"<border>{side}<diagonal/></border></borders>"
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
        f'<cellXfs count="{len(forms)}">{"".join(forms)}</cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    )
