"""Encodes and decodes one attachment, between its file and its base64 text. Outgoing: choose raw or zipped by the file's
name, and encode as a stream. Incoming: decode strictly while the parser delivers text, and decide by the bytes, not by
labels, whether a ZIP is the wire's wrapper around a file or the file itself. Damage is reported as a value, not raised,
because one bad attachment must not cost the message. The wrapper, a ZIP of exactly one entry, is streamed in both
directions, in bounded memory."""

from __future__ import annotations

import hashlib
import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import BinaryIO, Final

from pybase64 import b64decode, b64encode

from gateway.domain.identity import Digest
from gateway.domain.proof import FileSlice
from gateway.edxml.policy import EnvelopeLimits
from gateway.errors import BreaksRule, CannotOpen

PIECE: Final = 256 * 1024
"""Size of the pieces in which files are read and hashed."""

LOCAL_MAGIC: Final = b"PK\x03\x04"
_DESCRIPTOR_MAGIC: Final = b"PK\x07\x08"
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_DESCRIPTOR = struct.Struct("<4s3L")
_FLAGS: Final = 0x0808
_DEFLATE: Final = 8
_STORED: Final = 0
_MAX_32: Final = 0xFFFFFFFF
_WINDOW: Final = 1 << 18
_MAX_TAIL: Final = 4 * 65_536 + 256
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
"""Deflate level for packed files: plain DEFLATE blocks, which save 300 ms per 10 MB."""
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_XML_SPACE = b" \t\r\n"
_ENCODE_STEP: Final = 3 << 16


def zip_pieces(entry_name: str, pieces: Iterable[bytes], at: datetime, level: int) -> Iterator[bytes]:
    """Yield a ZIP of one DEFLATE entry with a data descriptor, as the vendor library writes it. BreaksRule for a file
    too large for a plain ZIP."""
    name, (date, time) = entry_name.encode(), _dos_time(at)
    yield _LOCAL.pack(LOCAL_MAGIC, 20, _FLAGS, _DEFLATE, time, date, 0, 0, 0, len(name), 0) + name
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    crc = size = packed = 0
    for piece in pieces:
        crc, size = zlib.crc32(piece, crc), size + len(piece)
        if out := packer.compress(piece):
            packed += len(out)
            yield out
    out = packer.flush()
    packed += len(out)
    if max(size, packed) + len(name) + 256 > _MAX_32:
        raise BreaksRule(f"a file of {size} bytes does not fit a plain ZIP; send it as several files")
    yield out + _DESCRIPTOR.pack(_DESCRIPTOR_MAGIC, crc, packed, size)
    fields = (_FLAGS, _DEFLATE, time, date, crc, packed, size, len(name))
    central = _CENTRAL.pack(b"PK\x01\x02", 20, 20, *fields, *[0] * 6) + name
    start = _LOCAL.size + len(name) + packed + _DESCRIPTOR.size
    yield central + _END.pack(b"PK\x05\x06", 0, 0, 1, 1, len(central), start, 0)


def _dos_time(at: datetime) -> tuple[int, int]:
    year = min(max(at.year, 1980), 2107)
    return (year - 1980) << 9 | at.month << 5 | at.day, at.hour << 11 | at.minute << 5 | at.second // 2


class OneEntry:
    """Reader of an archive of one entry: `feed` takes the archive in pieces, `out` receives the entry's bytes. Check
    `fault` after `finish`."""

    def __init__(self, max_inflated: int, out: Callable[[bytes], object]) -> None:
        self.fault: str | None = None
        self.entry_name: str | None = None
        self.inflated = 0
        self._max = max_inflated
        self._out = out
        self._head = bytearray()
        self._tail = bytearray()
        self._inflater: zlib._Decompress | None = None
        self._stored_left: int | None = None
        self._read = 0
        self._crc = 0
        self._local: tuple[int, int, int, int, int] | None = None
        self._name = b""
        self._data_start = 0

    def feed(self, piece: bytes) -> None:
        """Read the next bytes of the archive; after a fault they are ignored."""
        if self.fault is not None:
            return
        self._read += len(piece)
        if self._local is None:
            self._head += piece
            piece = self._open_entry()
        if self._local is not None and self.fault is None and piece:
            self._entry_data(piece)

    def finish(self) -> None:
        """Set `fault` unless the entry is followed by its descriptor, one central record that agrees, the end record,
        and nothing more."""
        if self.fault is None:
            self.fault = self._end_fault()

    def _open_entry(self) -> bytes:
        """Read the local header once it is complete, and return the bytes after it."""
        if len(self._head) < _LOCAL.size:
            return b""
        magic, _, flags, method, _, _, crc, packed, size, name_len, extra_len = _LOCAL.unpack_from(self._head)
        self._data_start = _LOCAL.size + name_len + extra_len
        if magic != LOCAL_MAGIC:
            self.fault = "not a ZIP archive"
        elif flags & 0x2041:
            self.fault = "the archive is encrypted"
        elif method == _STORED and not flags & 8:
            self._stored_left = packed
        elif method == _DEFLATE:
            self._inflater = zlib.decompressobj(-15)
        else:
            self.fault = f"the archive uses method {method} with flags {flags:#06x}, which is not supported"
        if self.fault is not None or len(self._head) < self._data_start:
            return b""
        self._name = bytes(self._head[_LOCAL.size : _LOCAL.size + name_len])
        self.entry_name = self._name.decode("utf-8", "replace")
        self._local = (flags, method, crc, packed, size)
        entry_bytes = bytes(self._head[self._data_start :])
        self._head.clear()
        return entry_bytes

    def _entry_data(self, piece: bytes) -> None:
        if self._stored_left is not None:
            mine, piece = piece[: self._stored_left], piece[self._stored_left :]
            self._stored_left -= len(mine)
            self._emit(mine)
        elif self._inflater is not None and not self._inflater.eof:
            piece = self._inflate(self._inflater, piece)
        if self.fault is None:
            self._tail += piece
            if len(self._tail) > _MAX_TAIL:
                self.fault = "the archive has more than one entry, or bytes that belong to none"
                self._tail.clear()

    def _inflate(self, inflater: zlib._Decompress, piece: bytes) -> bytes:
        """Inflate in windows, so that a small piece cannot demand much memory; return the bytes after the entry."""
        try:
            while self.fault is None and not inflater.eof:
                out = inflater.decompress(piece, _WINDOW)
                self._emit(out)
                piece = inflater.unconsumed_tail
                if not piece and len(out) < _WINDOW:
                    break
        except zlib.error:
            self.fault = "the archive's compressed data is damaged"
        return inflater.unused_data if inflater.eof else b""

    def _emit(self, out: bytes) -> None:
        self.inflated += len(out)
        if self.inflated > self._max:
            self.fault = f"the archive unpacks to more than {self._max} bytes"
            return
        self._crc = zlib.crc32(out, self._crc)
        if out:
            self._out(out)

    def _end_fault(self) -> str | None:
        deflating = self._inflater is not None and not self._inflater.eof
        if self._local is None or deflating or self._stored_left:
            return "the archive is cut short"
        tail, (flags, method, crc, packed, size) = bytes(self._tail), self._local
        if tail.startswith(LOCAL_MAGIC):
            return "the archive has more than one entry"
        packed_read = self._read - len(tail) - self._data_start
        if flags & 8:
            descriptor = _descriptor(tail)
            if descriptor is None:
                return "the archive is cut short"
            crc, packed, size, skip = descriptor
            tail = tail[skip:]
        if tail.startswith(LOCAL_MAGIC):
            return "the archive has more than one entry"
        if (crc, packed, size) != (self._crc, packed_read, self.inflated):
            return "the archive's checksum or sizes do not match its content"
        return self._directory_fault(tail, method, (crc, packed, size))

    def _directory_fault(self, tail: bytes, method: int, sums: tuple[int, int, int]) -> str | None:
        if len(tail) < _CENTRAL.size + _END.size:
            return "the archive has no end record: it is cut short"
        central = _CENTRAL.unpack_from(tail)
        end_at = _CENTRAL.size + sum(central[10:13])
        if central[0] != b"PK\x01\x02" or len(tail) < end_at + _END.size:
            return "the archive's directory is damaged"
        name = tail[_CENTRAL.size : _CENTRAL.size + central[10]]
        if (central[4], central[7:10], name, central[16]) != (method, sums, self._name, 0):
            return "the archive's directory does not agree with its entry"
        magic, disk, start_disk, disk_count, total, length, start, comment = _END.unpack_from(tail, end_at)
        if magic == b"PK\x01\x02" or (magic == b"PK\x05\x06" and (disk_count, total) != (1, 1)):
            return "the archive has more than one entry"
        if magic != b"PK\x05\x06" or len(tail) != end_at + _END.size + comment:
            return "the archive's end record is damaged"
        if (disk, start_disk, length, start) != (0, 0, end_at, self._read - len(tail)):
            return "the archive's end record is damaged"
        return None


def _descriptor(tail: bytes) -> tuple[int, int, int, int] | None:
    """Return CRC, packed size, size and length of the data descriptor, None where it is cut. Its signature is optional."""
    skip = 4 if tail.startswith(_DESCRIPTOR_MAGIC) else 0
    if len(tail) < skip + 12:
        return None
    crc, packed, size = struct.unpack_from("<3L", tail, skip)
    return crc, packed, size, skip + 12


def extension(name: str | None) -> str:
    """Return the part after the last dot, in lower case; empty when there is none."""
    return name.rpartition(".")[2].lower() if name and "." in name else ""


# Cached, because each name is needed several times while its envelope is written.
@lru_cache(maxsize=256)
def wire_name(name: str) -> str:
    """Return the name with `zip` in small letters: the older vendor build zips a file again that ends in `ZIP`."""
    return name[:-3] + "zip" if extension(name) == "zip" else name


@lru_cache(maxsize=256)
def coding_for(name: str) -> tuple[str, str]:
    """Return the coding and content type that every known reader opens: pdf and zip raw, all else zipped."""
    suffix = extension(name)
    if suffix == "pdf":
        return "raw", "application/pdf"
    return "raw" if suffix == "zip" else "zip", "application/zip"


def is_entry_name(entry_name: str, name: str) -> bool:
    """Tell whether a ZIP entry has the name that a wrapper of the file `name` gives it: a UUID with the same extension."""
    base, _, inner = entry_name.rpartition(".")
    return _UUID.fullmatch(base) is not None and inner.lower() == (extension(name) or "unk")


def encoded_pieces(name: str, entry_name: str, pieces: Iterable[bytes], at: datetime) -> Iterator[bytes]:
    """Yield the attachment as padded base64 on one line, zipped where its name asks for that. `at` is the entry's time
    stamp, so that equal input gives equal bytes; `entry_name` is a random UUID with the extension, made by the caller."""
    if coding_for(name)[0] == "zip":
        level = _NO_EFFORT if extension(name) in _PACKED else 6
        pieces = zip_pieces(entry_name, pieces, at, level)
    carry = b""
    for piece in pieces:
        for start in range(0, len(piece), _ENCODE_STEP):
            octets = carry + piece[start : start + _ENCODE_STEP]
            length = len(octets) - len(octets) % 3
            carry = octets[length:]
            if length:
                yield b64encode(octets[:length])
    if carry:
        yield b64encode(carry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Result of decoding one attachment. With `damaged`, size and digest are those of the stored bytes, or None where
    the base64 itself could not be decoded."""

    coding: str
    size: int | None
    sha256: Digest | None
    damaged: str | None = None


def is_base64(text: bytes) -> bool:
    """Tell whether the text has only characters of base64, none of which is markup to an XML parser."""
    length = len(text) & ~3
    with memoryview(text) as octets:
        try:
            b64decode(octets[:length], validate=True)  # eight times faster than checking each character
        except ValueError:
            length = 0
        return not text[length:].translate(None, _BASE64)


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
        length = len(text) & ~3
        try:
            raw = self._decode(text[:length])
        except ValueError:
            text = text.translate(None, _XML_SPACE)
            length = len(text) & ~3
            try:
                raw = self._decode(text[:length])
            except ValueError:
                self.fault = "not base64"
                return b""
        self._carry = text[length:]
        return raw

    def finish(self) -> None:
        if self.fault is None and self._carry.translate(None, _XML_SPACE):
            self.fault = "base64 without its padding, or cut short"

    def _decode(self, text: bytes) -> bytes:
        if not text:
            return b""
        if self._ended:
            raise ValueError("text after the padding")
        raw = b64decode(text, validate=True)
        if text.endswith(b"="):
            # The decoder ignores bits beyond the last byte, so two texts would give the same file.
            if b64encode(raw[-(len(raw) % 3) :]) != text[-4:]:
                raise ValueError("stray bits before the padding")
            self._ended = True
        return raw


class Decoder:
    """Decoder of one attachment's text, which comes in pieces of any size and is not stored. `limits.inflated_bytes`
    bounds what this attachment may unpack to: a caller with several attachments passes the remainder, and subtracts
    `inflated` afterwards. `out` receives the file as it is decoded, unless it begins as a ZIP, because only its end
    tells whether that is a wrapper."""

    def __init__(
        self, name: str | None, limits: EnvelopeLimits, out: Callable[[bytes], object] | None = None
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
        """True when `out` received the whole file."""
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
        """Return the decoded content. `name` is for envelopes that put the name after the content."""
        self._base64.finish()
        if self._magic and self._out is not None:
            self._out(self._magic)
        if self._base64.fault is not None:
            return Decoded(coding="raw", size=None, sha256=None, damaged=self._base64.fault)
        if self._entry is not None:
            self._entry.finish()
            if self._is_wrapper(self._entry, extension(name or self._name)):
                if self._entry.fault is not None:
                    return self._raw(self._entry.fault, "zip")
                digest = Digest.of_bytes(self._entry_hash.digest())
                return Decoded(coding="zip", size=self._entry.inflated, sha256=digest)
        return self._raw()

    def _is_wrapper(self, entry: OneEntry, suffix: str) -> bool:
        """Tell whether the ZIP is the wire's wrapper. For a ZIP-based file type the entry must have a wrapper's name."""
        if suffix not in _ZIP_BASED:
            return True
        is_named_so = is_entry_name(entry.entry_name or "", f"x.{suffix}")
        return is_named_so and (entry.fault is None or "more than one" not in entry.fault)

    def _raw(self, damaged: str | None = None, coding: str = "raw") -> Decoded:
        digest = Digest.of_bytes(self._stored_hash.digest())
        return Decoded(coding=coding, size=self._stored, sha256=digest, damaged=damaged)


def decode_slice(
    part: FileSlice,
    name: str | None,
    text: Iterable[bytes],
    limits: EnvelopeLimits,
    out: Callable[[bytes], object],
) -> tuple[FileSlice, Decoder]:
    """Decode a slice that stayed closed when its envelope was read; return it completed, with its decoder. `name` is the
    attachment's own, or that of its manifest line."""
    decoder = Decoder(name, limits, out)
    for piece in text:
        decoder.feed(piece)
    facts = decoder.finish()
    return (
        replace(part, coding=facts.coding, size=facts.size, sha256=facts.sha256, damaged=facts.damaged),
        decoder,
    )


def decoded_pieces(raw_b64: Iterable[bytes], coding: str, max_bytes: int = 1 << 40) -> Iterator[bytes]:
    """Yield the file of a stored slice. CannotOpen when it is damaged, possibly after the first pieces: a caller that
    stores them must compare the digest of the `FileSlice` at the end."""
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


def pieces(opener: Callable[[], BinaryIO], offset: int = 0, length: int = sys.maxsize) -> Iterator[bytes]:
    """Yield a file, or a part of it, in pieces; it is opened with the first piece and closed with the last."""
    with opener() as file:
        if offset:
            file.seek(offset)
        while length > 0 and (piece := file.read(min(PIECE, length))):
            length -= len(piece)
            yield piece
