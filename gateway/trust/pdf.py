"""Reads of a PDF what rules need: pages, whether a password is needed, and what it would run (R57, threats 63, 64).
In: a seekable stream and a deadline. Out: `PdfFacts`. Bounded: every read looks at the deadline, the walk counts its
objects, and a compressed stream may not grow past a limit. Signatures are not looked at here."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pypdf.filters
from pypdf import PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject

MOST_INFLATED = 8 * 1024 * 1024  # object streams of real documents stay far below

# Parts that cannot start anything, or that lead back up.
_SKIPPED = frozenset(
    {"/Parent", "/P", "/Resources", "/Contents", "/Font", "/XObject", "/Dest", "/StructTreeRoot", "/Prev"}
)
_NAMES = {
    "/JavaScript": "javascript",
    "/JS": "javascript",
    "/EmbeddedFiles": "embedded-file",
    "/EF": "embedded-file",
}
_ACTIONS = {
    "/JavaScript": "javascript",
    "/Launch": "launch",
    "/ImportData": "launch",
    "/Rendition": "javascript",
}
# What a hostile file makes the library raise beside its own errors.
_LIBRARY = (
    PyPdfError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
)
_MORE = (ArithmeticError, AssertionError, NotImplementedError, OSError, LookupError, MemoryError)


class OutOfTimeError(OSError):
    """The deadline has passed; every further read says so too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfFacts:
    pages: int | None = None
    encrypted: bool = False
    broken: str | None = None
    active: tuple[str, ...] = ()


def look_into_pdf(stream: BinaryIO, deadline: float, most_objects: int) -> PdfFacts:
    """What the PDF holds; `deadline` is a `time.monotonic` value. Never raises for bad content."""
    pypdf.filters.ZLIB_MAX_OUTPUT_LENGTH = MOST_INFLATED
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings quote content
    timed = _Timed(stream, deadline)
    try:
        reader = PdfReader(timed, strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            return PdfFacts(encrypted=True)
        return _walk(reader, most_objects)
    except (*_LIBRARY, *_MORE):
        return PdfFacts(broken="too-long-to-read" if timed.is_late else "unreadable")


def _walk(reader: PdfReader, most_objects: int) -> PdfFacts:
    root = reader.trailer["/Root"].get_object()
    if not isinstance(root, DictionaryObject):
        return PdfFacts(broken="unreadable")
    active: set[str] = set()
    seen: set[int] = set()
    pages = visited = 0
    waiting: list[PdfObject] = [root]
    while waiting:
        item = waiting.pop()
        if isinstance(item, IndirectObject):
            if item.idnum in seen:
                continue
            seen.add(item.idnum)
            visited += 1
            if visited > most_objects:
                return PdfFacts(broken="too-long-to-read", active=tuple(sorted(active)))
            if visited % 16 == 0:
                reader.resolved_objects.clear()  # keeps inflated streams from piling up
            found = item.get_object()
            if found is None:
                continue
            item = found
        if isinstance(item, DictionaryObject):
            pages += item.get("/Type") == "/Page"
            active.update(_active(item))
        waiting.extend(_below(item))
    return PdfFacts(pages=pages or None, broken=None if pages else "no-pages", active=tuple(sorted(active)))


def _active(item: DictionaryObject) -> Iterator[str]:
    for key, kind in _NAMES.items():
        if key in item:
            yield kind
    action = item.raw_get("/S") if "/S" in item else None
    if isinstance(action, str) and action in _ACTIONS:
        yield _ACTIONS[action]
    if item.get("/Subtype") in ("/RichMedia", "/FileAttachment", "/Screen", "/3D"):
        yield "embedded-file"


def _below(item: PdfObject) -> list[PdfObject]:
    if isinstance(item, ArrayObject):
        return [part for part in item if isinstance(part, (IndirectObject, ArrayObject, DictionaryObject))]
    if isinstance(item, DictionaryObject):
        return [
            part
            for key, part in item.items()
            if key not in _SKIPPED and isinstance(part, (IndirectObject, ArrayObject, DictionaryObject))
        ]
    return []


class _Timed(io.RawIOBase):
    """The stream, until the deadline. The library reads in small steps, so this also stops its endless loops."""

    def __init__(self, stream: BinaryIO, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self.is_late = False

    def read(self, size: int = -1, /) -> bytes:
        self._look()
        return self._stream.read(size)

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # the protocol of buffers has no type before 3.12
        piece = self.read(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._look()
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def _look(self) -> None:
        if self.is_late or time.monotonic() > self._deadline:
            self.is_late = True
            raise OutOfTimeError("the file takes too long to read")
