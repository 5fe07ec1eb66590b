"""Unguessable bytes are handed out once, also when a process was forked from another one."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from gateway import random_bytes


def test_nothing_comes_twice_to_any_thread() -> None:
    with ThreadPoolExecutor(4) as threads:
        some = threads.map(lambda _: [random_bytes.random_16() for _ in range(2000)], range(4))
    numbers = [x for few in some for x in few]

    assert {len(x) for x in numbers} == {16}
    assert len(set(numbers)) == len(numbers) == 8000
    assert {bit for x in numbers for bit in x} == {*range(256)}


def test_a_forked_process_gets_other_bytes() -> None:
    random_bytes.random_16()  # more were drawn than were handed out
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(writer, b"".join(random_bytes.random_16() for _ in range(300)))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        raw = stream.read()
    os.waitpid(child, 0)

    theirs = {raw[at : at + 16] for at in range(0, len(raw), 16)}
    assert len(theirs) == 300
    assert theirs.isdisjoint(random_bytes.random_16() for _ in range(300))
