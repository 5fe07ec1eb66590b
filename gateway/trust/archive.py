"""Walks a ZIP without unpacking it to disk and without believing it (threats 57 to 60). In: a seekable stream. Out:
its entries in order and pieces of their content, or `BadArchive` with one word of the labels' `why.` table. Bounded in
members and memory; the Python library's reader is not used because it trusts the directory's counts and sizes."""

from __future__ import annotations

import re
import struct
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gateway.domain.unicode_form import nfc

_END = struct.Struct("<4s4H2IH")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_FIELD = struct.Struct("<2H")
_UNICODE_PATH = 0x7075
_LONGEST_DESCRIPTOR = 24  # behind the data: a signature, the sum, two sizes of 8 bytes
_MOST_COMMENT = 65535
_EMPTY_DEFLATED = 2  # nothing, compressed
_PIECE = 65536
_STORED, _DEFLATED = 0, 8
_NEWEST = 63  # version 6.3 of the format: what asks for more, other readers refuse
_DRIVE = re.compile(r"^[A-Za-z]:")
_LINK = 0o120000


class BadArchive(Exception):
    """Why the archive is not accepted: the last part of a `why.` label."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One member as the directory tells it, after its local header agreed. `start` is where its data begins."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    start: int
    encrypted: bool
    is_folder: bool
    is_streamed: bool = False


def entries(stream: BinaryIO, size: int, most: int) -> list[Entry]:
    """Every entry, checked: names, links, doubles, local headers, order without overlap. `BadArchive` otherwise."""
    count, start, length = _directory(stream, size)
    if count > most:
        raise BadArchive("too-many-members")
    stream.seek(start)
    raw = stream.read(min(length, (most + 1) * 1024))
    found = list(_central(raw, count))
    if len(found) != count or len(raw) != length:
        raise BadArchive("member-header")
    _refuse_doubles(found)
    checked = [_checked(stream, entry) for entry in found]
    _refuse_overlap(checked, start)
    return checked


def content(stream: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """The member's bytes in pieces of at most 64 KiB; `BadArchive` when they are not what the directory says."""
    crc = seen = 0
    for piece in _inflate(stream, entry):
        seen += len(piece)
        crc = zlib.crc32(piece, crc)
        if seen > entry.size:
            raise BadArchive("member-header")
        yield piece
    if (seen, crc) != (entry.size, entry.crc):
        raise BadArchive("member-header")


def has_directory_at_end(stream: BinaryIO, size: int) -> bool:
    """Whether the file, whatever else it is, also opens as a ZIP (threat 63)."""
    return _end_record(stream, size)[0] >= 0


def _end_record(stream: BinaryIO, size: int) -> tuple[int, bytes]:
    """Position and bytes of the end record whose comment ends exactly with the file; -1 when there is none."""
    tail_from = max(0, size - _END.size - _MOST_COMMENT)
    stream.seek(tail_from)
    tail = stream.read(_END.size + _MOST_COMMENT)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + _END.size <= len(tail):
            comment = struct.unpack_from("<H", tail, at + 20)[0]
            if tail_from + at + _END.size + comment == size:
                return tail_from + at, tail[at : at + _END.size]
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return -1, tail


def _directory(stream: BinaryIO, size: int) -> tuple[int, int, int]:
    """How many entries, and where the central directory lies: directly before the end record, where it says."""
    at, record = _end_record(stream, size)
    if at < 0:
        raise BadArchive("junk-after" if b"PK\x05\x06" in record else "truncated")
    _, disk, first_disk, here, total, length, start, _ = _END.unpack(record)
    if disk or first_disk or here != total:
        raise BadArchive("member-header")
    if 0xFFFFFFFF in (length, start) or total == 0xFFFF:
        # ZIP64 is for more than 4 GiB or 65 534 members; both are past our limits
        raise BadArchive("too-many-members")
    if start + length != at:
        raise BadArchive("junk-before" if start + length < at else "member-header")
    return total, start, length


def _central(raw: bytes, count: int) -> Iterator[Entry]:
    at = 0
    for _ in range(count):
        if at + _CENTRAL.size > len(raw) or raw[at : at + 4] != b"PK\x01\x02":
            return
        row = _CENTRAL.unpack_from(raw, at)
        if row[2] & 0xFF > _NEWEST:
            raise BadArchive("member-method")
        flags, method, crc, packed, size = row[3], row[4], row[7], row[8], row[9]
        name_length, extra_length, comment_length = row[10], row[11], row[12]
        outer, offset = row[15], row[16]
        name_end = at + _CENTRAL.size + name_length
        if name_end + extra_length > len(raw):
            return
        name = _name(raw[at + _CENTRAL.size : name_end], raw[name_end : name_end + extra_length])
        if (outer >> 16) & 0o170000 == _LINK:
            raise BadArchive("member-link")
        yield Entry(
            name=name,
            method=method,
            crc=crc,
            packed=packed,
            size=size,
            offset=offset,
            start=0,
            encrypted=bool(flags & 0x41),
            is_folder=name.endswith("/"),
        )
        at += _CENTRAL.size + name_length + extra_length + comment_length
    if at != len(raw):
        raise BadArchive("member-header")  # what follows the last one counted is an entry to others


def _name(raw: bytes, extra: bytes) -> str:
    """The member's name: the one that a program which knows Unicode takes from the extra field, else the bytes as UTF-8,
    else in the old code page. It must stay below the archive's own folder."""
    try:
        text = (_unicode_name(raw, extra) or raw).decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp437")
    name = text.replace("\\", "/")
    is_odd = any(unicodedata.category(char) == "Cc" for char in name)
    if is_odd or not name or name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/"):
        raise BadArchive("member-name")
    return name


def _unicode_name(raw: bytes, extra: bytes) -> bytes:
    """What the field 0x7075 says, where it is about this name."""
    while len(extra) >= _FIELD.size:
        kind, size = _FIELD.unpack_from(extra)
        field, extra = extra[_FIELD.size : _FIELD.size + size], extra[_FIELD.size + size :]
        if kind == _UNICODE_PATH and field[1:5] == struct.pack("<I", zlib.crc32(raw)):
            return field[5:]
    return b""


def _refuse_doubles(found: list[Entry]) -> None:
    names = {nfc(entry.name).casefold().rstrip("/") for entry in found}
    if len(names) != len(found):
        raise BadArchive("member-twice")


def _checked(stream: BinaryIO, entry: Entry) -> Entry:
    """The entry with its data's place, once its local header says the same (sizes may come after the data)."""
    stream.seek(entry.offset)
    raw = stream.read(_LOCAL.size)
    if len(raw) < _LOCAL.size or raw[:4] != b"PK\x03\x04":
        raise BadArchive("member-header")
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(raw)
    same = (
        method == entry.method
        and bool(flags & 0x41) == entry.encrypted
        and _name(stream.read(name_length), stream.read(extra_length)) == entry.name
    )
    told = (crc, packed, size) == (entry.crc, entry.packed, entry.size)
    has_descriptor = bool(flags & 0x8) and not crc and {packed, size} <= {0, 0xFFFFFFFF}
    if not same or not (told or has_descriptor):
        raise BadArchive("member-header")
    if entry.is_folder and (entry.size or entry.packed > _EMPTY_DEFLATED):
        raise BadArchive("member-header")
    if method not in (_STORED, _DEFLATED) and not entry.encrypted:
        raise BadArchive("member-method")
    return Entry(
        name=entry.name,
        method=method,
        crc=entry.crc,
        packed=entry.packed,
        size=entry.size,
        offset=entry.offset,
        start=entry.offset + _LOCAL.size + name_length + extra_length,
        encrypted=entry.encrypted,
        is_folder=entry.is_folder,
        is_streamed=bool(flags & 0x8),
    )


def _refuse_overlap(checked: list[Entry], directory: int) -> None:
    """Members share no byte, none reaches the directory, nothing stands before the first, and nothing between them that
    a program which reads from the front would take for a member."""
    ordered = sorted(checked, key=lambda entry: entry.offset)
    if (ordered[0].offset if ordered else directory) != 0:
        raise BadArchive("junk-before")
    if not ordered:
        return
    for entry, follows in zip(ordered, [*(each.offset for each in ordered[1:]), directory], strict=True):
        gap = follows - entry.start - entry.packed
        if gap < 0:
            raise BadArchive("member-overlap")
        if gap > (_LONGEST_DESCRIPTOR if entry.is_streamed else 0):
            raise BadArchive("member-header")


def _inflate(stream: BinaryIO, entry: Entry) -> Iterator[bytes]:
    left, at = entry.packed, entry.start
    inflater = zlib.decompressobj(-15) if entry.method == _DEFLATED else None
    while left:
        stream.seek(at)
        packed = stream.read(min(left, _PIECE))
        if not packed:
            raise BadArchive("truncated")
        left, at = left - len(packed), at + len(packed)
        if inflater is None:
            yield packed
            continue
        yield from _pieces(inflater, packed)
    if inflater is not None and not inflater.eof:
        raise BadArchive("truncated")


def _pieces(inflater: zlib._Decompress, packed: bytes) -> Iterator[bytes]:
    try:
        while packed and not inflater.eof:
            yield inflater.decompress(packed, _PIECE)
            packed = inflater.unconsumed_tail
    except zlib.error as error:
        raise BadArchive("unreadable") from error
    if inflater.unused_data:
        raise BadArchive("member-header")
