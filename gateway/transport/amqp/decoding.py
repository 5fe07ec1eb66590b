"""Makes the reading of properties total: whatever a node wrote on a message, it is decoded to something. In: the bytes of a
table, a short text or a time. Out: their value; a value that has no meaning is None, and the rest is kept. The library
raises there instead, which ends the whole line: one message would return everything beside it, each time counted as a
delivery, until good parcels are dead with it; and the dead queue that it ends in could not be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from pamqp import decode

DEPTH = 16  # tables within tables; ours have one, the broker's own have three
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = 0xFFFF_FFFF  # above this the library takes a time for milliseconds
_LENGTH = 4
_FIXED = {
    **dict.fromkeys((b"V", b"\x00"), 0),
    **dict.fromkeys((b"t", b"b", b"B"), 1),
    **dict.fromkeys((b"s", b"u"), 2),
    **dict.fromkeys((b"I", b"i", b"f"), 4),
    b"D": 5,
    **dict.fromkeys((b"l", b"L", b"d", b"T"), 8),
}
_TABLE, _ARRAY = b"F", b"A"
_COUNTED = (b"S", b"x", _TABLE, _ARRAY)


def widen() -> None:
    """From now on the library reads with these. Calling it again changes nothing."""
    decode.METHODS |= {"shortstr": short_text, "timestamp": time, "table": table}


def short_text(data: bytes) -> tuple[int, str]:
    """Bytes that are no UTF-8 become the sign that stands for them."""
    size = data[0] if data else 0
    return 1 + size, data[1 : 1 + size].decode(errors="replace")


def time(data: bytes) -> tuple[int, datetime | None]:
    """None beyond the last day of the calendar."""
    told = int.from_bytes(data[:8], "big")
    seconds = told if told <= _MILLISECONDS else told / 1000
    try:
        return 8, _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return 8, None


def table(data: bytes) -> tuple[int, dict[str, Any]]:
    """As far as it can be read: nothing follows after a value of a type that nobody knows."""
    size = int.from_bytes(data[:_LENGTH], "big")
    return _LENGTH + size, _table(data[_LENGTH : _LENGTH + size], 1)


def _table(data: bytes, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = 0
    while at < len(data):
        used, name = short_text(data[at : at + 256])
        at += used
        piece = _piece(data, at)
        if piece is None:
            break
        found[name] = _value(*piece, depth)
        at += 1 + len(piece[1])
    return found


def _array(data: bytes, depth: int) -> Iterator[Any]:
    at = 0
    while (piece := _piece(data, at)) is not None:
        yield _value(*piece, depth)
        at += 1 + len(piece[1])


def _piece(data: bytes, at: int) -> tuple[bytes, bytes] | None:
    """The type of the value that begins here, and its bytes; None where nothing whole does."""
    kind, start = data[at : at + 1], at + 1
    size = _FIXED.get(kind)
    if kind in _COUNTED:
        size = _LENGTH + int.from_bytes(data[start : start + _LENGTH], "big")
    if size is None or start + size > len(data):
        return None
    return kind, data[start : start + size]


def _value(kind: bytes, data: bytes, depth: int) -> Any:  # Any: of the library's table values
    if kind in (_TABLE, _ARRAY):
        if depth == DEPTH:
            return None
        inner = data[_LENGTH:]
        return _table(inner, depth + 1) if kind == _TABLE else list(_array(inner, depth + 1))
    if kind == b"T":
        return time(data)[1]
    return decode.TABLE_MAPPING[kind](data)[1]
