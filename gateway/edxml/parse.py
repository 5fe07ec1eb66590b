"""Runs a hardened expat over untrusted octets. In: pieces of a file as a transport delivered it, and a receiver of
events. Out: the events, with namespaces resolved and byte offsets in the file. DOCTYPE, entities and anything over the
limits are refused; an ill-formed file is refused with its place, never repaired (G2). No file, network or entity is ever
opened. First the octets are made plain UTF-8: a byte order mark is dropped, and a JSON string that some transports wrap
around the whole file is unwrapped once.

For a person, `view` shows an untrusted file as lines of a tree, as far as they can be read: a bounded number, the last one
marked where reading ended, with the byte and the reason. Texts are cut, and an embedded file is shown by its size alone.
Pure."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NoReturn, Protocol
from xml.parsers import expat

from gateway.errors import MalformedXml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.edxml.dialects import Notes
    from gateway.edxml.policy import EnvelopeLimits

_BOM = codecs.BOM_UTF8
_PIECE = 256 * 1024
_HEAD = 64
_LONGEST_ESCAPE = len(r"\ud83d\ude00")
# Complete characters and complete escapes, so that a piece of a JSON string can be decoded alone; a high surrogate
# waits. Not possessive: before Python 3.11.4 a possessive group of alternatives gives back part of its last match.
_JSON_TEXT = re.compile(
    r"""(?:[^"\\]+|\\["\\/bfnrt]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"""
    r"""|\\u(?![dD][89abAB])[0-9a-fA-F]{4})*""",
)
_SEPARATOR = "\x1f"  # not permitted in XML, so it occurs in no namespace
_FLUSH = 64 * 1024
_LONGEST_TOKEN = 4 * 1024 * 1024
_ENTITY_ERRORS = frozenset({expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]})
MAX_VIEW_LINES = 2_000
MAX_VIEW_DEPTH = 64
MAX_VIEW_TEXT = 400
MAX_VIEW_BYTES = 64 * 1024 * 1024
# Elements that hold a file in base64: it is not shown, and may have any size.
_FILES = frozenset({"ContentTransferEncoded", "AttachmentData", "Attachment", "Content64"})


class OctetSource:
    """One pass over the octets of a file. An offset in the octets plus `skipped` is one in the file; when `wrapped`, the
    file holds escapes and there are no such offsets."""

    def __init__(self, pieces: Iterable[bytes], max_bytes: int) -> None:
        self._pieces = pieces
        self._max_bytes = max_bytes
        self._read = 0
        self.skipped = 0
        self.wrapped = False

    def __iter__(self) -> Iterator[bytes]:
        pieces = self._bounded_pieces()
        head = _read_head(pieces)
        if head.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)) or b"\0" in head[:4]:
            raise MalformedXml("ENV-ENCODING", "the file is not UTF-8: it begins like UTF-16 or UTF-32")
        if head.startswith(_BOM):
            head, self.skipped = head[len(_BOM) :], len(_BOM)
        self.wrapped = head.lstrip().startswith(b'"')
        octets = _decode_utf8(chain([head], pieces), self.skipped)
        return _unwrap_json(octets) if self.wrapped else (text for text, _ in octets)

    def _bounded_pieces(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._read += len(piece)
            if self._read > self._max_bytes:
                detail = (
                    f"the file is larger than {self._max_bytes} bytes; send it in parts or raise the limit"
                )
                raise MalformedXml("ENV-TOO-LARGE", detail, step=1)
            for at in range(0, len(piece), _PIECE):
                yield piece[at : at + _PIECE]


def _read_head(pieces: Iterator[bytes]) -> bytes:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEAD:
            break
    return head


def _decode_utf8(pieces: Iterator[bytes], at: int) -> Iterator[tuple[bytes, str]]:
    """Yield each piece with its text; a character cut in two comes with the piece that completes it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in pieces:
            yield piece, decoder.decode(piece)
            at += len(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        place = f"byte {max(at + error.start, 0)}"
        detail = f"{place} is not UTF-8; the file must be UTF-8 throughout"
        raise MalformedXml("ENV-ENCODING", detail, step=2, location=place) from error


def _unwrap_json(octets: Iterator[tuple[bytes, str]]) -> Iterator[bytes]:
    """Yield the text inside one JSON string. An escape that is cut in two waits for the next piece."""
    buffer, opened, closed = "", False, False
    for _, text in octets:
        buffer += text
        if not opened:
            buffer = buffer.lstrip()
            if not buffer:
                continue
            buffer, opened = buffer[1:], True
        if not closed:
            chunk = match.group() if (match := _JSON_TEXT.match(buffer)) else ""
            yield _decode_json_text(chunk)
            buffer = buffer[len(chunk) :]
            closed = buffer.startswith('"')
        if closed and not buffer[1:].strip():
            buffer = '"'
        elif len(buffer) >= _LONGEST_ESCAPE:
            break
    if buffer != '"':
        detail = (
            "the file begins as a JSON string and is none: a bad escape, no closing quote, or text after it"
        )
        raise MalformedXml("ENV-NOT-XML", detail, step=3)


def _decode_json_text(text: str) -> bytes:
    try:
        # Transports write raw line ends into the string, which a strict JSON reader refuses.
        return str(json.loads(f'"{text}"', strict=False)).encode()
    except ValueError as error:
        raise MalformedXml(
            "ENV-NOT-XML", "a bad escape in the JSON string around the envelope", step=3
        ) from error


class XmlSink(Protocol):
    """Receiver of the events of `parse`, for example `reader.ModelBuilder`."""

    def start(self, ns: str, local: str, attrs: Sequence[tuple[str, str, str]]) -> None: ...
    def data(self, text: str, offset: int) -> None: ...
    def end(self, offset: int) -> None: ...


def parse(pieces: Iterable[bytes], events: XmlSink, limits: EnvelopeLimits, notes: Notes) -> None:
    """Parse the file and pass its events to `events`. MalformedXml with ENV-TOO-LARGE, -ENCODING, -NOT-XML, -LIMIT or
    -FORBIDDEN."""
    source = OctetSource(pieces, limits.max_bytes)
    driver = _ExpatDriver(events, limits, notes)
    for piece in source:
        driver.feed(piece, source.skipped)
    driver.close()
    if source.skipped:
        notes.add("BOM", detail="a byte order mark stands before the file")
    if source.wrapped:
        notes.add("JSON-WRAPPED", detail="the whole file was a JSON string; it was unwrapped once")


class _ExpatDriver:
    def __init__(self, events: XmlSink, limits: EnvelopeLimits, notes: Notes) -> None:
        self._events = events
        self._limits = limits
        self._notes = notes
        self._skipped = 0
        self._fed = 0
        self._depth = 0
        self._declared = 0
        self._comments = 0
        self._instructions = 0
        self._pending: list[str] = []
        self._held_size = 0
        self._held_from = 0
        self._parser = self._hardened()

    def feed(self, piece: bytes, skipped: int) -> None:
        self._skipped = skipped
        self._fed += len(piece)
        self._run(piece, final=False)
        if self._fed - self._parser.CurrentByteIndex > _LONGEST_TOKEN + 2 * len(piece):
            raise MalformedXml(
                "ENV-LIMIT", f"one tag or comment is longer than {_LONGEST_TOKEN} bytes", step=3
            )

    def close(self) -> None:
        self._run(b"", final=True)
        if self._comments:
            self._notes.add("COMMENT", detail=f"{self._comments} comments, not read")
        if self._instructions:
            self._notes.add("PI", detail=f"{self._instructions} processing instructions, not obeyed")

    def _run(self, piece: bytes, *, final: bool) -> None:
        try:
            self._parser.Parse(piece, final)
        except expat.ExpatError as error:
            place = f"line {error.lineno}, byte {max(self._parser.ErrorByteIndex, 0) + self._skipped}"
            code = "ENV-FORBIDDEN" if error.code in _ENTITY_ERRORS else "ENV-NOT-XML"
            detail = f"{place}: {expat.ErrorString(error.code)}; ask the sender for a well-formed file"
            raise MalformedXml(code, detail, step=3, location=place) from error

    def _hardened(self) -> expat.XMLParserType:
        # The encoding is forced, so that no declaration can change the meaning of the bytes (F2).
        parser = expat.ParserCreate("UTF-8", _SEPARATOR)
        parser.ordered_attributes = True
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.XmlDeclHandler = self._declaration
        parser.StartNamespaceDeclHandler = self._namespace
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.CommentHandler = self._comment
        parser.ProcessingInstructionHandler = self._instruction
        parser.StartDoctypeDeclHandler = partial(self._forbidden, "a DOCTYPE")
        entity = partial(self._forbidden, "an entity or notation")
        parser.EntityDeclHandler = parser.UnparsedEntityDeclHandler = entity
        parser.NotationDeclHandler = parser.SkippedEntityHandler = entity
        parser.ExternalEntityRefHandler = partial(self._forbidden, "an external entity")
        return parser

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.upper() != "UTF-8":
            detail = f"the declaration says {encoding[:40]!r}; only UTF-8 is read"
            raise MalformedXml("ENV-ENCODING", detail, step=2, location="line 1")
        if version != "1.0":
            detail = f"XML {version[:10]!r}; only XML 1.0 is read"
            raise MalformedXml("ENV-NOT-XML", detail, step=3, location="line 1")

    def _start(self, name: str, attributes: list[str]) -> None:
        self._flush()
        self._depth += 1
        if self._depth > self._limits.general_depth:
            self._refuse_limit(f"elements nest deeper than {self._limits.general_depth}")
        (ns, local), self._declared = _split(name), 0
        pairs = zip(attributes[::2], attributes[1::2], strict=True)
        attrs = [(*_split(key), value) for key, value in pairs]
        self._check_tag(len(local) + sum(len(key) + len(value) for _, key, value in attrs))
        self._events.start(ns, local, attrs)

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        self._declared += len(prefix or "") + len(uri or "")
        self._check_tag(self._declared)

    def _check_tag(self, size: int) -> None:
        """Check a tag's size. It is never above the written size: a name is counted without its namespace and prefix."""
        if size > self._limits.name_bytes:
            self._refuse_limit(f"a start tag is longer than {self._limits.name_bytes} characters")

    def _end(self, _name: str) -> None:
        self._flush()
        self._depth -= 1
        self._events.end(self._offset())

    def _data(self, text: str) -> None:
        """Collect text into larger pieces, because line-wrapped base64 comes line by line."""
        if not self._pending:
            self._held_from = self._offset()
        self._pending.append(text)
        self._held_size += len(text)
        if self._held_size >= _FLUSH:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            text, self._pending, self._held_size = "".join(self._pending), [], 0
            self._events.data(text, self._held_from)

    def _comment(self, _text: str) -> None:
        self._comments += 1

    def _instruction(self, _target: str, _data: str) -> None:
        self._instructions += 1

    def _forbidden(self, construct: str, *_: object) -> NoReturn:
        detail = f"{self._place()}: {construct} is never read; ask the sender for a file without it"
        raise MalformedXml("ENV-FORBIDDEN", detail, step=3, location=self._place())

    def _refuse_limit(self, problem: str) -> NoReturn:
        raise MalformedXml("ENV-LIMIT", f"{self._place()}: {problem}", step=3, location=self._place())

    def _place(self) -> str:
        return f"line {self._parser.CurrentLineNumber}, byte {self._offset()}"

    def _offset(self) -> int:
        return self._parser.CurrentByteIndex + self._skipped


def _split(name: str) -> tuple[str, str]:
    ns, separator, local = name.rpartition(_SEPARATOR)
    return (ns, local) if separator else ("", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewLine:
    """One line. `kind` is element, attribute, text, file or comment; `size` is that of the whole text, in characters."""

    depth: int
    kind: str
    name: str
    value: str = ""
    size: int = 0
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Lines of a file. `fault` is empty when all of it was read; otherwise `at` is the byte where reading ended."""

    lines: tuple[ViewLine, ...]
    fault: str = ""
    at: int | None = None


class _ReadingEnded(Exception):
    """Reading ends here, for this reason."""


def view(pieces: Iterable[bytes]) -> View:
    """Return the lines of one file, up to its end or its first fault."""
    reader = _ViewReader()
    try:
        for piece in pieces:
            reader.feed(piece)
        reader.feed(b"", last=True)
    except expat.ExpatError as why:
        return reader.end(expat.ErrorString(why.code))
    except _ReadingEnded as why:
        return reader.end(str(why))
    return View(lines=tuple(reader.lines))


@dataclass(kw_only=True)
class _ViewReader:
    """Reader of one file for `view`; it ends at the first construct that no exchange form has, or at a limit."""

    lines: list[ViewLine] = field(default_factory=list)
    _path: list[str] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)
    _text_size: int = 0
    _size: int = 0
    _read: int = 0

    def __post_init__(self) -> None:
        parser = expat.ParserCreate(namespace_separator=None)
        parser.buffer_text = True
        parser.ordered_attributes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.CommentHandler = self._comment
        parser.StartDoctypeDeclHandler = self._forbidden
        parser.EntityDeclHandler = self._forbidden
        parser.SkippedEntityHandler = self._forbidden
        parser.ProcessingInstructionHandler = self._forbidden
        self._parser = parser

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        self._read += len(piece)
        if self._read > MAX_VIEW_BYTES:
            raise _ReadingEnded("bytes")
        self._parser.Parse(piece, last)

    def end(self, why: str) -> View:
        """Return the view, with its last line marked as failed."""
        self._flush()
        if self.lines:
            self.lines[-1] = replace(self.lines[-1], failed=True)
        return View(lines=tuple(self.lines), fault=why, at=max(self._parser.ErrorByteIndex, 0))

    def _start(self, name: str, attributes: list[str]) -> None:
        self._flush()
        self._add("element", name)
        self._path.append(name)
        if len(self._path) > MAX_VIEW_DEPTH:
            raise _ReadingEnded("depth")
        for key, value in zip(attributes[::2], attributes[1::2], strict=True):
            self._add("attribute", key, value[:MAX_VIEW_TEXT], len(value))

    def _end(self, name: str) -> None:
        self._flush()
        self._path.pop()

    def _characters(self, text: str) -> None:
        self._size += len(text)
        if self._text_size < MAX_VIEW_TEXT and not self._in_file():
            self._text.append(text[: MAX_VIEW_TEXT - self._text_size])
            self._text_size += len(self._text[-1])

    def _comment(self, text: str) -> None:
        self._flush()
        self._add("comment", "", text[:MAX_VIEW_TEXT], len(text))

    def _forbidden(self, *_: object) -> None:
        raise _ReadingEnded("forbidden")

    def _in_file(self) -> bool:
        local = self._path[-1].rpartition(":")[2] if self._path else ""
        inside = any(name.rpartition(":")[2] == "Attachment" for name in self._path[:-1])
        return local in _FILES or (inside and local == "Content")

    def _flush(self) -> None:
        text, size = "".join(self._text).strip(), self._size
        self._text, self._text_size, self._size = [], 0, 0
        if self._in_file() and size > MAX_VIEW_TEXT // 4:
            self._add("file", self._path[-1], "", size)
        elif text:
            self._add("text", self._path[-1] if self._path else "", text, size)

    def _add(self, kind: str, name: str, value: str = "", size: int = 0) -> None:
        if len(self.lines) >= MAX_VIEW_LINES:
            raise _ReadingEnded("lines")
        self.lines.append(ViewLine(depth=len(self._path), kind=kind, name=name[:200], value=value, size=size))
