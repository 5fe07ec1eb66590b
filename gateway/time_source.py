"""Source of time: the product reads dates and durations here alone. In: the operating system's clocks. Out: numbers and
moments. A simulator replaces the source of its process, so that it runs days in seconds and can repeat a run; nothing else
does. Timers belong to the event loop: what is compared with `loop.call_at` reads `loop.time()`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's
_PAIRS = [first + second for first in LETTERS for second in LETTERS]


def _system_boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSource:
    """Clocks of a process: those of the operating system where a test gives no others."""

    unix_ns: Callable[[], int] = time.time_ns
    monotonic: Callable[[], float] = time.monotonic
    """Seconds since some moment, whatever the clock is set to."""
    boottime: Callable[[], float] = _system_boottime
    """The same, with the time while the machine sleeps."""
    thread_time: Callable[[], float] = time.thread_time
    """Processor seconds of the calling thread."""


_source = TimeSource()


@contextmanager
def replaced(source: TimeSource) -> Iterator[None]:
    """Let all threads of this process read `source` meanwhile. Only tests do this."""
    global _source
    earlier_source, _source = _source, source
    try:
        yield
    finally:
        _source = earlier_source


def unix_ns() -> int:
    return _source.unix_ns()


def utc_now() -> datetime:
    return datetime.fromtimestamp(_source.unix_ns() // 1000 / 1e6, UTC)


def monotonic() -> float:
    return _source.monotonic()


def boottime() -> float:
    return _source.boottime()


def thread_time() -> float:
    return _source.thread_time()


@lru_cache(maxsize=16)
def moment(ms: int) -> str:
    """Return the time part of a ULID; cached, because many are made within one millisecond."""
    high = _PAIRS[ms >> 40 & 1023] + _PAIRS[ms >> 30 & 1023]
    return high + _PAIRS[ms >> 20 & 1023] + _PAIRS[ms >> 10 & 1023] + _PAIRS[ms & 1023]
