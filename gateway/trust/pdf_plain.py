"""Reads facts about a plain PDF with regular expressions, which run in C, so that the slower library is needed only for
other files. In: the bytes of a small file, and a pattern of names of active content. Out: `PlainPdf`, or None where the
library must read the file. A file is plain if none of these names occurs anywhere, and if its objects are listed in one
table at its end, each at the listed place. A file with any unusual syntax is not plain."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

# Blanks between parts, without those that readers treat differently.
_BLANK = rb"[\t\n\r ]*+"
_LINE_END = rb"(?:\r\n|\r|\n)"
_NAME = rb"/[^\x00-\x20()<>\[\]{}/%]*+"
_KEY = rb"/[A-Za-z0-9_.+-]++"
_REFERENCE = rb"[0-9]{1,7} [0-9]{1,5} R"
_ATOM = (
    rb"(?:" + _NAME + rb"|" + _REFERENCE + rb"(?![A-Za-z])"
    rb"|[-+]?+(?:[0-9]{1,15}+(?:\.[0-9]{0,15}+)?+|\.[0-9]{1,15}+)(?![-+.,0-9])"
    rb"|\((?:[^()\\]|\\.)*+\)|<[0-9A-Fa-f\t\n\r ]*+>|(?:true|false|null)(?![A-Za-z]))"
)
# Depth of nested arrays and dictionaries; a file with deeper ones is not plain.
_DEPTH = 4
_KIDS = re.compile(rb"\[(?:" + _BLANK + _REFERENCE + rb")++" + _BLANK + rb"\]")
_EACH_REFERENCE = re.compile(_REFERENCE)
_POINTER = rb"(?<=[\r\n])startxref" + _LINE_END + rb"([0-9]{1,10})" + _LINE_END + rb"%%EOF[\r\n]*+"
_END = re.compile(_POINTER + rb"\Z")
_LONGEST_END = 64
_ROW = rb"[0-9]{10} [0-9]{5} [fn](?: \r| \n|\r\n)"
_LINE = re.compile(rb"([0-9]{10}) ([0-9]{5}) ([fn])")
# Keys that point to other tables, or mean that the file is encrypted.
_ELSEWHERE = frozenset({b"/Prev", b"/XRefStm", b"/Encrypt"})
_DRAWING = frozenset({b"/Contents", b"/Annots"})
_Entries = Mapping[bytes, bytes]


def _value(depth: int) -> bytes:
    if depth == 0:
        return _ATOM
    inner = _value(depth - 1)
    array = rb"\[(?:" + _BLANK + inner + rb")*+" + _BLANK + rb"\]"
    dictionary = rb"<<(?:" + _BLANK + _NAME + _BLANK + inner + rb")*+" + _BLANK + rb">>"
    return rb"(?:" + _ATOM + rb"|" + array + rb"|" + dictionary + rb")"


_VALUE = _value(_DEPTH)
_DICTIONARY = rb"<<((?:" + _BLANK + _KEY + _BLANK + _VALUE + rb")*+)" + _BLANK + rb">>" + _BLANK
_ENTRY = re.compile(rb"(" + _KEY + rb")" + _BLANK + rb"(" + _VALUE + rb")", re.DOTALL)
_OBJECT = re.compile(rb"[0-9]+ [0-9]+ obj" + _BLANK + _DICTIONARY + rb"endobj", re.DOTALL)
_TABLE = re.compile(
    rb"xref ?" + _LINE_END + rb"0 ([0-9]{1,6}) ?" + _LINE_END + rb"((?:" + _ROW + rb")++)"
    rb"trailer" + _BLANK + _DICTIONARY + _POINTER,
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class PlainPdf:
    """Facts about a plain file. `draws` is True where its first page has content or annotations."""

    pages: int
    draws: bool


def pattern_of_names(names: Collection[str], kinds: Collection[str]) -> re.Pattern[bytes]:
    """Return a pattern that finds each of the names in any spelling, and also a key of `kinds` whose value is no plain
    name, because a text can spell a name in other ways."""
    first = "".join({name[0] for name in (*names, *kinds)}).encode("ascii")
    acting = b"|".join(map(_spelling, names))
    keys = b"|".join(map(_spelling, kinds))
    return re.compile(
        # Testing one byte first halves the time for the bytes of a picture.
        rb"/(?=[#" + first + rb"])(?:(?:" + acting + rb")(?=[\x00-\x20()<>\[\]{}/%]|\Z)"
        rb"|(?:" + keys + rb")[\x00-\x20]*+(?:[(%]|<(?!<)))"
    )


def _spelling(name: str) -> bytes:
    """Return a pattern of the name, in which each letter is written as itself or as its hexadecimal number."""
    letters = []
    for letter in name:
        number = "".join(f"[{digit}{digit.upper()}]" for digit in f"{ord(letter):02x}")
        letters.append(f"(?:{letter}|#{number})")
    return "".join(letters).encode("ascii")


def read_plain(data: bytes, acting: re.Pattern[bytes]) -> PlainPdf | None:
    """Return facts about the file where it is plain and `acting` finds nothing in it, else None. Bad content is no
    error."""
    if acting.search(data) is not None:
        return None
    end = _END.search(data, max(0, len(data) - _LONGEST_END))
    table = _TABLE.fullmatch(data, int(end[1])) if end is not None else None
    if table is None or data[table.start() - 1] not in b"\t\n\r ":
        return None
    places, trailer = _places(data, table), _entries(table[3])
    if places is None or trailer is None or trailer.keys() & _ELSEWHERE:
        return None
    root = _object(data, places, trailer.get(b"/Root"))
    return _pages(data, places, root.get(b"/Pages")) if root is not None else None


def _places(data: bytes, table: re.Match[bytes]) -> Mapping[bytes, int] | None:
    """Return the position of each object, by its reference; None where the table is wrong about one."""
    lines = _LINE.findall(table[2])
    if len(lines) != int(table[1]):
        return None
    places = {}
    for n, (place, generation, kind) in enumerate(lines):
        if kind == b"n":
            name = b"%d %d " % (n, int(generation))
            if not data.startswith(name + b"obj", int(place)):
                return None
            places[name + b"R"] = int(place)
    return places


def _pages(data: bytes, places: Mapping[bytes, int], top: bytes | None) -> PlainPdf | None:
    """Return the number of pages in the tree below `top`, and whether the first draws; None where the tree is malformed."""
    first: _Entries | None = None
    pages, visited, waiting = 0, set(), [top]
    while waiting:
        reference = waiting.pop()
        node = _object(data, places, reference)
        if node is None or reference in visited:
            return None
        visited.add(reference)
        if b"/Kids" not in node:
            first = node if first is None else first
            pages += 1
        elif _KIDS.fullmatch(node[b"/Kids"]) is not None:
            waiting += reversed(_EACH_REFERENCE.findall(node[b"/Kids"]))
        else:
            return None
    return PlainPdf(pages, not _DRAWING.isdisjoint(first)) if first is not None else None


def _object(data: bytes, places: Mapping[bytes, int], reference: bytes | None) -> _Entries | None:
    """Return the dictionary to which the reference points, or None."""
    if reference is None or reference not in places:
        return None
    match = _OBJECT.match(data, places[reference])
    return _entries(match[1]) if match is not None else None


def _entries(text: bytes) -> _Entries | None:
    """Return the value of each key; None where a key occurs twice."""
    pairs = _ENTRY.findall(text)
    entries = dict(pairs)
    return entries if len(entries) == len(pairs) else None
