"""Reads facts about a PDF that rules need: number of pages, whether it needs a password, active content (R57, threats
63, 64), and the text of its first page (R2, read by `pdf_layout.first_page`). In: a seekable stream and a deadline. Out:
`PdfTraits`. A library reads within limits: every read checks the deadline, the walk counts objects, and decompressed
streams have a limit. Signatures are not read here."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any, BinaryIO

from pypdf import PdfReader, apply_configuration
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject

from gateway import time_source
from gateway.domain.pdf import PdfText

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings would quote content
_TAIL = 1024  # readers look for the end mark in so many last bytes
_BLANKS = b"\0\t\n\f\r "
MOST_INFLATED = 8 * 1024 * 1024  # object streams of real documents are far smaller

# Entries that cannot start anything. Entries that lead back up are followed: a field may hang on its widget alone.
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
# Errors that the library raises over a hostile file, besides its own.
LIBRARY = (
    PyPdfError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    AssertionError,
    NotImplementedError,
    OSError,
)
# Seeks between two looks at the clock; each takes a fraction of a microsecond.
_STEPS = 64


class OutOfTimeError(OSError):
    """Signal that the deadline has passed; every later read raises it again."""


class TooManyObjectsError(Exception):
    """Signal that the walk met more objects than a document needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfTraits:
    pages: int | None = None
    encrypted: bool = False
    broken: str | None = None
    active: tuple[str, ...] = ()
    first_page: PdfText | None = None


ReadPage = Callable[[PdfReader, float], PdfText | None]


def open_pdf(stream: Any) -> PdfReader | None:  # Any: a file, or as much of one as is asked for
    """Return a reader of the stream, for use inside `bounded`; None where the file needs a password."""
    reader = PdfReader(stream, strict=False)
    return None if reader.is_encrypted and not reader.decrypt("") else reader


def bounded() -> AbstractContextManager[object]:
    """Return a context in which decompressed streams are limited and the library starts no other program."""
    return apply_configuration(
        zlib_maximum_output_length=MOST_INFLATED,
        lzw_maximum_output_length=MOST_INFLATED,
        run_length_maximum_output_length=MOST_INFLATED,
        array_based_stream_maximum_output_length=MOST_INFLATED,
        jbig2dec_binary=None,  # no program is started for a file from outside
        disable_legacy_handling=True,  # nothing here sets the old options that it would look up for each file
    )


def look_into_pdf(
    stream: BinaryIO, deadline: float, most_objects: int, read_page: ReadPage | None = None
) -> PdfTraits:
    """Return the traits of a PDF; `deadline` is a value of `monotonic`. Bad content becomes `broken`, never an error.
    `read_page` reads the text of the first page, where it is wanted."""
    try:
        file = timed(stream, deadline)
        if _has_much_behind(file):  # the library would step through all of it
            return PdfTraits(broken="junk-after")
        file.seek(0)
        with bounded():
            reader = open_pdf(file)
            if reader is None:
                return PdfTraits(encrypted=True)
            facts = _walk(reader, most_objects)
            return replace(facts, first_page=read_page(reader, deadline)) if read_page else facts
    except (*LIBRARY, MemoryError):
        return PdfTraits(broken="too-long-to-read" if time_source.monotonic() > deadline else "unreadable")


def _walk(reader: PdfReader, most_objects: int) -> PdfTraits:
    root = reader.trailer["/Root"].get_object()
    if not isinstance(root, DictionaryObject):
        return PdfTraits(broken="unreadable")
    try:
        pages = sum(1 for _ in _leaves(reader, root, most_objects))
        active = {kind for node in _walk_reachable(reader, root, most_objects) for kind in _active(node)}
    except TooManyObjectsError:
        return PdfTraits(broken="too-long-to-read")
    return PdfTraits(pages=pages or None, broken=None if pages else "no-pages", active=tuple(sorted(active)))


def _leaves(reader: PdfReader, root: DictionaryObject, most: int) -> Iterator[DictionaryObject]:
    """Yield the pages: nodes of the page tree without kids. Deleted pages remain in the file but not in the tree."""
    walk = _ObjectWalk(reader, most)
    pending: list[PdfObject] = [root.raw_get("/Pages")] if "/Pages" in root else []
    while pending:
        node = walk.resolve(pending.pop())
        if not isinstance(node, DictionaryObject):
            continue
        kids = walk.resolve(node.raw_get("/Kids")) if "/Kids" in node else None
        if isinstance(kids, ArrayObject):
            pending.extend(kids)
        else:
            yield node


def _walk_reachable(reader: PdfReader, root: DictionaryObject, most: int) -> Iterator[DictionaryObject]:
    """Yield every dictionary that opening the document or clicking in it can reach."""
    walk = _ObjectWalk(reader, most)
    pending: list[PdfObject] = [root]
    while pending:
        node = walk.resolve(pending.pop())
        if isinstance(node, DictionaryObject):
            yield node
            parts = node.items()
            pending += [part for key, part in parts if key not in _SKIPPED and isinstance(part, _HOLDING)]
        elif isinstance(node, ArrayObject):
            pending += [part for part in node if isinstance(part, _HOLDING)]


class _ObjectWalk:
    """Walk that follows each reference once, up to a number of objects. A reference to an unreadable object is null, as
    for PDF readers."""

    def __init__(self, reader: PdfReader, most: int) -> None:
        self._reader = reader
        self._left = most
        self._ids: set[int] = set()

    def resolve(self, node: PdfObject) -> PdfObject | None:
        self._left -= 1
        if self._left < 0:
            raise TooManyObjectsError
        if not isinstance(node, IndirectObject):
            return node
        if node.idnum in self._ids:
            return None
        self._ids.add(node.idnum)
        if len(self._ids) % 64 == 0:
            self._reader.resolved_objects.clear()  # keeps decompressed streams from piling up
        try:
            return node.get_object()
        except OutOfTimeError:
            raise
        except (*LIBRARY, MemoryError):
            return None


def _has_much_behind(stream: BinaryIO) -> bool:
    """Tell whether more follows the last end mark than readers tolerate: bytes of another file (threat 63)."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - _TAIL))
    tail = stream.read(_TAIL)
    return b"%%EOF" not in tail and bool(tail.strip(_BLANKS))


def _active(node: DictionaryObject) -> list[str]:
    active = [kind for key, kind in _NAMES.items() if key in node]
    for key, kinds in (("/S", _ACTIONS), ("/Subtype", _EMBEDDING)):
        action = node.raw_get(key) if key in node else None
        if isinstance(action, str) and action in kinds:
            active.append(kinds[action])
    return active


def timed(stream: BinaryIO, deadline: float) -> io.BufferedReader:
    """Return the stream with a deadline. The library reads small files byte by byte, with hundreds of seeks, so bytes
    come from a buffer, which asks the raw stream before each fill or seek. So every loop of the library ends: it seeks,
    or reaches the end of the buffer."""
    return io.BufferedReader(_Timed(stream, deadline))


class _Timed(io.RawIOBase):
    """Raw stream that fills the buffer until the deadline. The buffer calls `seekable` at every seek, so a native
    iterator answers that call, and Python code looks at the clock only every `_STEPS` times."""

    seekable: Callable[[], bool]
    seek: Callable[..., int]

    def __init__(self, stream: BinaryIO, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline
        self.seekable, self.seek = chain.from_iterable(_turns(deadline)).__next__, stream.seek

    def readinto(self, buffer: Any, /) -> int:  # Any: newer versions of Python have a type for it
        if time_source.monotonic() > self._deadline:
            raise OutOfTimeError
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def readable(self) -> bool:
        return True


def _turns(deadline: float) -> Iterator[Iterator[bool]]:
    """Yield iterators of True until the deadline, then one that raises OutOfTimeError."""
    while time_source.monotonic() <= deadline:
        yield repeat(True, _STEPS)
    yield map(_refuse, repeat(True))


def _refuse(_: bool) -> bool:
    raise OutOfTimeError
