"""Office hours, calendar, hours of reminders and lengths of timers as an agency chose them. In: texts of its profile, the
calendar of the node. Out: the stored form of a typed text, None where it cannot be read; the agency's calendar. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, time
from typing import Final, Protocol

from gateway.domain.office_calendar import WEEK, CalendarDay, DayKind, OfficeCalendar, OfficeHours
from gateway.domain.timer_table import TIMERS
from gateway.words import labels

HOURS: Final = "office_hours"
WEEKDAYS: Final = "office_weekdays"
OWN_DAYS: Final = "office_days"
DIGEST_HOURS: Final = "reminder_hours"
QUIET: Final = "quiet_timers"
CALENDAR: Final = frozenset({HOURS, WEEKDAYS, OWN_DAYS})
_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})\s+(\w+)")
_KINDS: Final = (DayKind.HOLIDAY, DayKind.WORKDAY)
_MOST_DAYS = 60
_MOST_TIMES = 6


class _Chosen(Protocol):
    """Version of a setting."""

    @property
    def value(self) -> str: ...


def spans_of(text: str) -> tuple[OfficeHours, ...]:
    """Read `07:30-11:30, 13:30-17:00`; ValueError for anything else."""
    pairs = [part.strip().split("-") for part in text.split(",")]
    spans = tuple(
        OfficeHours(start=time.fromisoformat(start.strip()), end=time.fromisoformat(end.strip()))
        for start, end in pairs
    )
    OfficeCalendar(spans=spans)
    return spans


def times_of(text: str) -> tuple[time, ...]:
    """Read `08:00, 14:00`; ValueError for anything else, and for more than six."""
    times = sorted({time.fromisoformat(part.strip()) for part in text.split(",")})
    if len(times) > _MOST_TIMES:
        raise ValueError("too many times")
    return tuple(times)


def days_of(text: str) -> tuple[CalendarDay, ...]:
    """Read days with the word for off or worked in one of our languages, between commas; ValueError for anything else, and
    for a day that is named twice."""
    kinds = {
        labels.say(f"profile.office_day.{kind}", lang): kind for kind in _KINDS for lang in labels.LANGUAGES
    }
    days: dict[date, CalendarDay] = {}
    for part in text.split(","):
        match = _DAY.fullmatch(part.strip())
        if match is None or match[4] not in kinds:
            raise ValueError(part)
        day = date(int(match[3]), int(match[2]), int(match[1]))
        if day in days or len(days) >= _MOST_DAYS:
            raise ValueError(part)
        days[day] = CalendarDay(day=day, kind=kinds[match[4]], name="")
    return tuple(days[day] for day in sorted(days))


def stored_hours(text: str) -> str | None:
    try:
        return ", ".join(f"{span.start:%H:%M}-{span.end:%H:%M}" for span in spans_of(text))
    except ValueError:
        return None


def stored_times(text: str) -> str | None:
    try:
        return ", ".join(f"{at:%H:%M}" for at in times_of(text))
    except ValueError:
        return None


def stored_days(text: str) -> str | None:
    words = {kind: labels.say(f"profile.office_day.{kind}", "vi") for kind in _KINDS}
    try:
        return ", ".join(f"{day.day:%d/%m/%Y} {words[day.kind]}" for day in days_of(text))
    except ValueError:
        return None


def calendar_of_agency(office: OfficeCalendar, chosen: Mapping[str, _Chosen]) -> OfficeCalendar:
    """Return the node's calendar as an agency changed it; the same one where it chose nothing of it."""
    texts = {key: version.value for key, version in chosen.items()}
    lengths = {
        row.timer.value: int(texts[row.profile_key]) for row in TIMERS.values() if row.profile_key in texts
    }
    if not lengths and not texts.keys() & (CALENDAR | {DIGEST_HOURS, QUIET}):
        return office
    own_days = days_of(texts[OWN_DAYS]) if OWN_DAYS in texts else ()
    return replace(
        office,
        spans=spans_of(texts[HOURS]) if HOURS in texts else office.spans,
        weekdays=(
            frozenset(map(WEEK.index, texts[WEEKDAYS].split(","))) if WEEKDAYS in texts else office.weekdays
        ),
        days={**office.days, **{day.day: day.kind for day in own_days}},
        lengths=lengths,
        quiet=frozenset(filter(None, texts.get(QUIET, "").split(","))),
        digest_at=times_of(texts[DIGEST_HOURS]) if DIGEST_HOURS in texts else None,
        is_own=bool(texts.keys() & CALENDAR),
    )
