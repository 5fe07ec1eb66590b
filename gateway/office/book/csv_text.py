"""Writes one table as comma-separated text, row by row. In: titles and rows. Out: UTF-8 with a byte order mark, so that
Excel shows accents; what a table program would run is quoted away."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date

from gateway.domain.book import Cell
from gateway.office.book.cells import clean, is_formula_like

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def first_line(titles: Sequence[str]) -> bytes:
    return BYTE_ORDER_MARK + line(titles)


def line(cells: Sequence[Cell]) -> bytes:
    """One record of RFC 4180."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow([_told(each) for each in cells])
    return text.getvalue().encode()


def _told(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, date):
        return value.strftime("%d/%m/%Y")
    if isinstance(value, int):
        return str(value)
    words = clean(value)
    return f"'{words}" if is_formula_like(value) or is_formula_like(words) else words
