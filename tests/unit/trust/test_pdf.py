"""Time limits of the library for PDFs, whatever a file makes it do."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest

from gateway.time_source import TimeSource, replaced
from gateway.trust.pdf import OutOfTimeError, timed
from tests.support.cases import Cases

_BYTES = b"%PDF-1.7\n" * 2_000


def test_threat_066_no_way_to_read_for_ever_goes_on_after_the_deadline(cases: Cases) -> None:
    ways: dict[str, Callable[[io.BufferedReader], object]] = {
        "to and fro": lambda file: file.seek(-len(file.read(1)), io.SEEK_CUR),
        "at the end": lambda file: file.read(1),
        "from the beginning again": lambda file: (file.seek(0), file.read()),
    }
    for name, step in ways.items():
        with cases.case(name), replaced(TimeSource(monotonic=partial(next, count()))):
            file = timed(io.BytesIO(_BYTES), deadline=1_000)
            with pytest.raises(OutOfTimeError):
                _go_on(step, file)


def test_after_the_deadline_every_step_is_refused() -> None:
    file = timed(io.BytesIO(_BYTES), deadline=time.monotonic() - 1)

    for _ in range(3):
        with pytest.raises(OutOfTimeError):
            file.seek(5)


def test_steps_in_the_buffer_look_at_the_clock_once_in_a_while() -> None:
    looks = count()
    with replaced(TimeSource(monotonic=partial(next, looks))):
        file = timed(io.BytesIO(_BYTES), deadline=1_000)
        file.read(1)

        for _ in range(1_000):
            file.seek(-len(file.read(1)), io.SEEK_CUR)

    assert next(looks) < 1_000 / 50


def _go_on(step: Callable[[io.BufferedReader], object], file: io.BufferedReader) -> None:
    while True:
        step(file)


def test_a_file_is_read_through_its_deadline_as_it_is() -> None:
    file = timed(io.BytesIO(_BYTES), deadline=time.monotonic() + 60)

    assert file.read(5) == b"%PDF-"
    assert file.seek(-4, io.SEEK_END) == len(_BYTES) - 4
    assert (file.read(), file.tell(), file.read(1)) == (b"1.7\n", len(_BYTES), b"")
    assert (file.seek(9), file.read(9)) == (9, _BYTES[:9])
