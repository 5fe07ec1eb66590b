"""Looks into office documents made of ZIP members, and into RTF: which kind, and what it would run, embed or fetch from
elsewhere when it is opened (threat 64). In: the members of one document, or a stream. Out: short words, `active.` of the
labels. Adapter part of `trust.inspector`. Parts are searched as text, not parsed: a hostile part has nothing to break."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import unescape
from typing import BinaryIO

from gateway.trust.archive import BadArchive, Entry, content

WITH_MACROS = {"docx": "docm", "xlsx": "xlsm", "pptx": "pptm"}
_FOLDERS = (("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx"))
_ODF = {
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.presentation": "odp",
}
_KINDS = frozenset({*WITH_MACROS, *_ODF.values()})
_MACRO_PARTS = ("/activex/", "/macrosheets/", "/dialogsheets/")
# Parts that say how the others belong together; more than this is no honest one.
_LONGEST_PART = 4 * 1024 * 1024
_RELATION = re.compile(r"([^\s:]+:)?relationship\s")
_EMBEDDED = re.compile(r"relationships/(oleobject|package)[\"']")
_FETCHED = re.compile(r"/(attachedtemplate|oleobject|frame|subdocument|externallink\w*|image)\b")
_FAR = re.compile(r"targetmode\s*=\s*[\"']external")
# A picture from elsewhere only tells that it was looked at; the other kinds bring code.
_HARMLESS = "image"
_RTF_FETCHES = (b"\\objupdate", b"\\objautlink", b"\\objlink", b"\\template")


def kind_of(stream: BinaryIO, rows: list[Entry]) -> str:
    """What the members make: an office document, a program, or a plain archive."""
    names = {row.name for row in rows}
    if "[Content_Types].xml" in names:
        return next(
            (kind for folder, kind in _FOLDERS if any(name.startswith(folder) for name in names)), "ooxml"
        )
    first = rows[0] if rows else None
    if first is not None and first.name == "mimetype" and not first.encrypted and first.size < 200:
        told = b"".join(content(stream, first)).strip()
        return _ODF.get(told, "epub" if told == b"application/epub+zip" else "zip")
    if "META-INF/MANIFEST.MF" in names and any(name.endswith((".class", ".dex")) for name in names):
        return "jar"
    return "zip"


def active_by_name(names: Iterable[str], kind: str) -> Iterator[str]:
    """Macros and embedded objects, by the members that carry them."""
    if kind not in _KINDS:
        return
    for name in names:
        low = name.casefold()
        if low.endswith("vbaproject.bin") or low.startswith(("basic/", "scripts/")):
            yield "macro"
        if any(part in low for part in _MACRO_PARTS):
            yield "macro"
        if "/embeddings/" in low:
            yield "embedded-file"


class Part:
    """One member's text, kept while it flows by, where that member tells how others belong to the document."""

    def __init__(self, row: Entry, kind: str) -> None:
        low = row.name.casefold()
        tells = low.endswith(".rels") or low == "[content_types].xml"
        self._held = bytearray() if tells and kind in WITH_MACROS else None

    def feed(self, piece: bytes) -> None:
        """BadArchive for a part of which the end would not be looked at."""
        if self._held is not None:
            self._held += piece
            if len(self._held) > _LONGEST_PART:
                raise BadArchive("too-long-to-read")

    def active(self) -> Iterator[str]:
        """A macro part can have any name, but not another type; a far target can have any name at all."""
        if self._held is None:
            return
        text = _text(bytes(self._held))
        whole = unescape(text).casefold()
        if "vbaproject" in whole or "ms-office.activex" in whole:
            yield "macro"
        # Between the quotes of an attribute anything may stand but this one letter.
        for element in text.split("<"):
            relation = unescape(element).casefold()
            if _RELATION.match(relation) is None:
                continue
            found, is_far = _FETCHED.search(relation), _FAR.search(relation)
            if is_far and found is not None and found[1] != _HARMLESS:
                yield "remote-content"
            if not is_far and _EMBEDDED.search(relation):
                yield "embedded-file"


def _text(raw: bytes) -> str:
    """In either of the encodings that such a part may have."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    if b"\0" in raw[:2]:
        return raw.decode("utf-16-be" if raw[:1] == b"\0" else "utf-16-le", "replace")
    return raw.decode("utf-8", "replace")


def active_in_rtf(stream: BinaryIO) -> Iterator[str]:
    """Objects that lie in an RTF, and those that it fetches or renews by itself."""
    found: set[str] = set()
    for window in _windows(stream):
        if b"\\objdata" in window:
            found.add("embedded-file")
        if any(word in window for word in _RTF_FETCHES):
            found.add("remote-content")
    yield from sorted(found)


def _windows(stream: BinaryIO) -> Iterator[bytes]:
    """The stream in pieces, each with the end of the one before it."""
    stream.seek(0)
    carried = b""
    while piece := stream.read(256 * 1024):
        yield carried + piece
        carried = piece[-32:]
