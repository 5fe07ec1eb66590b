"""The ZIP of exactly one entry that the wire wraps files in, as a stream in both directions and in bounded memory.
Out: a file's bytes become an archive. In: an archive's bytes, in pieces of any size, become the file, and `fault`
says why not; a damaged archive never raises, because one bad attachment must not cost the message."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from gateway.errors import BreaksRule

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


def zipped(entry_name: str, pieces: Iterable[bytes], at: datetime, level: int) -> Iterator[bytes]:
    """The archive of one DEFLATE entry with a data descriptor, as the vendor library writes it (`edxml.md` 2.6)."""
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
    central = (
        _CENTRAL.pack(
            b"PK\x01\x02",
            20,
            20,
            _FLAGS,
            _DEFLATE,
            time,
            date,
            crc,
            packed,
            size,
            len(name),
            0,
            0,
            0,
            0,
            0,
            0,
        )
        + name
    )
    start = _LOCAL.size + len(name) + packed + _DESCRIPTOR.size
    yield central + _END.pack(b"PK\x05\x06", 0, 0, 1, 1, len(central), start, 0)


def _dos_time(at: datetime) -> tuple[int, int]:
    year = min(max(at.year, 1980), 2107)
    return (year - 1980) << 9 | at.month << 5 | at.day, at.hour << 11 | at.minute << 5 | at.second // 2


class OneEntry:
    """Takes an archive in pieces and gives its one entry's bytes to `out`. Check `fault` after `finish`."""

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

    def feed(self, data: bytes) -> None:
        """The next bytes; after a fault they are ignored."""
        if self.fault is not None:
            return
        self._read += len(data)
        if self._local is None:
            self._head += data
            data = self._open_entry()
        if self._local is not None and self.fault is None and data:
            self._entry_data(data)

    def finish(self) -> None:
        """Checks what follows the entry: descriptor, one central record that agrees, end record, nothing more."""
        if self.fault is None:
            self.fault = self._end_fault()

    def _open_entry(self) -> bytes:
        """Reads the local header once it is complete; what follows it is returned."""
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
        rest = bytes(self._head[self._data_start :])
        self._head.clear()
        return rest

    def _entry_data(self, data: bytes) -> None:
        if self._stored_left is not None:
            mine, data = data[: self._stored_left], data[self._stored_left :]
            self._stored_left -= len(mine)
            self._emit(mine)
        elif self._inflater is not None and not self._inflater.eof:
            data = self._inflate(self._inflater, data)
        if self.fault is None:
            self._tail += data
            if len(self._tail) > _MAX_TAIL:
                self.fault = "the archive has more than one entry, or bytes that belong to none"
                self._tail.clear()

    def _inflate(self, inflater: zlib._Decompress, data: bytes) -> bytes:
        """Unpacks in windows, so that a small piece cannot ask for much memory; returns what follows the entry."""
        try:
            while self.fault is None and not inflater.eof:
                out = inflater.decompress(data, _WINDOW)
                self._emit(out)
                data = inflater.unconsumed_tail
                if not data and len(out) < _WINDOW:
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
        if (
            self._local is None
            or (self._inflater is not None and not self._inflater.eof)
            or self._stored_left
        ):
            return "the archive is cut short"
        tail, (flags, method, crc, packed, size) = bytes(self._tail), self._local
        if tail.startswith(LOCAL_MAGIC):
            return "the archive has more than one entry"
        packed_read = self._read - len(tail) - self._data_start
        if flags & 8:
            found = _descriptor(tail)
            if found is None:
                return "the archive is cut short"
            crc, packed, size, skip = found
            tail = tail[skip:]
        if tail.startswith(LOCAL_MAGIC):
            return "the archive has more than one entry"
        if (crc, packed, size) != (self._crc, packed_read, self.inflated):
            return "the archive's checksum or sizes do not match its content"
        return self._directory_fault(tail, method, (crc, packed, size))

    def _directory_fault(self, tail: bytes, method: int, sums: tuple[int, int, int]) -> str | None:
        if len(tail) < _CENTRAL.size + _END.size:
            return "the archive has no end record: it is cut short"
        record = _CENTRAL.unpack_from(tail)
        end_at = _CENTRAL.size + sum(record[10:13])
        if record[0] != b"PK\x01\x02" or len(tail) < end_at + _END.size:
            return "the archive's directory is damaged"
        name = tail[_CENTRAL.size : _CENTRAL.size + record[10]]
        if (record[4], record[7:10], name, record[16]) != (method, sums, self._name, 0):
            return "the archive's directory does not agree with its entry"
        magic, disk, start_disk, here, total, length, start, comment = _END.unpack_from(tail, end_at)
        if magic == b"PK\x01\x02" or (magic == b"PK\x05\x06" and (here, total) != (1, 1)):
            return "the archive has more than one entry"
        if magic != b"PK\x05\x06" or len(tail) != end_at + _END.size + comment:
            return "the archive's end record is damaged"
        if (disk, start_disk, length, start) != (0, 0, end_at, self._read - len(tail)):
            return "the archive's end record is damaged"
        return None


def _descriptor(tail: bytes) -> tuple[int, int, int, int] | None:
    """CRC, packed size, size and the descriptor's own length; its signature is optional in the format."""
    skip = 4 if tail.startswith(_DESCRIPTOR_MAGIC) else 0
    if len(tail) < skip + 12:
        return None
    crc, packed, size = struct.unpack_from("<3L", tail, skip)
    return crc, packed, size, skip + 12
