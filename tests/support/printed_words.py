"""The words of a printed PDF, for tests that read what a person would read."""

from __future__ import annotations

import pypdfium2


def printed(pdf: bytes) -> str:
    """Return the words of all sheets, with single spaces."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return " ".join(" ".join(page.get_textpage().get_text_range() for page in document).split())
    finally:
        document.close()
