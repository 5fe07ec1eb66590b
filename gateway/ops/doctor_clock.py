"""What a doctor says of a clock that was ahead and was set back. In: how much carries times that lie too far ahead, the
latest time of the history, the time. Out: level, cause and what to tell; nothing where all times can be right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from gateway.ops.doctor_log import Told

CLOCK_SKEW = timedelta(minutes=5)
SET_CLOCK = "timedatectl set-ntp true"


def moved(ahead: Mapping[str, int], written: datetime | None, now: datetime) -> Iterator[Told]:
    """Nothing waits for such a time; a person should know why they are there."""
    tables = [table for table, count in ahead.items() if count]
    late = written if written is not None and written - now > CLOCK_SKEW else None
    if tables or late:
        told = {
            "count": sum(ahead.values()),
            "tables": ", ".join(tables) or "–",
            "written": late.isoformat(timespec="seconds") if late else "–",
        }
        yield Told(level="yellow", cause="clock.moved", params=told, cure=SET_CLOCK)
