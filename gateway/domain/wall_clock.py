"""Wall clock of Viet Nam: UTC+7, without summer time."""

from calendar import monthrange
from datetime import date, datetime, time, timedelta, timezone

# Viet Nam has had one offset and no summer time since 1975, so no time-zone files are needed on the machine.
VIETNAM = timezone(timedelta(hours=7))
# No document of an office is older, and none is due later; any other day is a typing error. Arithmetic on days within
# stays within what a calendar has.
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 12, 31)


def is_in_span(day: date) -> bool:
    return FIRST_DAY <= day <= LAST_DAY


def local(at: datetime) -> datetime:
    """Convert a time to the Vietnamese wall clock."""
    return at.astimezone(VIETNAM)


def whole_second(at: datetime) -> datetime:
    """Return the time without its fraction of a second, which the wire does not carry."""
    return at.replace(microsecond=0)


def vietnam_time(day: date, at: time) -> datetime:
    """Return the moment at which the Vietnamese wall clock shows that time on that day."""
    return datetime.combine(day, at, VIETNAM)


def midnight(day: date) -> datetime:
    """Return the moment at which that day begins in Viet Nam."""
    return vietnam_time(day, time())


def months_later(day: date, months: int) -> date:
    """Return the same day so many months later; the last of the month where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def day_text(on: date | None) -> str:
    """Format a day as 20/11/2026, in both languages; empty for None."""
    return "" if on is None else on.strftime("%d/%m/%Y")


def cell_text(value: object) -> str:
    """Format the value of a table cell, a day as in `day_text`; empty for None."""
    return day_text(value) if isinstance(value, date) else "" if value is None else str(value)


def moment_text(at: datetime | None) -> str:
    """Format a moment as 14:02 20/11/2026, in both languages; empty for None."""
    return "" if at is None else local(at).strftime("%H:%M %d/%m/%Y")
