"""Days and times as people type them and as pages write them. In: text and today; a moment. Out: of 20/11/2026,
20-11-2026, 20112026, 2026-11-20, the words for today and tomorrow in both languages, 7:30, 0730, 7h30 a date or a
time, or None for other text; of a moment 14:02 20/11/2026 in Vietnamese time and in both languages alike, or less
where the day is today; of today the periods that offices look at. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from gateway.domain.text import fold
from gateway.domain.wall_clock import cell_text as cell_text
from gateway.domain.wall_clock import day_text as day_text
from gateway.domain.wall_clock import is_in_span, local
from gateway.domain.wall_clock import midnight as midnight
from gateway.domain.wall_clock import moment_text as moment_text

_DAY_FIRST = re.compile(r"(\d{1,2})[./\- ](\d{1,2})[./\- ](\d{4})")
_YEAR_FIRST = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_DIGITS = re.compile(r"(\d{2})(\d{2})(\d{4})")
_TIME = re.compile(r"(\d{1,2})(?:\s*(?:[:hg.]|gio)\s*(\d{2})?)?")
_WORDS = {"hom nay": 0, "today": 0, "ngay mai": 1, "tomorrow": 1, "hom qua": -1, "yesterday": -1}


def typed_day(text: str, today: date) -> date | None:
    words = " ".join(text.split())
    if (shift := _WORDS.get(fold(words))) is not None:
        return today + timedelta(days=shift)
    if match := _YEAR_FIRST.fullmatch(words):
        return _date(*(int(digits) for digits in match.groups()))
    if match := _DAY_FIRST.fullmatch(words) or _DIGITS.fullmatch(words):
        dom, month, year = (int(digits) for digits in match.groups())
        return _date(year, month, dom)
    return None


def typed_clock(text: str) -> time | None:
    words = "".join(fold(text).split())
    if re.fullmatch(r"\d{4}", words):
        words = f"{words[:2]}:{words[2:]}"
    match = _TIME.fullmatch(words)
    if match is None:
        return None
    hour, minute = int(match[1]), int(match[2] or 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _date(year: int, month: int, dom: int) -> date | None:
    try:
        day = date(year, month, dom)
    except ValueError:
        return None
    return day if is_in_span(day) else None


def clock_text(at: datetime | None, now: datetime, time: str = "%H:%M") -> str:
    """Render the time alone for today, with its day for any other."""
    if at is None:
        return ""
    moment = local(at)
    return moment.strftime(time if moment.date() == local(now).date() else f"{time} %d/%m/%Y")


def periods(today: date) -> Sequence[tuple[str, date, date]]:
    """List the periods that offices report on: key of the words, first and last day."""
    week = today - timedelta(days=today.weekday())
    month = today.replace(day=1)
    quarter = date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)
    half = date(today.year, 1 if today.month < 7 else 7, 1)
    last = (month - timedelta(days=1)).replace(day=1)
    return (
        ("week", week, today),
        ("month", month, today),
        ("last_month", last, month - timedelta(days=1)),
        ("quarter", quarter, today),
        ("half", half, today),
        ("year", date(today.year, 1, 1), today),
    )
