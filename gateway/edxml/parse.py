"""Drives a hardened expat over untrusted octets. In: pieces of a file, and whatever takes the events. Out: its events,
with namespaces resolved and byte offsets of the file. Refuses DOCTYPE, entities and everything over the limits; an
ill-formed file is refused with its place and never repaired (G2). No file, no network, no entity is ever opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol
from xml.parsers import expat

from gateway.edxml.source import Source
from gateway.errors import MalformedXml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.edxml.policy import Limits
    from gateway.edxml.tree import Notes

_SEPARATOR = "\x1f"  # stands in no well-formed XML, so in no namespace
_FLUSH = 64 * 1024
_LONGEST_TOKEN = 4 * 1024 * 1024
_ENTITY_ERRORS = frozenset({expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]})


class Events(Protocol):
    """What takes the events; `reader.ModelBuilder` is one."""

    def start(self, ns: str, local: str, attrs: Sequence[tuple[str, str, str]]) -> None: ...
    def data(self, text: str, offset: int) -> None: ...
    def end(self, offset: int) -> None: ...


def parse(pieces: Iterable[bytes], events: Events, limits: Limits, notes: Notes) -> None:
    """Feeds everything to `events`. Raises `MalformedXml`: ENV-TOO-LARGE, -ENCODING, -NOT-XML, -LIMIT, -FORBIDDEN."""
    source = Source(pieces, limits.max_bytes)
    driver = _Driver(events, limits, notes)
    for piece in source:
        driver.feed(piece, source.skipped)
    driver.close()
    if source.skipped:
        notes.add("BOM", detail="a byte order mark stands before the file")
    if source.wrapped:
        notes.add("JSON-WRAPPED", detail="the whole file was a JSON string; it was unwrapped once")


class _Driver:
    def __init__(self, events: Events, limits: Limits, notes: Notes) -> None:
        self._events = events
        self._limits = limits
        self._notes = notes
        self._skipped = 0
        self._fed = 0
        self._depth = 0
        self._declared = 0
        self._comments = 0
        self._instructions = 0
        self._held: list[str] = []
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
            where = f"line {error.lineno}, byte {max(self._parser.ErrorByteIndex, 0) + self._skipped}"
            code = "ENV-FORBIDDEN" if error.code in _ENTITY_ERRORS else "ENV-NOT-XML"
            detail = f"{where}: {expat.ErrorString(error.code)}; ask the sender for a well-formed file"
            raise MalformedXml(code, detail, step=3, where=where) from error

    def _hardened(self) -> expat.XMLParserType:
        # the encoding is forced, so that no declaration can change what the bytes mean (F2)
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
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.UnparsedEntityDeclHandler = self._entity
        parser.NotationDeclHandler = self._entity
        parser.ExternalEntityRefHandler = self._external
        parser.SkippedEntityHandler = self._entity
        return parser

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.upper() != "UTF-8":
            detail = f"the declaration says {encoding[:40]!r}; only UTF-8 is read"
            raise MalformedXml("ENV-ENCODING", detail, step=2, where="line 1")
        if version != "1.0":
            detail = f"XML {version[:10]!r}; only XML 1.0 is read"
            raise MalformedXml("ENV-NOT-XML", detail, step=3, where="line 1")

    def _start(self, name: str, attributes: list[str]) -> None:
        self._flush()
        self._depth += 1
        if self._depth > self._limits.general_depth:
            self._over(f"elements nest deeper than {self._limits.general_depth}")
        (ns, local), self._declared = _split(name), 0
        pairs = zip(attributes[::2], attributes[1::2], strict=True)
        attrs = [(*_split(key), value) for key, value in pairs]
        self._check_tag(len(local) + sum(len(key) + len(value) for _, key, value in attrs))
        self._events.start(ns, local, attrs)

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        self._declared += len(prefix or "") + len(uri or "")
        self._check_tag(self._declared)

    def _check_tag(self, size: int) -> None:
        """Never more than is written: a resolved name is longer than its prefix, and counts without its namespace."""
        if size > self._limits.name_bytes:
            self._over(f"a start tag is longer than {self._limits.name_bytes} characters")

    def _end(self, _name: str) -> None:
        self._flush()
        self._depth -= 1
        self._events.end(self._offset())

    def _data(self, text: str) -> None:
        """Line-wrapped base64 comes a line at a time; it is handed on in larger pieces."""
        if not self._held:
            self._held_from = self._offset()
        self._held.append(text)
        self._held_size += len(text)
        if self._held_size >= _FLUSH:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            text, self._held, self._held_size = "".join(self._held), [], 0
            self._events.data(text, self._held_from)

    def _comment(self, _text: str) -> None:
        self._comments += 1

    def _instruction(self, _target: str, _data: str) -> None:
        self._instructions += 1

    def _doctype(self, *_: object) -> None:
        self._forbidden("a DOCTYPE")

    def _entity(self, *_: object) -> None:
        self._forbidden("an entity or notation")

    def _external(self, *_: object) -> int:
        self._forbidden("an external entity")

    def _forbidden(self, what: str) -> NoReturn:
        detail = f"{self._place()}: {what} is never read; ask the sender for a file without it"
        raise MalformedXml("ENV-FORBIDDEN", detail, step=3, where=self._place())

    def _over(self, what: str) -> NoReturn:
        raise MalformedXml("ENV-LIMIT", f"{self._place()}: {what}", step=3, where=self._place())

    def _place(self) -> str:
        return f"line {self._parser.CurrentLineNumber}, byte {self._offset()}"

    def _offset(self) -> int:
        return self._parser.CurrentByteIndex + self._skipped


def _split(name: str) -> tuple[str, str]:
    ns, found, local = name.rpartition(_SEPARATOR)
    return (ns, local) if found else ("", name)
