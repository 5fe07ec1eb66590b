"""One attachment between its file and its base64 text. Out: choose raw or zipped by the name and encode as a stream.
In: decode strictly while the parser delivers text, and decide by the bytes, not by labels, whether a person would
open what is in the ZIP or the ZIP itself (`edxml.md` 2.6). Damage is a result, never an exception."""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gateway.domain.identity import Digest
from gateway.domain.proof import FileSlice
from gateway.edxml.archive import LOCAL_MAGIC, OneEntry, zipped
from gateway.edxml.policy import Limits
from gateway.errors import CannotOpen

_ZIP_BASED_NAMES: Final = """
    zip jar war ear apk aar epub docx docm dotx dotm xlsx xlsm xltx xltm xlsb xlam pptx pptm potx potm ppsx ppsm
    odt ods odp odg odf odc odb odm ott ots otp otg vsdx vsdm xps oxps ofd kmz 3mf whl nupkg idml sketch
"""
_ZIP_BASED: Final = frozenset(_ZIP_BASED_NAMES.split())
"""Extensions of files that are ZIP archives themselves."""

_PACKED_NAMES: Final = """
    docx xlsx pptx odt ods odp epub jar jpg jpeg png gif webp rar 7z gz bz2 xz zst mp3 mp4 m4a mov avi
"""
_PACKED: Final = frozenset(_PACKED_NAMES.split())
_NO_EFFORT: Final = 0
"""Deflate level for what is packed already: plain DEFLATE blocks, without 300 ms per 10 MB for nothing."""

_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_XML_SPACE = b" \t\r\n"
_ENCODE_STEP: Final = 3 << 16


def extension(name: str | None) -> str:
    """The part after the last dot, in lower case; empty when there is none."""
    return name.rpartition(".")[2].lower() if name and "." in name else ""


def wire_name(name: str) -> str:
    """The name as the older vendor build needs it: it takes `ZIP` in capitals for something to zip again."""
    return name[:-3] + "zip" if extension(name) == "zip" else name


def coding_for(name: str) -> tuple[str, str]:
    """Coding and content type that every known reader opens: pdf and zip as they are, all else zipped."""
    found = extension(name)
    return (
        ("raw", "application/pdf")
        if found == "pdf"
        else ("raw" if found == "zip" else "zip", "application/zip")
    )


def is_entry_name(entry_name: str, name: str) -> bool:
    """Whether a ZIP entry is named as a wrapper of file `name` names it: a UUID and the same extension."""
    base, _, inner = entry_name.rpartition(".")
    return _UUID.fullmatch(base) is not None and inner.lower() == (extension(name) or "unk")


def encoded_pieces(name: str, entry_name: str, pieces: Iterable[bytes], at: datetime) -> Iterator[bytes]:
    """The attachment's text: base64 in one line, padded. `at` is the entry's time stamp, so that equal input gives
    equal bytes; `entry_name` is a random UUID and the extension, made by the caller."""
    if coding_for(name)[0] == "zip":
        level = _NO_EFFORT if extension(name) in _PACKED else 6
        pieces = zipped(entry_name, pieces, at, level)
    kept = b""
    for piece in pieces:
        for start in range(0, len(piece), _ENCODE_STEP):
            data = kept + piece[start : start + _ENCODE_STEP]
            whole = len(data) - len(data) % 3
            kept = data[whole:]
            if whole:
                yield b64encode(data[:whole])
    if kept:
        yield b64encode(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What one attachment turned out to be. With `damaged`, size and digest are those of the stored bytes when they
    could be decoded, and None when not even that was possible."""

    coding: str
    size: int | None
    sha256: Digest | None
    damaged: str | None = None


class _Base64:
    """Strict base64 in pieces: the standard alphabet, XML white space anywhere, full padding, no stray bits."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self._carry = b""
        self._ended = False

    def feed(self, text: bytes) -> bytes:
        if self.fault is not None:
            return b""
        text = self._carry + text
        whole = len(text) & ~3
        try:
            raw = self._decode(text[:whole])
        except ValueError:
            text = text.translate(None, _XML_SPACE)
            whole = len(text) & ~3
            try:
                raw = self._decode(text[:whole])
            except ValueError:
                self.fault = "not base64"
                return b""
        self._carry = text[whole:]
        return raw

    def finish(self) -> None:
        if self.fault is None and self._carry.translate(None, _XML_SPACE):
            self.fault = "base64 without its padding, or cut short"

    def _decode(self, text: bytes) -> bytes:
        if not text:
            return b""
        if self._ended:
            raise ValueError("text after the padding")
        raw = binascii.a2b_base64(text, strict_mode=True)
        if text.endswith(b"="):
            # the decoder ignores bits beyond the last byte: two texts would give one file
            if b64encode(raw[-(len(raw) % 3) :]) != text[-4:]:
                raise ValueError("stray bits before the padding")
            self._ended = True
        return raw


class Decoder:
    """Takes one attachment's text in pieces of any size and keeps none of it. `limits.inflated_bytes` is what this
    attachment may unpack to: who decodes several passes what is left, and subtracts `inflated` afterwards. `out` is given
    the file while it passes, unless it begins as a ZIP: what a person would open is then known at the end only."""

    def __init__(
        self, name: str | None, limits: Limits, out: Callable[[bytes], object] | None = None
    ) -> None:
        self._name = name
        self._limits = limits
        self._out = out
        self._base64 = _Base64()
        self._stored_hash = hashlib.sha256()
        self._entry_hash = hashlib.sha256()
        self._stored = 0
        self._magic: bytes | None = b""
        self._entry: OneEntry | None = None

    @property
    def inflated(self) -> int:
        """Bytes unpacked so far."""
        return 0 if self._entry is None else self._entry.inflated

    @property
    def gave_out(self) -> bool:
        """Whether `out` had all of it."""
        return self._out is not None and self._entry is None

    def feed(self, text: bytes) -> None:
        raw = self._base64.feed(text)
        if not raw:
            return
        self._stored += len(raw)
        self._stored_hash.update(raw)
        if self._magic is not None:
            raw = self._magic + raw
            if len(raw) < len(LOCAL_MAGIC):
                self._magic = raw
                return
            self._magic = None
            if raw.startswith(LOCAL_MAGIC):
                self._entry = OneEntry(self._limits.inflated_bytes, self._entry_hash.update)
        if self._entry is not None:
            self._entry.feed(raw)
        elif self._out is not None:
            self._out(raw)

    def finish(self, name: str | None = None) -> Decoded:
        """The result. `name` is for writers that put the name after the content."""
        self._base64.finish()
        if self._magic and self._out is not None:
            self._out(self._magic)
        if self._base64.fault is not None:
            return Decoded(coding="raw", size=None, sha256=None, damaged=self._base64.fault)
        if self._entry is not None:
            self._entry.finish()
            if self._wrapped(self._entry, extension(name or self._name)):
                return self._unwrapped(self._entry)
        return self._raw()

    def _wrapped(self, entry: OneEntry, found: str) -> bool:
        """Whether the ZIP is a wrapper. A ZIP-based file is one only when its entry is named as a wrapper names it."""
        if found not in _ZIP_BASED:
            return True
        named = is_entry_name(entry.entry_name or "", f"x.{found}")
        return named and (entry.fault is None or "more than one" not in entry.fault)

    def _unwrapped(self, entry: OneEntry) -> Decoded:
        if entry.fault is not None:
            return self._raw(entry.fault, "zip")
        digest = Digest.of_bytes(self._entry_hash.digest())
        return Decoded(coding="zip", size=entry.inflated, sha256=digest)

    def _raw(self, damaged: str | None = None, coding: str = "raw") -> Decoded:
        digest = Digest.of_bytes(self._stored_hash.digest())
        return Decoded(coding=coding, size=self._stored, sha256=digest, damaged=damaged)


def opened(
    part: FileSlice, name: str | None, text: Iterable[bytes], limits: Limits, out: Callable[[bytes], object]
) -> tuple[FileSlice, Decoder]:
    """A slice that was not opened when its envelope was read, with what is in it. `name` is the attachment's own, which
    its line of the manifest may have to lend it."""
    decoder = Decoder(name, limits, out)
    for piece in text:
        decoder.feed(piece)
    found = decoder.finish()
    return (
        replace(part, coding=found.coding, size=found.size, sha256=found.sha256, damaged=found.damaged),
        decoder,
    )


def decoded_pieces(raw_b64: Iterable[bytes], coding: str, max_bytes: int = 1 << 40) -> Iterator[bytes]:
    """A stored slice streamed back out as the file. `CannotOpen` when it is damaged, possibly after the first
    pieces: whoever keeps them compares the digest of the `FileSlice` at the end."""
    base64 = _Base64()
    ready: list[bytes] = []
    entry = OneEntry(max_bytes, ready.append) if coding == "zip" else None
    for piece in raw_b64:
        raw = base64.feed(piece)
        if entry is None:
            ready.append(raw)
        else:
            entry.feed(raw)
        yield from ready
        ready.clear()
    base64.finish()
    if entry is not None:
        entry.finish()
    fault = base64.fault or (entry.fault if entry is not None else None)
    if fault is not None:
        raise CannotOpen(f"the attachment cannot be opened: {fault}; ask the sender to send it again")
