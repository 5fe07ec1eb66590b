"""Sheets of a PDF: titles stand on each, no row is lost or cut, and the same rows give the same file."""

from __future__ import annotations

from io import BytesIO

import pypdfium2

from gateway_office.pdf_sheets import PdfSheets, SheetColumn

COLUMNS = (SheetColumn(title="Số đến", share=1), SheetColumn(title="Trích yếu nội dung", share=6))


def _book(*rows: tuple[str, str]) -> bytes:
    out = BytesIO()
    sheets = PdfSheets(out, "Sổ", "Sở Mẫu", across=True)
    sheets.table(COLUMNS, places=True)
    for row in rows:
        sheets.row(row)
    sheets.close()
    return out.getvalue()


def _texts(pdf: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [" ".join(page.get_textpage().get_text_range().split()) for page in document]
    finally:
        document.close()


def test_titles_stand_on_each_sheet_with_its_number() -> None:
    texts = _texts(_book(*((str(n), f"Văn bản số {n}") for n in range(100))))

    assert len(texts) > 3
    for n, text in enumerate(texts, start=1):
        assert text.startswith("Số đến Trích yếu nội dung (1) (2)")
        assert text.endswith(f"Trang {n}/ {len(texts)}")
    assert [sum(f"Văn bản số {n} " in f"{text} " for text in texts) for n in range(100)] == [1] * 100


def test_a_row_that_is_higher_than_a_sheet_goes_on_with_every_word() -> None:
    words = [f"chữ{n}" for n in range(3_000)]
    texts = _texts(_book(("1", "Ngắn"), ("2", " ".join(words)), ("3", "Hết")))

    assert len(texts) > 2
    printed = " ".join(texts).split()
    assert [word for word in printed if word.startswith("chữ")] == words
    assert "Hết" in printed


def test_a_word_that_is_wider_than_its_column_is_broken_and_complete() -> None:
    (text,) = _texts(_book(("0" * 90, "Một")))

    assert "".join(text.split()).count("0") == 90


def test_the_same_rows_give_the_same_file() -> None:
    assert _book(("1", "Một")) == _book(("1", "Một"))
