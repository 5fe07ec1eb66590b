"""Measures what a step of a test takes: its time, and how far the memory of this process grows at its peak. The figures are
printed for people; a test asserts nothing of them, because other work on the machine changes them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Measure:
    """Seconds, and the megabytes that the process grew by at its peak."""

    seconds = 0.0
    megabytes = 0.0

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, +{self.megabytes:.0f} MB"


@contextmanager
def measured() -> Iterator[Measure]:
    measure, begun = Measure(), time.monotonic()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    start_memory = _memory("VmRSS")
    yield measure
    measure.seconds = time.monotonic() - begun
    measure.megabytes = (_memory("VmHWM") - start_memory) / 1024


def _memory(name: str) -> int:
    """Return a figure of this process, in KiB."""
    match = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert match is not None
    return int(match[1])
