"""Every property of a message is read: valid values as the library reads them, all others without an error that would
end the line."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp import commands, decode, encode, header

from gateway.transport.amqp import connection

LATER_THAN_ALL = struct.pack(">Q", 2**62)
WORDS = st.text(max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(width=32, allow_nan=False)
    | WORDS
    | st.binary(max_size=20).map(bytearray)
    | st.integers(0, 10**6).map(lambda n: Decimal(n) / 100)
    | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(
        lambda at: at.replace(tzinfo=UTC, microsecond=0)
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(autouse=True)
def _widened() -> Iterator[None]:
    methods = dict(decode.METHODS)
    connection.widen_decoding()
    yield
    decode.METHODS.update(methods)


def table_of(name: bytes, kind: bytes, value: bytes) -> bytes:
    """Build a table of one value."""
    inside = bytes([len(name)]) + name + kind + value
    return struct.pack(">I", len(inside)) + inside


@given(st.dictionaries(WORDS, VALUES, max_size=6))
def test_a_valid_table_is_read_as_the_library_reads_it(table: dict[str, Any]) -> None:
    data = encode.field_table(table)

    assert connection.read_table(data + b"what follows") == decode.field_table(data)


@given(st.integers(0, 253_402_300_799), st.text(max_size=60))
def test_a_valid_time_and_a_valid_short_text_are_read_as_the_library_reads_them(
    seconds: int, text: str
) -> None:
    data = struct.pack(">Q", seconds)
    assert connection.read_time(data) == decode.timestamp(data)
    data = encode.short_string(text)
    assert connection.read_short_text(data + b"more") == decode.short_str(data)


@given(st.dictionaries(st.sampled_from(commands.Basic.Properties.attributes()), st.binary(max_size=255)))
@example({"timestamp": LATER_THAN_ALL, "message_type": b"\xff\xfe"})
def test_no_properties_that_the_broker_let_pass_raise(table: dict[str, bytes]) -> None:
    """It checks that each field is whole, and no more."""
    properties = commands.Basic.Properties
    flags, property_list = 0, b""
    for name in properties.attributes():
        if name in table:
            flags |= properties.flags[name]
            property_list += property_bytes(properties.amqp_type(name), table[name])
    read = header.ContentHeader()

    read.unmarshal(bytes(12) + struct.pack(">H", flags) + property_list)

    assert isinstance(read.properties, properties)


def property_bytes(kind: str, data: bytes) -> bytes:
    """Build a field of this kind with these bytes in it."""
    match kind:
        case "shortstr":
            return bytes([len(data)]) + data
        case "table":
            return struct.pack(">I", len(data)) + data
        case _:
            size = {"octet": 1, "timestamp": 8}[kind]
            return data[:size].ljust(size, b"\xff")


@given(st.binary(max_size=400))
def test_a_table_of_any_bytes_is_read_and_is_as_long_as_it_says(inside: bytes) -> None:
    used, table_read = connection.read_table(struct.pack(">I", len(inside)) + inside)

    assert used == 4 + len(inside)
    assert isinstance(table_read, dict)


def test_one_value_that_means_nothing_costs_no_other() -> None:
    ours = table_of(b"x-lane", b"S", struct.pack(">I", 6) + b"urgent")[4:]
    smallest = Decimal(2**31 - 1) * Decimal(10) ** -255
    rows: list[tuple[bytes, bytes, bytes, dict[str, Any]]] = [
        (b"at", b"T", LATER_THAN_ALL, {"at": None}),
        (b"\xff", b"t", b"\x01", {"\N{REPLACEMENT CHARACTER}": True}),
        (b"a\x00", b"S", struct.pack(">I", 2) + b"\xff\xfe", {"a\x00": b"\xff\xfe"}),
        (b"n", b"D", b"\xff\x7f\xff\xff\xff", {"n": smallest}),
        (b"?", b"?", b"abcd", {}),
    ]
    for name, kind, value, read in rows:
        inside = ours + table_of(name, kind, value)[4:]
        _, table_read = connection.read_table(struct.pack(">I", len(inside)) + inside)
        assert table_read == {"x-lane": "urgent", **read}


def test_tables_within_tables_end_somewhere() -> None:
    data = table_of(b"", b"V", b"")
    for _ in range(10_000):
        data = table_of(b"", b"F", data)

    _, table_read = connection.read_table(data)
    depth = 0
    while table_read is not None:
        table_read, depth = table_read[""], depth + 1

    assert depth == connection.TABLE_DEPTH


def test_the_library_keeps_our_readers_however_often_they_are_installed() -> None:
    connection.widen_decoding()

    assert decode.by_type(LATER_THAN_ALL, "timestamp") == (8, None)
