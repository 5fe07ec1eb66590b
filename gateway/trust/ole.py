"""Looks into a compound file (OLE), the container of old office documents. In: a seekable stream. Out: which kind it is,
whether it asks for a password, and what it would run, told by the names in its directory. Adapter part of
`trust.inspector`; bounded in sectors."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_END_OF_CHAIN = 0xFFFFFFFA
_MOST_SECTORS = 256
_HEADER = 512
_KINDS = (("worddocument", "doc"), ("workbook", "xls"), ("book", "xls"), ("powerpoint document", "ppt"))
_MACROS = frozenset({"macros", "_vba_project_cur", "vba", "_vba_project"})
_EMBEDDED = frozenset({"objectpool", "\x01ole10native", "equation native"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OleFacts:
    """`kind` is `ole` where it is none of ours, and `ooxml` for a new document behind a password."""

    kind: str
    encrypted: bool = False
    broken: str | None = None
    active: frozenset[str] = frozenset()


class _TooLongError(Exception):
    """The directory is longer than that of any document."""


def look_into_ole(stream: BinaryIO) -> OleFacts:
    """Never raises for bad content."""
    try:
        names = frozenset(_names(stream))
    except _TooLongError:
        return OleFacts(kind="ole", broken="too-long-to-read")
    encrypted = "encryptedpackage" in names
    kind = next((kind for name, kind in _KINDS if name in names), "ooxml" if encrypted else "ole")
    active = {"macro"} if names & _MACROS else set()
    if names & _EMBEDDED:
        active.add("embedded-file")
    return OleFacts(kind=kind, encrypted=encrypted, active=frozenset(active))


def _names(stream: BinaryIO) -> Iterator[str]:
    """The names of the directory's entries, along the chain of its sectors to its end."""
    stream.seek(0)
    header = stream.read(_HEADER)
    if len(header) < _HEADER:
        return
    shift = struct.unpack_from("<H", header, 30)[0]
    sector = struct.unpack_from("<I", header, 48)[0]
    if shift not in (9, 12):
        return
    table = _table(stream, header, shift)
    for _ in range(_MOST_SECTORS):
        if sector >= _END_OF_CHAIN:
            return
        yield from _entry_names(_sector(stream, sector, shift))
        sector = _next_sector(stream, table, sector, shift)
    raise _TooLongError


def _table(stream: BinaryIO, header: bytes, shift: int) -> list[int]:
    """Where the allocation table lies: the first 109 of its sectors stand in the header, the others in a chain."""
    found = list(struct.unpack_from("<109I", header, 76))
    sector = struct.unpack_from("<I", header, 68)[0]
    for _ in range(_MOST_SECTORS):
        if sector >= _END_OF_CHAIN:
            break
        raw = _sector(stream, sector, shift)
        if len(raw) < 1 << shift:
            break
        *rows, sector = struct.unpack(f"<{len(raw) // 4}I", raw)
        found += rows
    return found


def _sector(stream: BinaryIO, sector: int, shift: int) -> bytes:
    stream.seek((sector + 1) << shift)
    return stream.read(1 << shift)


def _entry_names(sector: bytes) -> Iterator[str]:
    for start in range(0, len(sector) - 127, 128):
        length = struct.unpack_from("<H", sector, start + 64)[0]
        if 2 < length <= 64:
            yield sector[start : start + length - 2].decode("utf-16-le", "replace").casefold()


def _next_sector(stream: BinaryIO, table: list[int], sector: int, shift: int) -> int:
    per_sector = (1 << shift) // 4
    row = sector // per_sector
    if row >= len(table) or table[row] >= _END_OF_CHAIN:
        return _END_OF_CHAIN
    stream.seek(((table[row] + 1) << shift) + (sector % per_sector) * 4)
    raw = stream.read(4)
    return int(struct.unpack("<I", raw)[0]) if len(raw) == 4 else _END_OF_CHAIN
