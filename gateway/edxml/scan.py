"""Reads a native envelope in one streaming pass (F2-F8): every event is written again in canonical form and must equal
the raw bytes at the cursor, so one buffer is compared, hashed and parsed. In: pieces. Out: a built model, both digests
and the content of the Signature. NotMine at the first byte that our writer would not write."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NoReturn
from xml.parsers import expat

from gateway.domain.identity import Digest
from gateway.edxml import attachment, names, signature
from gateway.edxml.names import CONTENT, DECLARATION, HEADER, QCVN, ROOT, Element, escape, escape_attribute
from gateway.edxml.reader import ModelBuilder

if TYPE_CHECKING:
    from gateway.edxml.policy import EnvelopeLimits
    from gateway.edxml.signature import SignatureParts

_MAX_PENDING: Final = 1 << 20
"""Most bytes that an unfinished tag or text of a native file may take."""
_MAX_PARSED: Final = 1 << 18
"""Most bytes outside the files that are kept for the schema."""


class NotMine(Exception):
    """The file is not native: the general path decides."""


class EnvelopeScan:
    """One pass over one file. `_buffer` holds the raw bytes that events have not confirmed yet, from absolute offset
    `_base`; up to the absolute offset `_cursor`, raw bytes and canonical form are equal (F5)."""

    def __init__(self, limits: EnvelopeLimits, *, opens: bool = True) -> None:
        """With `opens`, decode files as they pass."""
        self.builder = ModelBuilder(limits, strict=True, opens=opens)
        self.a = self.b = 0
        self._limits = limits
        self._file_hash = hashlib.sha256(DECLARATION)
        self._body_hash = hashlib.sha256()
        self._buffer = b""
        self._base = self._cursor = self._hashed = self._fed = len(DECLARATION)
        self._stack: list[Element] = []
        self._header_start = 0
        self._signature_depth = 0
        self._parts: SignatureParts | None = None
        self._leaf_text = self._all_text = 0
        self._parsed = [DECLARATION]
        self._parsed_size = 0
        self._parser = self._make_parser()
        self._parser.Parse(DECLARATION, False)

    @property
    def body_digest(self) -> Digest:
        """Digest of the body (F7), valid after `finish`."""
        return Digest.of_bytes(self._body_hash.digest())

    @property
    def file_digest(self) -> Digest:
        return Digest.of_bytes(self._file_hash.digest())

    @property
    def parsed_octets(self) -> bytes | None:
        """All octets that the parser saw, which are those outside the files' base64; None where they are too many."""
        return b"".join(self._parsed) if self._parsed_size <= _MAX_PARSED else None

    def feed(self, piece: bytes) -> None:
        """Read a piece; parser, comparison and both hashes see the same buffer (F7)."""
        at = 0
        while at < len(piece):
            if self._cursor == self._fed and self._stack and self._stack[-1] is CONTENT:
                at = self._pass_base64(piece, at)
            # Parse only up to the tag that opens a file, because base64 follows it.
            opens = piece.find(CONTENT.start, at)
            end = len(piece) if opens < 0 else opens + len(CONTENT.start)
            self._parse_piece(piece[at:end])
            at = end

    def _parse_piece(self, piece: bytes) -> None:
        """Hash a piece and give it to the parser."""
        if not piece:
            return
        old_size = len(self._buffer)
        self._buffer += piece
        self._count(piece)
        self._parsed_size += len(piece)
        if self._parsed_size <= _MAX_PARSED:
            self._parsed.append(piece)
        with memoryview(self._buffer)[old_size:] as fresh:
            self._file_hash.update(fresh)
            self._parser.Parse(fresh, False)
        if self._stack and self._stack[-1] is CONTENT:
            self._let_go_of_text()
        self._drop_confirmed()

    def _pass_base64(self, piece: bytes, at: int) -> int:
        """Take base64 of a file, nearly all of a large envelope, without the parser: to every parser it is text and its
        own canonical form. It is hashed and given to the builder like other text; text with any other character is left
        to the parser. Return the position after it in the piece."""
        end = piece.find(b"<", at)
        text = piece[at:] if end < 0 else piece[at:end]
        if not text or not attachment.is_base64(text):
            return at
        self._count(text)
        self._file_hash.update(text)
        self._body_hash.update(text)
        self.builder.content(text, self._cursor)
        self._cursor = self._hashed = self._base = self._fed
        return at + len(text)

    def _count(self, octets: bytes) -> None:
        self._fed += len(octets)
        if self._fed > self._limits.max_bytes:
            raise NotMine

    def _let_go_of_text(self) -> None:
        """Make the parser hand over a file's buffered text, so that the next piece begins with nothing unconfirmed."""
        self._parser.buffer_text = False
        self._parser.buffer_text = True

    def finish(self, size: int) -> SignatureParts:
        """Confirm everything to the last byte, with one Signature seen, and return its content."""
        self._parser.Parse(b"", True)
        self._drop_confirmed()
        if not self._cursor == self._fed == size or self._parts is None:
            raise NotMine
        return self._parts

    def _make_parser(self) -> expat.XMLParserType:
        """Make the parser (F2, F3): the encoding is forced, names stay as written, and anything but elements and text is
        refused."""
        parser = expat.ParserCreate("UTF-8")
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.buffer_size = 65_536
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        parser.UnparsedEntityDeclHandler = _refuse
        parser.NotationDeclHandler = _refuse
        parser.CommentHandler = _refuse
        parser.ProcessingInstructionHandler = _refuse
        parser.StartCdataSectionHandler = _refuse
        parser.SkippedEntityHandler = _refuse
        parser.ExternalEntityRefHandler = _refuse
        return parser

    def _start(self, name: str, attributes: list[str]) -> None:
        if self._signature_depth:
            self._start_inside_signature(name, attributes)
        elif name == names.SIGNATURE:
            self._start_signature(name, attributes)
        else:
            self._start_element(name, attributes)

    def _start_element(self, name: str, attributes: list[str]) -> None:
        """Accept an element only where the closed table has it (F4). The strict reader judges repetition."""
        element = self._child(name)
        if tuple(attributes) != element.written_attributes:
            raise NotMine
        if element is HEADER:
            self._header_start = self._cursor
        elif (
            not self.b
            and self._header_start
            and self._cursor - self._header_start > self._limits.header_bytes
        ):
            raise NotMine
        self._confirm(element.start)
        self._stack.append(element)
        self._leaf_text = 0
        self.builder.start(QCVN, element.local, [("", key, value) for key, value in element.attributes])

    def _child(self, name: str) -> Element:
        if not self._stack:
            if name != ROOT.name:
                raise NotMine
            return ROOT
        parent = self._stack[-1]
        element = parent.children.get(name)
        if element is None or (parent is HEADER and self.b):
            raise NotMine
        return element

    def _start_signature(self, name: str, attributes: list[str]) -> None:
        """Begin the Signature; the bytes before it belong to the body (F6)."""
        if self.b or not self._stack or self._stack[-1] is not HEADER:
            raise NotMine
        self._hash_body()
        self.a = self._cursor
        self._start_inside_signature(name, attributes)

    def _start_inside_signature(self, name: str, attributes: list[str]) -> None:
        """Confirm a tag of any name inside the Signature (F5); `signature.parse` then fixes every byte (F8)."""
        if len(attributes) > 2 * self._limits.attributes:
            raise NotMine
        pairs = zip(attributes[::2], attributes[1::2], strict=True)
        attrs = b"".join(b' %s="%s"' % (key.encode(), escape_attribute(value)) for key, value in pairs)
        self._confirm(b"<%s%s>" % (name.encode(), attrs))
        self._signature_depth += 1
        if self._signature_depth + len(self._stack) > self._limits.depth:
            raise NotMine

    def _text(self, text: str) -> None:
        offset = self._cursor
        octets = escape(text)
        self._confirm(octets)
        if self._signature_depth:
            return
        element = self._stack[-1]
        if not element.leaf:
            raise NotMine
        if element is not CONTENT:
            self._leaf_text += len(octets)
            self._all_text += len(octets)
            if self._leaf_text > self._limits.text_bytes or self._all_text > self._limits.text_total:
                raise NotMine
        self.builder.data(text, offset)

    def _end(self, name: str) -> None:
        offset = self._cursor
        self._confirm(b"</%s>" % name.encode())
        if self._signature_depth:
            self._signature_depth -= 1
            if not self._signature_depth:
                self._end_signature()
            return
        element = self._stack.pop()
        if element is HEADER and not self.b:
            raise NotMine
        self.builder.end(offset)

    def _end_signature(self) -> None:
        """End the Signature, located by the cursor, never by the parser (F6); it must be native byte for byte (F8)."""
        self.b = self._hashed = self._cursor
        self._parts = signature.parse(self._buffer[self.a - self._base : self.b - self._base])
        if self._parts is None:
            raise NotMine

    def _confirm(self, octets: bytes) -> None:
        """Check that the raw bytes at the cursor equal the event's canonical form (F5), and move the cursor on."""
        if not self._buffer.startswith(octets, self._cursor - self._base):
            raise NotMine
        self._cursor += len(octets)
        if self._signature_depth and self._cursor - self.a > self._limits.signature_bytes:
            raise NotMine

    def _hash_body(self) -> None:
        with memoryview(self._buffer)[self._hashed - self._base : self._cursor - self._base] as confirmed:
            self._body_hash.update(confirmed)
        self._hashed = self._cursor

    def _drop_confirmed(self) -> None:
        """Hash and drop the confirmed bytes; those of the Signature are held until its end."""
        if not self._signature_depth:
            self._hash_body()
        keep_from = self.a if self._signature_depth else self._cursor
        self._buffer = self._buffer[keep_from - self._base :]
        self._base = keep_from
        if self._fed - self._cursor > _MAX_PENDING:
            raise NotMine


def _refuse(*_: Any) -> NoReturn:
    raise NotMine
