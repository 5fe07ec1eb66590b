"""Reads what signatures show on the first page of a PDF: the mark of an electronic copy stands there (R25). In: an open
file. Out: field name to text, in as far as it is text. Never raises for what the file holds. Runs in the reading process
alone (`child`), which bounds its time and memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from pypdf import PageObject, PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import DictionaryObject, StreamObject

MOST_MARKS = 50
LONGEST = 200
_MOST_STREAM = 1024 * 1024


def on_first_page(stream: BinaryIO) -> dict[str, str]:
    """The words of every signature field that shows there."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings quote content
    try:
        page = PdfReader(stream, strict=False).pages[0]
        return dict(islice(_marks(page), MOST_MARKS))
    except (PyPdfError, ValueError, TypeError, LookupError, AttributeError, RecursionError, ArithmeticError):
        return {}


def _marks(page: PageObject) -> Iterator[tuple[str, str]]:
    for each in page.get("/Annots", ()):
        widget = each.get_object()
        if not isinstance(widget, DictionaryObject) or widget.get("/FT") != "/Sig":
            continue
        shown = widget.get("/AP", DictionaryObject()).get_object().get("/N")
        look = shown.get_object() if shown is not None else None
        if isinstance(look, StreamObject) and len(look.get_data()) <= _MOST_STREAM:
            text = page.extract_xform_text(look)  # type: ignore[arg-type]  # plain streams are as good
            yield str(widget.get("/T", "")), " ".join(text.split())[:LONGEST]
