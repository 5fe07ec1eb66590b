"""Shows a file that nobody trusts as lines of a tree, as far as it can be read. In: pieces of bytes. Out: bounded lines;
the last one marked where reading ended, with the byte and why. Nothing is resolved, fetched or built; texts are cut, and
what lies inside as a file is told by its size alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from xml.parsers import expat

MOST_LINES = 2_000
MOST_DEPTH = 64
MOST_TEXT = 400
MOST_BYTES = 64 * 1024 * 1024
# A file in base64: nobody reads it here, and it may be as large as it likes.
_FILES = frozenset({"ContentTransferEncoded", "AttachmentData", "Attachment", "Content64"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One line. `kind`: element, attribute, text, file or comment; `size` is the whole text's, in characters."""

    depth: int
    kind: str
    name: str
    value: str = ""
    size: int = 0
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`fault` is empty when the file was read to its end; `at` is the byte where reading ended."""

    lines: tuple[Seen, ...]
    fault: str = ""
    at: int | None = None


class _Ended(Exception):
    """Reading ends here, for this reason."""


def view(pieces: Iterable[bytes]) -> View:
    """The lines of one file, to the end or to where it cannot be read."""
    looking = _Looking()
    try:
        for piece in pieces:
            looking.feed(piece)
        looking.feed(b"", last=True)
    except expat.ExpatError as why:
        return looking.ended(expat.ErrorString(why.code))
    except _Ended as why:
        return looking.ended(str(why))
    return View(lines=tuple(looking.lines))


@dataclass(kw_only=True)
class _Looking:
    """One pass; it ends at the first thing that no exchange form has, or at a bound."""

    lines: list[Seen] = field(default_factory=list)
    _path: list[str] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)
    _kept: int = 0
    _size: int = 0
    _read: int = 0

    def __post_init__(self) -> None:
        made = expat.ParserCreate(namespace_separator=None)
        made.buffer_text = True
        made.ordered_attributes = True
        made.StartElementHandler = self._start
        made.EndElementHandler = self._end
        made.CharacterDataHandler = self._characters
        made.CommentHandler = self._comment
        made.StartDoctypeDeclHandler = self._forbidden
        made.EntityDeclHandler = self._forbidden
        made.SkippedEntityHandler = self._forbidden
        made.ProcessingInstructionHandler = self._forbidden
        self._parser = made

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        self._read += len(piece)
        if self._read > MOST_BYTES:
            raise _Ended("bytes")
        self._parser.Parse(piece, last)

    def ended(self, why: str) -> View:
        """The last line is the one that failed."""
        self._flush()
        if self.lines:
            self.lines[-1] = replace(self.lines[-1], failed=True)
        return View(lines=tuple(self.lines), fault=why, at=max(self._parser.ErrorByteIndex, 0))

    def _start(self, name: str, attributes: list[str]) -> None:
        self._flush()
        self._add("element", name)
        self._path.append(name)
        if len(self._path) > MOST_DEPTH:
            raise _Ended("depth")
        for key, value in zip(attributes[::2], attributes[1::2], strict=True):
            self._add("attribute", key, value[:MOST_TEXT], len(value))

    def _end(self, name: str) -> None:
        self._flush()
        self._path.pop()

    def _characters(self, text: str) -> None:
        self._size += len(text)
        if self._kept < MOST_TEXT and not self._in_file():
            self._text.append(text[: MOST_TEXT - self._kept])
            self._kept += len(self._text[-1])

    def _comment(self, text: str) -> None:
        self._flush()
        self._add("comment", "", text[:MOST_TEXT], len(text))

    def _forbidden(self, *_: object) -> None:
        raise _Ended("forbidden")

    def _in_file(self) -> bool:
        local = self._path[-1].rpartition(":")[2] if self._path else ""
        inside = any(each.rpartition(":")[2] == "Attachment" for each in self._path[:-1])
        return local in _FILES or (inside and local == "Content")

    def _flush(self) -> None:
        text, size = "".join(self._text).strip(), self._size
        self._text, self._kept, self._size = [], 0, 0
        if self._in_file() and size > MOST_TEXT // 4:
            self._add("file", self._path[-1], "", size)
        elif text:
            self._add("text", self._path[-1] if self._path else "", text, size)

    def _add(self, kind: str, name: str, value: str = "", size: int = 0) -> None:
        if len(self.lines) >= MOST_LINES:
            raise _Ended("lines")
        self.lines.append(Seen(depth=len(self._path), kind=kind, name=name[:200], value=value, size=size))
