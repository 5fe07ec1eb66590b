"""A book that was written as a workbook is read back by the reader of workbooks."""

from __future__ import annotations

import io
from datetime import date

from gateway.edxml import workbook
from gateway_office.book.table_files import XlsxColumn, XlsxWriter


def test_our_own_books_are_read() -> None:
    out = io.BytesIO()
    with XlsxWriter(
        out, "Sổ", [XlsxColumn(title="Số", width=5), XlsxColumn(title="Ngày", width=9)]
    ) as writer:
        writer.add(["Số “12”", date(2026, 11, 20)])
        writer.close()

    rows_read, _ = workbook.first_sheet(out.getvalue())

    assert rows_read == [("Số", "Ngày"), ("Số “12”", "2026-11-20")]
