"""Makes the plain UTF-8 octets of an envelope out of what a transport delivered. In: pieces of a file. Out: the same
octets without a byte order mark and without the JSON string that some transports wrap around the whole file,
unwrapped once. Refuses what is too large or not UTF-8; looks at nothing else (edxml.md 11)."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING

from gateway.errors import MalformedXml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BOM = codecs.BOM_UTF8
_PIECE = 256 * 1024
_HEAD = 64
_LONGEST_ESCAPE = len(r"\ud83d\ude00")
# Whole characters and whole escapes, so that a piece of a JSON string can be decoded alone; a high surrogate waits.
# No possessive repeats: before Python 3.11.4 a group of alternatives under one gives back a part of the last.
_WHOLE = re.compile(
    r"""(?:[^"\\]+|\\["\\/bfnrt]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"""
    r"""|\\u(?![dD][89abAB])[0-9a-fA-F]{4})*""",
)


class Source:
    """One pass over the octets. `skipped` is what offsets in the octets lack to be offsets in the file; when
    `wrapped`, the file holds escapes and no offset into it is meant."""

    def __init__(self, pieces: Iterable[bytes], max_bytes: int) -> None:
        self._pieces = pieces
        self._max_bytes = max_bytes
        self._read = 0
        self.skipped = 0
        self.wrapped = False

    def __iter__(self) -> Iterator[bytes]:
        pieces = self._checked()
        head = _head_of(pieces)
        if head.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)) or b"\0" in head[:4]:
            raise MalformedXml("ENV-ENCODING", "the file is not UTF-8: it begins like UTF-16 or UTF-32")
        if head.startswith(_BOM):
            head, self.skipped = head[len(_BOM) :], len(_BOM)
        self.wrapped = head.lstrip().startswith(b'"')
        octets = _utf8(_with_head(head, pieces), self.skipped)
        return _unwrapped(octets) if self.wrapped else (text for text, _ in octets)

    def _checked(self) -> Iterator[bytes]:
        for given in self._pieces:
            self._read += len(given)
            if self._read > self._max_bytes:
                detail = (
                    f"the file is larger than {self._max_bytes} bytes; send it in parts or raise the limit"
                )
                raise MalformedXml("ENV-TOO-LARGE", detail, step=1)
            for at in range(0, len(given), _PIECE):
                yield given[at : at + _PIECE]


def _head_of(pieces: Iterator[bytes]) -> bytes:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEAD:
            break
    return head


def _with_head(head: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from pieces


def _utf8(pieces: Iterator[bytes], at: int) -> Iterator[tuple[bytes, str]]:
    """Each piece with its text, the text of a character cut in two coming with the piece that ends it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in pieces:
            yield piece, decoder.decode(piece)
            at += len(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        where = f"byte {max(at + error.start, 0)}"
        detail = f"{where} is not UTF-8; the file must be UTF-8 throughout"
        raise MalformedXml("ENV-ENCODING", detail, step=2, where=where) from error


def _unwrapped(octets: Iterator[tuple[bytes, str]]) -> Iterator[bytes]:
    """The text inside one JSON string. Escapes that a piece cuts in two wait for the next piece."""
    rest, opened, closed = "", False, False
    for _, text in octets:
        rest += text
        if not opened:
            rest = rest.lstrip()
            if not rest:
                continue
            rest, opened = rest[1:], True
        if not closed:
            whole = _whole_part(rest)
            yield _decoded(rest[:whole])
            rest = rest[whole:]
            closed = rest.startswith('"')
        if closed and not rest[1:].strip():
            rest = '"'
        elif len(rest) >= _LONGEST_ESCAPE:
            break
    if rest != '"':
        detail = (
            "the file begins as a JSON string and is none: a bad escape, no closing quote, or text after it"
        )
        raise MalformedXml("ENV-NOT-XML", detail, step=3)


def _whole_part(text: str) -> int:
    match = _WHOLE.match(text)
    return match.end() if match else 0


def _decoded(text: str) -> bytes:
    try:
        # transports write raw line ends into the string, which only a strict JSON reader refuses
        return str(json.loads(f'"{text}"', strict=False)).encode()
    except ValueError as error:
        raise MalformedXml(
            "ENV-NOT-XML", "a bad escape in the JSON string around the envelope", step=3
        ) from error
