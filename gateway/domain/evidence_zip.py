"""The ZIP file around an evidence pack, in the one form that it may have: stored, in order, no times, no extra fields, no
comments, nothing before, between or after. In: names, sizes, CRCs. Out: the exact bytes around the members, so that a
reader makes them again and compares (E5). Pure; written by hand because no library gives exactly these bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
LOCAL_SIZE, CENTRAL_SIZE, END_SIZE = _LOCAL.size, _CENTRAL.size, _END.size

_NEEDS = 20  # version 2.0 of the format: what every program of the last thirty years unpacks
_DAY = 0x21  # 1 January 1980, the first day that the format can tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One member as the container has it. Names are ASCII (`domain.evidence`)."""

    name: str
    size: int
    crc: int

    @property
    def footprint(self) -> int:
        """What it takes, with its header."""
        return LOCAL_SIZE + len(self.name) + self.size


def local_header(entry: Entry) -> bytes:
    """What stands before a member's bytes."""
    name = entry.name.encode("ascii")
    fixed = _LOCAL.pack(b"PK\x03\x04", _NEEDS, 0, 0, 0, _DAY, entry.crc, entry.size, entry.size, len(name), 0)
    return fixed + name


def size_told(header: bytes) -> int:
    """The size that a local header gives: not believed, but bounded by its reader and compared later."""
    return int.from_bytes(header[22:26], "little")


def central_header(entry: Entry, offset: int) -> bytes:
    """The member's line of the directory at the end."""
    name = entry.name.encode("ascii")
    fixed = _CENTRAL.pack(
        b"PK\x01\x02",
        _NEEDS,
        _NEEDS,
        0,
        0,
        0,
        _DAY,
        entry.crc,
        entry.size,
        entry.size,
        len(name),
        0,
        0,
        0,
        0,
        0,
        offset,
    )
    return fixed + name


def end_record(entries: Sequence[Entry]) -> bytes:
    """The last bytes of the file."""
    count = len(entries)
    return _END.pack(b"PK\x05\x06", 0, 0, count, count, directory_size(entries), directory_offset(entries), 0)


def directory_offset(entries: Sequence[Entry]) -> int:
    return sum(each.footprint for each in entries)


def directory_size(entries: Sequence[Entry]) -> int:
    return sum(CENTRAL_SIZE + len(each.name) for each in entries)


def total_size(entries: Sequence[Entry]) -> int:
    """The size of the whole file."""
    return directory_offset(entries) + directory_size(entries) + END_SIZE
