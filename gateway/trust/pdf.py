"""Reads of a PDF what rules need: pages, whether a password is needed, what it would run (R57, threats 63, 64), and the
text of its first page, where it has some (R2, by `pdf_layout.first_page`). In: a seekable stream and a deadline. Out:
`PdfTraits`. Bounded: every read looks at the deadline, the walk counts its objects, and a compressed stream may not
grow past a limit. Signatures are not looked at here."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any, BinaryIO

from pypdf import PdfReader, apply_configuration
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject

from gateway.domain.pdf import PdfText

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings quote content
_TAIL = 1024  # readers look for the end mark this far from the end
_BLANKS = b"\0\t\n\f\r "
MOST_INFLATED = 8 * 1024 * 1024  # object streams of real documents stay far below

# Parts that cannot start anything. Those that lead back up are followed: a field may hang on nothing but its widget.
_SKIPPED = frozenset({"/P", "/Resources", "/Contents", "/Font", "/XObject", "/Dest", "/StructTreeRoot"})
_NAMES = {
    "/JavaScript": "javascript",
    "/JS": "javascript",
    "/EmbeddedFiles": "embedded-file",
    "/EF": "embedded-file",
    "/XFA": "javascript",
}
_ACTIONS = {
    "/JavaScript": "javascript",
    "/Launch": "launch",
    "/ImportData": "launch",
    "/SubmitForm": "launch",
    "/GoToE": "embedded-file",
    "/Rendition": "javascript",
}
_EMBEDDING = dict.fromkeys(("/RichMedia", "/FileAttachment", "/Screen", "/3D"), "embedded-file")
_HOLDING = (IndirectObject, ArrayObject, DictionaryObject)
# What a hostile file makes the library raise beside its own errors.
LIBRARY = (
    *(PyPdfError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
    *(RecursionError, AssertionError, NotImplementedError, OSError),
)


class OutOfTimeError(OSError):
    """The deadline has passed; whatever reads on hears it again."""


class TooManyObjectsError(Exception):
    """The walk met more objects than a document needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfTraits:
    pages: int | None = None
    encrypted: bool = False
    broken: str | None = None
    active: tuple[str, ...] = ()
    first_page: PdfText | None = None


ReadPage = Callable[[PdfReader, float], PdfText | None]


def opened_pdf(stream: Any) -> PdfReader | None:  # Any: a file, or as much of one as is asked for
    """A reader for `bounded` work; None where a password is needed."""
    reader = PdfReader(stream, strict=False)
    return None if reader.is_encrypted and not reader.decrypt("") else reader


def bounded() -> AbstractContextManager[object]:
    """What a compressed stream may grow to while the library works."""
    return apply_configuration(
        zlib_maximum_output_length=MOST_INFLATED,
        lzw_maximum_output_length=MOST_INFLATED,
        run_length_maximum_output_length=MOST_INFLATED,
        array_based_stream_maximum_output_length=MOST_INFLATED,
        jbig2dec_binary=None,  # no other program is started for a file from outside
        disable_legacy_handling=True,  # nobody here sets what it would look for at each file
    )


def look_into_pdf(
    stream: BinaryIO, deadline: float, most_objects: int, read_page: ReadPage | None = None
) -> PdfTraits:
    """What the PDF holds; `deadline` is a `time.monotonic` value. Never raises for bad content. `read_page` is given where
    the text of the first page is wanted."""
    file = timed(stream, deadline)
    try:
        with bounded():
            reader = opened_pdf(file)
            if reader is None:
                return PdfTraits(encrypted=True)
            facts = _walk(reader, most_objects)
            if facts.broken is None and _has_much_behind(file):
                return replace(facts, broken="junk-after")
            return replace(facts, first_page=read_page(reader, deadline)) if read_page else facts
    except (*LIBRARY, MemoryError):
        return PdfTraits(broken="too-long-to-read" if time.monotonic() > deadline else "unreadable")


def _walk(reader: PdfReader, most_objects: int) -> PdfTraits:
    root = reader.trailer["/Root"].get_object()
    if not isinstance(root, DictionaryObject):
        return PdfTraits(broken="unreadable")
    try:
        pages = sum(1 for _ in _leaves(reader, root, most_objects))
        active = {kind for item in _reached(reader, root, most_objects) for kind in _active(item)}
    except TooManyObjectsError:
        return PdfTraits(broken="too-long-to-read")
    return PdfTraits(pages=pages or None, broken=None if pages else "no-pages", active=tuple(sorted(active)))


def _leaves(reader: PdfReader, root: DictionaryObject, most: int) -> Iterator[DictionaryObject]:
    """The pages: what hangs in the page tree and has no kids. Not every page object: deleted ones stay in the file."""
    seen = _Seen(reader, most)
    waiting: list[PdfObject] = [root.raw_get("/Pages")] if "/Pages" in root else []
    while waiting:
        node = seen.once(waiting.pop())
        if not isinstance(node, DictionaryObject):
            continue
        kids = seen.once(node.raw_get("/Kids")) if "/Kids" in node else None
        if isinstance(kids, ArrayObject):
            waiting.extend(kids)
        else:
            yield node


def _reached(reader: PdfReader, root: DictionaryObject, most: int) -> Iterator[DictionaryObject]:
    """Every dictionary that opening or clicking can reach."""
    seen = _Seen(reader, most)
    waiting: list[PdfObject] = [root]
    while waiting:
        item = seen.once(waiting.pop())
        if isinstance(item, DictionaryObject):
            yield item
            parts = item.items()
            waiting += [part for key, part in parts if key not in _SKIPPED and isinstance(part, _HOLDING)]
        elif isinstance(item, ArrayObject):
            waiting += [part for part in item if isinstance(part, _HOLDING)]


class _Seen:
    """Follows each reference once, up to a number of objects. A reference to nothing readable is null, as readers
    take it; a file made of such has no pages."""

    def __init__(self, reader: PdfReader, most: int) -> None:
        self._reader = reader
        self._left = most
        self._ids: set[int] = set()

    def once(self, item: PdfObject) -> PdfObject | None:
        self._left -= 1
        if self._left < 0:
            raise TooManyObjectsError
        if not isinstance(item, IndirectObject):
            return item
        if item.idnum in self._ids:
            return None
        self._ids.add(item.idnum)
        if len(self._ids) % 64 == 0:
            self._reader.resolved_objects.clear()  # keeps inflated streams from piling up
        try:
            return item.get_object()
        except OutOfTimeError:
            raise
        except (*LIBRARY, MemoryError):
            return None


def _has_much_behind(stream: BinaryIO) -> bool:
    """Whether more follows the last end mark than a reader of PDFs bears with: another file's bytes (threat 63)."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - _TAIL))
    tail = stream.read(_TAIL)
    return b"%%EOF" not in tail and bool(tail.strip(_BLANKS))


def _active(item: DictionaryObject) -> list[str]:
    found = [kind for key, kind in _NAMES.items() if key in item]
    for key, kinds in (("/S", _ACTIONS), ("/Subtype", _EMBEDDING)):
        told = item.raw_get(key) if key in item else None
        if isinstance(told, str) and told in kinds:
            found.append(kinds[told])
    return found


def timed(stream: BinaryIO, deadline: float) -> io.BufferedReader:
    """The stream, until the deadline. The library reads byte by byte and goes to and fro, many hundreds of times in a small
    file: bytes come from the buffer, which asks what fills it whether it may step aside. So every loop of the library ends:
    it steps aside, or comes to the end of the buffer and then of the file."""
    return io.BufferedReader(_Timed(stream, deadline))


# Steps aside between two looks at the clock: each is a fraction of a microsecond.
_STEPS = 64


class _Timed(io.RawIOBase):
    """What fills the buffer. The buffer asks for `seekable` at every step aside, so an iterator answers that without a call
    of Python, and the clock is looked at once in a while."""

    seekable: Callable[[], bool]
    seek: Callable[..., int]

    def __init__(self, stream: BinaryIO, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline
        self.seekable, self.seek = chain.from_iterable(_turns(deadline)).__next__, stream.seek

    def readinto(self, buffer: Any, /) -> int:  # Any: newer versions of Python have a type for it
        if time.monotonic() > self._deadline:
            raise OutOfTimeError
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def readable(self) -> bool:
        return True


def _turns(deadline: float) -> Iterator[Iterator[bool]]:
    """That it may, again and again; after the deadline a refusal at every step."""
    while time.monotonic() <= deadline:
        yield repeat(True, _STEPS)
    yield map(_refuse, repeat(True))


def _refuse(_: bool) -> bool:
    raise OutOfTimeError
