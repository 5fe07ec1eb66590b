"""Cutting a parcel into parts: every byte once, the same parts each time, nothing completed that is not what was said."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from functools import partial
from io import BytesIO
from itertools import islice
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BrokerRefused
from gateway.transport.amqp.publisher import Part, parts_of
from tests.support.parts import cut, parcel

MB = 1024 * 1024


@given(st.binary(min_size=1, max_size=500), st.integers(1, 600))
def test_the_parts_in_order_are_the_bytes(content: bytes, size: int) -> None:
    parts = cut(content, size)

    assert b"".join(part.body for part in parts) == content
    assert [part.n for part in parts] == list(range(1, len(parts) + 1))
    assert {part.parts_total for part in parts} == {len(parts)}
    assert all(len(part.body) == size for part in parts[:-1])
    assert 0 < len(parts[-1].body) <= size


def test_a_part_says_which_set_it_belongs_to_and_where() -> None:
    part = cut(b"a" * 25)[1]

    assert part.headers() == {
        "x-set": part.set_id,
        "x-part": 2,
        "x-parts": 3,
        "x-whole-size": 25,
        "x-whole-digest": parcel(b"a" * 25).digest,
        "x-sender": "Z91.07",
        "x-lane": "normal",
    }


def test_the_same_bytes_are_the_same_set_and_others_are_not() -> None:
    def name(content: bytes, size: int) -> str:
        return cut(content, size)[0].set_id

    assert name(b"same", 2) == name(b"same", 2)
    assert len({name(b"same", 2), name(b"same", 3), name(b"else", 2)}) == 3


def test_bytes_that_are_not_those_announced_never_get_their_last_part() -> None:
    """Too short, too long, or changed: the receiver must never see a whole set of them."""
    for content in (b"0123456789abcdX", b"0123456789abcd", b"0123456789abcdeF", b"", b"0" * 15):
        rotten = replace(parcel(b"0123456789abcde"), open=partial(BytesIO, content))
        parts_out: list[Part] = []
        with pytest.raises(BrokerRefused, match="not what was announced"):
            parts_out.extend(parts_of(rotten, 5))
        assert all(part.n < part.parts_total for part in parts_out)


class Long:
    """A file of that many bytes that is never whole in memory."""

    def __init__(self, size: int) -> None:
        self._left = size

    def __enter__(self) -> Long:
        return self

    def __exit__(self, *_: object) -> None:
        """Close nothing: there is no handle."""

    def read(self, size: int) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return b"\x5a" * size


def test_one_part_is_in_memory_at_a_time() -> None:
    """G8"""
    large_parcel = replace(parcel(b""), size=64 * MB, open=lambda: cast(BinaryIO, Long(64 * MB)))
    tracemalloc.start()
    try:
        sizes = [len(part.body) for part in islice(parts_of(large_parcel, 4 * MB), 15)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert sizes == [4 * MB] * 15
    assert peak < 20 * MB
