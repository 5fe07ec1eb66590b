"""Workbooks of unknown origin: the first sheet as text, formulas by the value that was kept, and nothing that unpacks
without end or brings a document type."""

from __future__ import annotations

import io
import zipfile

import pytest

from gateway.edxml import workbook
from gateway.errors import BadForm
from tests.support.cases import Cases

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
BOOK = (
    f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets><sheet name="Mã" sheetId="7" r:id="rId9"/>'
    '<sheet name="B" sheetId="8" r:id="rId1"/></sheets></workbook>'
)
LINKS = '<Relationships><Relationship Id="rId1" Target="other.xml"/><Relationship Id="rId9" Target="{0}"/></Relationships>'
STYLES = (
    f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy"/>'
    '<numFmt numFmtId="165" formatCode="0&quot;days&quot;"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs></styleSheet>'
)
STRINGS = (
    f'<sst xmlns="{MAIN}"><si><t>Sở Y tế</t></si><si><r><t>Sở </t></r><r><t>Nội vụ</t></r>'
    "<rPh><t>never</t></rPh></si></sst>"
)


def build(sheet: str, *, strings: str = STRINGS, target: str = "worksheets/s.xml", book: str = BOOK) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", book)
        archive.writestr("xl/_rels/workbook.xml.rels", LINKS.format(target))
        archive.writestr("xl/styles.xml", STYLES)
        archive.writestr("xl/sharedStrings.xml", strings)
        archive.writestr("xl/worksheets/s.xml", sheet)
    return out.getvalue()


def sheet(rows: str) -> str:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def test_cells_are_text_in_their_columns_and_dates_are_days() -> None:
    rows = (
        '<row><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c></row><row/>'
        '<row><c r="A3" s="1"><v>46345</v></c><c r="B3" s="2"><v>46345.5</v></c><c r="C3" s="3"><v>12</v></c>'
        '<c r="D3"><v>7.0</v></c><c t="inlineStr"><is><t>x</t></is></c><c r="F3" t="e"><v>#REF!</v></c></row>'
    )

    rows_read, formulas = workbook.first_sheet(build(sheet(rows)))

    assert rows_read == [("Sở Y tế", "", "Sở Nội vụ"), ("2026-11-19", "2026-11-19", "12", "7", "x")]
    assert formulas == 0


def test_a_formula_gives_the_value_that_was_kept() -> None:
    rows = '<row><c r="A1" t="str"><f>CONCAT("a")</f><v>Z91</v></c><c r="B1"><f>1+1</f></c></row>'

    assert workbook.first_sheet(build(sheet(rows))) == ([("Z91",)], 2)


def test_what_is_no_workbook_or_has_no_end_is_refused(cases: Cases) -> None:
    sheets = {
        "text": '<row><c t="s"><v>99</v></c></row>',
        "column": '<row><c r="CZ1"><v>1</v></c></row>',
        "long": f'<row><c t="str"><v>{"x" * 3000}</v></c></row>',
        "xml": "<row>",
        "number": '<row><c s="1"><v>1e999</v></c></row>',
    }
    books = {name: build(sheet(rows)) for name, rows in sheets.items()}
    books["cut"] = b"PK\x03\x04 and nothing more"
    books["doctype"] = build('<!DOCTYPE a [<!ENTITY b "c">]>' + sheet("<row><c><v>&b;</v></c></row>"))
    books["bomb"] = build(sheet("") + " " * (workbook.MOST_BYTES + 1))
    books["path"] = build(sheet(""), target="../../etc/passwd")
    books["none"] = build(sheet(""), book=f'<workbook xmlns="{MAIN}"/>')
    for name, raw in books.items():
        with cases.case(name):
            with pytest.raises(BadForm) as refused:
                workbook.first_sheet(raw)
            assert refused.value.code == "GW-WORKBOOK"


def test_rows_are_counted_while_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 2)
    row = '<row><c t="str"><v>x</v></c></row>'

    assert len(workbook.first_sheet(build(sheet(row * 2)))[0]) == 2
    with pytest.raises(BadForm):
        workbook.first_sheet(build(sheet(row * 3)))
