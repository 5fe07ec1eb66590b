"""Unguessable bytes are handed out once, also when a process was forked from another one. A replaced source repeats
them."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor

from gateway import random_source
from gateway.clock import SystemClock


def test_nothing_comes_twice_to_any_thread() -> None:
    with ThreadPoolExecutor(4) as threads:
        some = threads.map(lambda _: [random_source.random_16() for _ in range(2000)], range(4))
    numbers = [x for few in some for x in few]

    assert {len(x) for x in numbers} == {16}
    assert len(set(numbers)) == len(numbers) == 8000
    assert {bit for x in numbers for bit in x} == {*range(256)}


def test_a_forked_process_gets_other_bytes() -> None:
    random_source.random_16()  # more were drawn than were handed out
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(writer, b"".join(random_source.random_16() for _ in range(300)))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        raw = stream.read()
    os.waitpid(child, 0)

    theirs = {raw[at : at + 16] for at in range(0, len(raw), 16)}
    assert len(theirs) == 300
    assert theirs.isdisjoint(random_source.random_16() for _ in range(300))


def test_a_replaced_source_repeats_what_it_gave_and_ends_with_its_context() -> None:
    def take() -> list[object]:
        with random_source.replaced(random.Random(7).randbytes):
            return [
                SystemClock().new_id()[10:],
                random_source.random_16(),
                random_source.token_hex(8),
                random_source.token_urlsafe(9),
                random_source.fraction(),
                random_source.below(1_000_000),
                random_source.backoff_s(3, 0.1, 5.0),
            ]

    values = take()
    assert take() == values
    assert SystemClock().new_id()[10:] not in values
    assert random_source.random_16() not in values


def test_numbers_keep_within_their_bounds() -> None:
    for byte, low, high in ((b"\0", 0.0, 0.0), (b"\xff", 1 - 2**-53, 0.4)):
        with random_source.replaced(byte.__mul__):
            assert random_source.fraction() == low
            assert random_source.below(10) == int(10 * low)
            assert abs(random_source.backoff_s(3, 0.1, 5.0) - high) < 1e-9
            assert random_source.backoff_s(1000, 0.1, 5.0) <= 5.0
