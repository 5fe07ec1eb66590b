"""Reads the text of a PDF's first page, where it has some (R2). In: an open reader and a deadline. Out: the text as far as
it goes, or nothing: a page of pictures has none, and one that is made to take long is left. Adapter part of `trust.pdf`."""

from __future__ import annotations

import time
from typing import Any

from pypdf import PageObject, PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, NameObject

_LONGEST = 20_000
_DEEPEST = 64
_SECONDS = 2.0
_MOST_STEPS = 50_000
_FAILURES = (PyPdfError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_OTHERS = (AssertionError, NotImplementedError, OSError, MemoryError)


class _EnoughError(Exception):
    """The page takes too long."""


def first_page(reader: PdfReader, deadline: float) -> str:
    """Never raises for bad content."""
    until, steps, kept = min(deadline, time.monotonic() + _SECONDS), 0, list[str]()

    def step(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps > _MOST_STEPS or (steps % 64 == 0 and time.monotonic() > until):
            raise _EnoughError

    def keep(text: str, *_: object) -> None:
        kept.append(text)

    try:
        page = _first(reader)
        if page is not None:
            page.extract_text(visitor_operand_before=step, visitor_text=keep)
    except (_EnoughError, *_FAILURES, *_OTHERS):
        pass  # what was read so far is all that there is
    return "".join(kept)[:_LONGEST]


def _first(reader: PdfReader) -> PageObject | None:
    """Down the first branch, taking along what the page inherits. The reader's own list of pages is not asked: it walks
    the whole tree, and a tree can be made to have no end."""
    root = reader.trailer["/Root"].get_object()
    if not isinstance(root, DictionaryObject):
        return None
    node: Any = root["/Pages"]  # Any: pypdf's objects are dictionaries of anything
    resources: Any = None
    for _ in range(_DEEPEST):
        node = node.get_object()
        if not isinstance(node, DictionaryObject):
            return None
        resources = node.get("/Resources", resources)
        kids = node.get("/Kids")
        if not isinstance(kids, ArrayObject) or not kids:
            break
        node = kids[0]
    page = PageObject(reader)
    page.update(node)
    if resources is not None:
        page[NameObject("/Resources")] = resources
    return page
