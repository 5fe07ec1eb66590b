"""Reads the words of a DOCX, only inside the drawing process. In: the path of a file. Out: its text in parts of some
thousand letters, cut between paragraphs, because the file has no pages. Only the main text is read,
within limits while it is unpacked, and XML without document types, so that there are no entities."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.parsers import expat

PART_LETTERS = 3_000
_MAIN = "word/document.xml"
_MOST_ENTRIES, _MOST_BYTES, _MOST_RATIO = 5_000, 32 * 1024 * 1024, 250
_MOST_LETTERS, _DEEPEST = 2_000_000, 500
_PIECE = 64 * 1024
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_NAMESPACE = "wordprocessingml"
_BREAKS = {"tab": " ", "br": "\n", "cr": "\n"}


class DocxError(ValueError):
    """Error for a file that is no DOCX as Word writes it."""


class DocxLimitError(MemoryError):
    """Error for a file that has more of something than a document has."""


def read_docx(path: Path) -> tuple[str, ...]:
    """Return the parts of the text; a file without words has one empty part. Raise DocxError or DocxLimitError."""
    with zipfile.ZipFile(path) as packed:
        if len(packed.filelist) > _MOST_ENTRIES:
            raise DocxLimitError(f"it has more than {_MOST_ENTRIES} entries")
        try:
            entry = packed.getinfo(_MAIN)
        except KeyError as why:
            raise DocxError("it has no main text") from why
        if entry.compress_type not in _PACKED:
            raise DocxError("it is packed in an unusual way")
        with packed.open(entry) as stream:
            text = _Text()
            for piece in _unpack(stream, max(entry.compress_size, _PIECE)):
                text.feed(piece)
            text.end()
    return tuple(_parts("".join(text.pieces).splitlines(keepends=True)))


def smallest_docx() -> bytes:
    """Return a DOCX without words, for loading all that reading one needs."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(_MAIN, b"<a/>")
    return octets.getvalue()


def _unpack(stream: IO[bytes], packed_size: int) -> Iterator[bytes]:
    most = min(_MOST_BYTES, packed_size * _MOST_RATIO)
    size = 0
    while piece := stream.read(_PIECE):
        size += len(piece)
        if size > most:
            raise DocxLimitError(f"its text unpacks to more than {most} bytes")
        yield piece


class _Text:
    """Collector of the text of an XML document, which is fed piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._letters = self._depth = self._skipped = 0
        self._is_text = False
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._begin, self._finish
        parser.CharacterDataHandler = self._collect
        parser.StartDoctypeDeclHandler = self._refuse
        self._parser = parser

    def feed(self, piece: bytes) -> None:
        try:
            self._parser.Parse(piece, False)
        except expat.ExpatError as why:
            raise DocxError(f"its text is no XML: {why}") from why

    def end(self) -> None:
        try:
            self._parser.Parse(b"", True)
        except expat.ExpatError as why:
            raise DocxError(f"its text is no XML: {why}") from why

    def _begin(self, name: str, attributes: object) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise DocxLimitError(f"its text is nested more than {_DEEPEST} deep")
        namespace, _, local = name.rpartition(" ")
        # What older programs show instead of a drawing has the same words once more.
        self._skipped += self._skipped > 0 or local == "Fallback"
        if self._skipped or _NAMESPACE not in namespace:
            return
        self._is_text = local == "t"
        if local in _BREAKS:
            self._add(_BREAKS[local])

    def _finish(self, name: str) -> None:
        self._depth -= 1
        self._is_text = False
        if self._skipped:
            self._skipped -= 1
        elif name.endswith(" p") and _NAMESPACE in name:
            self._add("\n")

    def _collect(self, words: str) -> None:
        if self._is_text and not self._skipped:
            self._add(words)

    def _add(self, words: str) -> None:
        self._letters += len(words)
        if self._letters > _MOST_LETTERS:
            raise DocxLimitError(f"it has more than {_MOST_LETTERS} letters")
        self.pieces.append(words)

    def _refuse(self, *parts: object) -> None:
        raise DocxError("its text declares a document type")


def _parts(lines: list[str]) -> Iterator[str]:
    """Join lines to parts. A longer line is cut at a space."""
    part, size = list[str](), 0
    for line in _short_lines(lines):
        if part and size + len(line) > PART_LETTERS:
            yield "".join(part)
            part, size = [], 0
        part.append(line)
        size += len(line)
    yield "".join(part)


def _short_lines(lines: list[str]) -> Iterator[str]:
    for line in lines:
        start = 0
        while len(line) - start > PART_LETTERS:
            cut = line.rfind(" ", start, start + PART_LETTERS) + 1
            end = cut if cut > start else start + PART_LETTERS
            yield line[start:end]
            start = end
        yield line[start:]
