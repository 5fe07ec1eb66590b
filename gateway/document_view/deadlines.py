"""The words of a deadline, the same on every page, in mails, exports and commands. In: the time left on the clock that
counts, the moment, now. Out: the time left or the delay; where the moment has passed and no minute of office time since,
the hour and day at which it ended. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.domain.wall_clock import local
from gateway.words import labels

_MINUTE = timedelta(minutes=1)


def time_left(
    remaining: timedelta, due_at: datetime, now: datetime, lang: str, working_day: timedelta | None = None
) -> str:
    """Format a countdown: the time left, the delay, or when it ended. `working_day` is the length of an office day where
    office time counts."""
    if remaining >= _MINUTE or remaining <= -_MINUTE:
        key = "left.late" if remaining < timedelta() else "left.on"
        return labels.say(key, lang, span=labels.span(remaining, lang, working_day))
    if now < due_at:
        return labels.say("left.soon", lang)
    days = (local(now).date() - local(due_at).date()).days
    key = ("left.ended.today", "left.ended.yesterday")[days] if days in (0, 1) else "left.ended"
    day = labels.day(local(due_at).date().isoformat(), lang)
    return labels.say(key, lang, time=f"{local(due_at):%H:%M}", day=day)
