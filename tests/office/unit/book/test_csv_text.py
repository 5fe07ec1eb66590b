"""Comma-separated text: accents survive, no cell is run, every row is there once."""

from __future__ import annotations

import csv
from datetime import date
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_office.book import table_files
from gateway_office.book import table_files as safe


def read(raw: bytes) -> list[list[str]]:
    assert raw.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(StringIO(raw.decode("utf-8-sig"), newline="")))


def test_dates_and_text_are_as_people_read_them() -> None:
    raw = table_files.csv_heading(["Ngày đến", "Số đến"]) + table_files.csv_line([date(2026, 1, 2), "01"])

    assert read(raw) == [["Ngày đến", "Số đến"], ["02/01/2026", "01"]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\x00=1"])
def test_no_cell_begins_like_a_formula(text: str) -> None:
    ((_, cell),) = read(table_files.BYTE_ORDER_MARK + table_files.csv_line(["x", text]))

    assert cell.startswith("'")


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_what_was_written_is_read(texts: list[str]) -> None:
    (row,) = read(table_files.BYTE_ORDER_MARK + table_files.csv_line(texts))

    assert [cell.removeprefix("'") for cell in row] == [
        safe.clean_text(text).removeprefix("'") for text in texts
    ]
