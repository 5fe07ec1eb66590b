"""Files of codes as offices have them come out as one table in UTF-8, with what was done said; others are refused."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from gateway.errors import BadForm
from gateway.policy import code_file
from gateway.policy.code_file import CodeFile, CodeFileForm
from gateway.policy.texts import Letters
from tests.support.cases import Cases

ROWS = [["DANH MỤC MÃ ĐỊNH DANH"], ["Mã định danh", "Tên"], ["Z91.01", "Sở  Y\ntế"], ["Z91.02"]]


def opened(raw: bytes, rows: Sequence[Sequence[str]] = ROWS, formulas: int = 0) -> CodeFile:
    return code_file.open_table(raw, lambda _: (rows, formulas))


def test_csv_in_utf_8_and_bytes_that_nobody_can_tell_come_out_as_they_are_and_old_letters_as_unicode() -> (
    None
):
    text = "Mã định danh;Tên\nZ91;Sở Y tế\n"
    assert opened(text.encode()).csv == text.encode()
    marked = opened(b"\xef\xbb\xbf" + text.encode())
    assert (marked.form, marked.csv, marked.letters) == (CodeFileForm.CSV, text.encode(), None)
    assert opened(text.encode("utf-16")).csv == text.encode()

    raw = b"code;name\nZ91;\x81\xff\xfe\xa0\n"
    assert opened(raw).csv == raw

    table = opened("code;name\r\nZ91;Së Tµi chÝnh\r\nZ92;Së Néi vô\r\n".encode("latin-1"))

    assert table.letters is Letters.TCVN3
    assert table.csv.decode() == "code;name\nZ91;Sở Tài chính\nZ92;Sở Nội vụ\n"
    assert table.samples[0] == ("Z91;Së Tµi chÝnh", "Z91;Sở Tài chính")


def test_a_workbook_is_a_table_without_its_title_and_json_a_list_of_objects() -> None:
    table = opened(b"PK\x03\x04", formulas=3)

    assert (table.form, table.formulas) == (CodeFileForm.XLSX, 3)
    assert table.csv.decode() == "Mã định danh;Tên\nZ91.01;Sở Y tế\nZ91.02;\n"
    old = opened(b"PK\x03\x04", [["code", "name"], ["Z91", "Sôû Noâng nghieäp"]])
    assert (old.letters, old.samples) == (Letters.VNI, (("Sôû Noâng nghieäp", "Sở Nông nghiệp"),))

    rows = [{"code": "Z91", "name": "Sở; “một”"}, {"code": "Z92", "phone": 12, "name": None}]
    for content in (rows, {"agencies": rows, "total": 2}):
        table = opened(json.dumps(content).encode())
        assert table.form is CodeFileForm.JSON
        assert table.csv.decode() == 'code;name;phone\nZ91;"Sở; “một”";\nZ92;;12\n'


def test_what_is_no_table_is_refused(cases: Cases) -> None:
    for raw in (
        b"MZ\x90\x00\x03\x00\x00\x00;code;name\n" + bytes(200),
        b"%PDF-1.7\n\x01\x02;;\n",
        b"\x89PNG\r\n\x1a\n;a;b",
        b"[1, 2]",
        b"[]",
        b'{"name": "x"}',
        b'[{"code": ["Z91"]}]',
        b'[{"code": true}]',
        b'[{"code": "Z91"',
        b"[" * 100_000,
        b"x" * (code_file.LARGEST + 1),
        json.dumps([{f"c{n}": "" for n in range(61)}]).encode(),
    ):
        with cases.case(raw[:60]), pytest.raises(BadForm):
            opened(raw)
