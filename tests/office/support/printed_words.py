"""The words and pictures of a printed PDF, for tests that read what a person would read."""

from __future__ import annotations

import pypdfium2


def printed(pdf: bytes) -> str:
    """Return the words of all sheets, with single spaces."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return " ".join(" ".join(page.get_textpage().get_text_range() for page in document).split())
    finally:
        document.close()


def pictures(pdf: bytes) -> list[tuple[int, int]]:
    """Return width and height of each picture on the first sheet, in millimetres."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        bounds = [item.get_bounds() for item in document[0].get_objects([pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])]
        return [(round((x1 - x0) / 72 * 25.4), round((y1 - y0) / 72 * 25.4)) for x0, y0, x1, y1 in bounds]
    finally:
        document.close()
