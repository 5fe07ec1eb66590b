"""Moments as pages write them, in Vietnamese time and in both languages alike. In: a moment. Out: 14:02 20/11/2026, or less
where the day is today. Pure."""

from __future__ import annotations

from datetime import datetime

from gateway.domain.wall_clock import local

_DAY = "%d/%m/%Y"


def moment(at: datetime | None) -> str:
    return "" if at is None else local(at).strftime(f"%H:%M {_DAY}")


def clock(at: datetime | None, now: datetime, time: str = "%H:%M") -> str:
    """The time alone for today, with its day for any other."""
    if at is None:
        return ""
    shown = local(at)
    return shown.strftime(time if shown.date() == local(now).date() else f"{time} {_DAY}")


def seconds(at: datetime | None, now: datetime) -> str:
    """As `clock`, to the second: timelines are read beside those of others."""
    return clock(at, now, "%H:%M:%S")
