"""Vietnam's wall clock: UTC+7, without summer time. A fixed offset needs no time-zone files on the machine."""

from datetime import date, datetime, time, timedelta, timezone

# Viet Nam has had one offset and no summer time since 1975, so no time-zone table is needed to print a time.
VIETNAM = timezone(timedelta(hours=7))


def local(at: datetime) -> datetime:
    """Convert to a Vietnamese wall clock."""
    return at.astimezone(VIETNAM)


def whole_second(at: datetime) -> datetime:
    """Cut off the parts of a second, which the wire does not carry."""
    return at.replace(microsecond=0)


def vietnam_time(day: date, at: time) -> datetime:
    """Combine a day and a time of a Vietnamese wall clock."""
    return datetime.combine(day, at, VIETNAM)


def midnight(day: date) -> datetime:
    """Return the moment at which that day begins in Viet Nam."""
    return vietnam_time(day, time())


def day_text(on: date | None) -> str:
    """Format as 20/11/2026, in both languages; empty for None."""
    return "" if on is None else on.strftime("%d/%m/%Y")


def cell_text(value: object) -> str:
    """Format the cell of a table, with days as in `day_text`; empty for None."""
    return day_text(value) if isinstance(value, date) else "" if value is None else str(value)


def moment_text(at: datetime | None) -> str:
    """Format as 14:02 20/11/2026, in both languages; empty for None."""
    return "" if at is None else local(at).strftime("%H:%M %d/%m/%Y")
