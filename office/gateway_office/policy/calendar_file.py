"""Reads a file of calendar days. In: its bytes, CSV with the columns day, kind and name. Out: the days, or every
fault with its line. Pure."""

from __future__ import annotations

import csv
import io
from datetime import date

from gateway.domain.office_calendar import CalendarDay, DayKind
from gateway.errors import Clash

MOST_BYTES = 256 * 1024
MOST_DAYS = 2000
LONGEST_NAME = 200
_COLUMNS = ("day", "kind", "name")
_MOST_FAULTS = 20


def read(content: bytes) -> list[CalendarDay]:
    """Read the whole file or none of it; Clash names up to twenty faults."""
    days_by_date: dict[date, CalendarDay] = {}
    faults: list[str] = []
    for line, row in _read_rows(content):
        try:
            calendar_day = day(row["day"] or "", row["kind"] or "", row["name"] or "")
        except ValueError as why:
            faults.append(f"line {line}: {why}")
            continue
        if calendar_day.day in days_by_date:
            faults.append(f"line {line}: {calendar_day.day} stands there before")
        days_by_date[calendar_day.day] = calendar_day
    if faults or not days_by_date:
        details = "; ".join(faults[:_MOST_FAULTS]) or "it has no day in it"
        raise Clash(f"the calendar file cannot be taken: {details}", code="GW-CALENDAR")
    return sorted(days_by_date.values(), key=lambda calendar_day: calendar_day.day)


def day(text: str, kind: str, name: str) -> CalendarDay:
    """Read a day as a person writes it: 2026-11-24 or 24/11/2026. ValueError says what is wrong."""
    words = " ".join(name.split())
    if len(words) > LONGEST_NAME or not words.isprintable():
        raise ValueError(f"a name has at most {LONGEST_NAME} letters, on one line")
    if kind.strip().casefold() not in {k.value for k in DayKind}:
        raise ValueError(f"{kind!r} is no kind of day; it is one of {', '.join(DayKind)}")
    return CalendarDay(day=read_day(text), kind=DayKind(kind.strip().casefold()), name=words)


def read_day(text: str) -> date:
    stripped = text.strip()
    try:
        if "/" in stripped:
            dom, month, year = (int(part) for part in stripped.split("/"))
            parsed = date(year, month, dom)
        else:
            parsed = date.fromisoformat(stripped)
    except ValueError:
        raise ValueError(f"{text!r} is no day; write 2026-11-24 or 24/11/2026") from None
    if not 2000 <= parsed.year <= 2200:
        raise ValueError(f"{parsed} is no day of our time")
    return parsed


def _read_rows(content: bytes) -> list[tuple[int, dict[str, str | None]]]:
    if len(content) > MOST_BYTES:
        raise Clash(f"a calendar file has at most {MOST_BYTES // 1024} KB", code="GW-CALENDAR")
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        if not set(_COLUMNS) <= {name.strip() for name in reader.fieldnames or ()}:
            raise Clash(f"a calendar file has the columns {', '.join(_COLUMNS)}", code="GW-CALENDAR")
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as why:
        raise Clash(f"the calendar file cannot be read as CSV in UTF-8: {why}", code="GW-CALENDAR") from why
    if len(rows) > MOST_DAYS:
        raise Clash(f"a calendar file has at most {MOST_DAYS} days", code="GW-CALENDAR")
    return rows
