"""Workbooks as a table program reads them: dates are dates, text is text, nothing is a formula, and every row is there
once whatever people wrote."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from datetime import date, timedelta
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.book import Cell
from gateway_office.book import table_files as safe
from gateway_office.book.table_files import MOST_LETTERS, XlsxColumn, XlsxWriter

NS = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
M = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
COLUMNS = [XlsxColumn(title="Ngày đến", width=12), XlsxColumn(title="Số đến", width=9)]


def write_book(rows: Sequence[Sequence[Cell]], below: Sequence[str] = (), **more: Any) -> zipfile.ZipFile:
    out = BytesIO()
    with XlsxWriter(out, "Sổ đăng ký văn bản đến", COLUMNS) as writer:
        for row in rows:
            writer.add(row, **more)
        writer.close(below)
    return zipfile.ZipFile(out)


def part(book: zipfile.ZipFile, name: str = "xl/worksheets/sheet1.xml") -> ElementTree.Element:
    return ElementTree.fromstring(book.read(name))


def read(book: zipfile.ZipFile) -> list[list[Cell]]:
    """Read the cells as a table program does: by their type and the number format of their style."""
    formats = [
        int(style.attrib["numFmtId"]) for style in part(book, "xl/styles.xml").findall("m:cellXfs/m:xf", NS)
    ]
    rows: list[list[Cell]] = []
    for row in part(book).findall("m:sheetData/m:row", NS):
        cells: list[Cell] = []
        for cell in row.findall("m:c", NS):
            value = cell.find("m:v", NS)
            if cell.get("t") == "inlineStr":
                text = "".join(cell.itertext())
                cells.append(re.sub("_x([0-9A-Fa-f]{4})_", lambda code: chr(int(code[1], 16)), text))
            elif value is None:
                cells.append(None)
            elif formats[int(cell.attrib["s"])] == 164:
                cells.append(date(1899, 12, 30) + timedelta(days=int(value.text or "")))
            else:
                cells.append(int(value.text or ""))
        rows.append(cells)
    return rows


def test_dates_are_dates_and_text_numbers_stay_text() -> None:
    book = write_book([[date(2026, 11, 20), "01"], [None, 12]])

    assert read(book) == [["Ngày đến", "Số đến"], [date(2026, 11, 20), "01"], [None, 12]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", " =1+1"])
def test_what_looks_like_a_formula_is_text_and_says_so(text: str) -> None:
    book = write_book([[text, None]])
    sheet = part(book)
    (cell,) = sheet.findall("m:sheetData/m:row[2]/m:c[1]", NS)
    style = part(book, "xl/styles.xml").findall("m:cellXfs/m:xf", NS)[int(cell.attrib["s"])]

    assert cell.attrib["t"] == "inlineStr"
    assert style.get("quotePrefix") == "1"
    assert sheet.find(".//m:f", NS) is None
    assert read(book)[1][0] == text


def test_header_frozen_filter_and_print_area_cover_the_table() -> None:
    book = write_book([[date(2026, 1, n), str(n)] for n in range(1, 6)], ["Liên tục 1–5, không thiếu số"])
    sheet = part(book)
    pane = sheet.find("m:sheetViews/m:sheetView/m:pane", NS)
    names = {n.attrib["name"]: n.text for n in part(book, "xl/workbook.xml").iter(f"{M}definedName")}

    assert pane is not None
    assert (pane.get("ySplit"), pane.get("state")) == ("1", "frozen")
    assert sheet.find("m:autoFilter", NS).attrib["ref"] == "A1:B6"  # type: ignore[union-attr]
    assert sheet.find("m:mergeCells/m:mergeCell", NS).attrib["ref"] == "A7:B7"  # type: ignore[union-attr]
    assert names == {
        "_xlnm._FilterDatabase": "'Sổ đăng ký văn bản đến'!$A$1:$B$6",
        "_xlnm.Print_Area": "'Sổ đăng ký văn bản đến'!$A$1:$B$7",
        "_xlnm.Print_Titles": "'Sổ đăng ký văn bản đến'!$1:$1",
    }
    setup = sheet.find("m:pageSetup", NS)
    assert setup is not None
    assert (setup.get("paperSize"), setup.get("orientation")) == ("9", "landscape")


def test_the_parts_of_a_sheet_stand_in_the_order_of_the_standard() -> None:
    order = [child.tag.removeprefix(M) for child in part(write_book([["a", "b"]], ["below"]))]

    assert order == [
        *("sheetPr", "sheetViews", "sheetFormatPr", "cols", "sheetData", "autoFilter", "mergeCells"),
        *("pageMargins", "pageSetup", "headerFooter"),
    ]


def test_every_part_is_declared_and_every_relation_leads_to_one() -> None:
    book = write_book([])
    names = set(book.namelist())
    declared = {
        override.attrib["PartName"].lstrip("/")
        for override in part(book, "[Content_Types].xml")
        if "PartName" in override.attrib
    }
    targets = {r.attrib["Target"] for r in part(book, "_rels/.rels")} | {
        "xl/" + r.attrib["Target"] for r in part(book, "xl/_rels/workbook.xml.rels")
    }

    assert declared == targets == {name for name in names if name.endswith(".xml")} - {"[Content_Types].xml"}


def test_struck_lines_are_struck_in_every_cell() -> None:
    book = write_book([[date(2026, 1, 1), "5"]], struck=True)
    styles = part(book, "xl/styles.xml")
    fonts = styles.findall("m:fonts/m:font", NS)
    forms = styles.findall("m:cellXfs/m:xf", NS)
    cells = part(book).findall("m:sheetData/m:row[2]/m:c", NS)

    assert len(cells) == 2
    for cell in cells:
        font = fonts[int(forms[int(cell.attrib["s"])].attrib["fontId"])]
        assert font.find("m:strike", NS) is not None


def test_equal_tables_are_equal_files() -> None:
    first, second = BytesIO(), BytesIO()
    for out in (first, second):
        with XlsxWriter(out, "x", COLUMNS) as writer:
            writer.add(["a", "b"])
            writer.close()

    assert first.getvalue() == second.getvalue()


def test_a_text_too_long_for_a_cell_is_cut_where_all_can_see() -> None:
    (_, row) = read(write_book([["x" * 40_000, "1"]]))

    assert isinstance(row[0], str)
    assert (len(row[0]), row[0][-1]) == (MOST_LETTERS, "…")


cells = st.one_of(
    st.none(),
    st.text(min_size=1, max_size=60),
    st.sampled_from(["_x0041_", "=1+1", "01", "]]>", "<b>&amp;", "\x00\x1f", "a\r\nb"]),
    st.integers(0, 10**9),
    st.dates(date(1900, 3, 1), date(2100, 1, 1)),
)


@given(st.lists(st.tuples(cells, cells), max_size=12))
def test_every_row_is_there_once_whatever_people_wrote(rows: list[tuple[Cell, Cell]]) -> None:
    expected = [
        [safe.clean_text(cell) or None if isinstance(cell, str) else cell for cell in row] for row in rows
    ]

    assert read(write_book(rows))[1:] == expected
