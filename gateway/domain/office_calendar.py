"""Working week of the office, days that differ from it, and the holidays and swap days that come with the program. Frozen
values; `policy.timers` counts office time.

`SHIPPED` has the days of 2026 and 2027, which a node's own rows override; names are keys of the labels. Holidays are
those of the Labour Code; where one falls on a weekend, the next working day is free. `expected` marks days without a
yearly decision at the time of writing, which an administrator has to check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from gateway.domain.wall_clock import vietnam_time

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class DayKind(StrEnum):
    """Kind of a day that differs from its weekday."""

    HOLIDAY = "holiday"
    WORKDAY = "workday"
    """Swap day: worked although its weekday is free."""
    ORDINARY = "ordinary"
    """Follows its weekday, against the shipped calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarDay:
    """Day that differs from its weekday. `shipped`: it came with the program; `expected`: it was not decided yet at the
    time of writing."""

    day: date
    kind: DayKind
    name: str
    shipped: bool = False
    expected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeHours:
    """Span of office time on a day, without a break."""

    start: time
    end: time


Hours = tuple[tuple[datetime, datetime], ...]
_MOST_DAYS = 1000
MORNING = OfficeHours(start=time(7, 30), end=time(11, 30))
AFTERNOON = OfficeHours(start=time(13, 30), end=time(17, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeCalendar:
    """Working hours of the office. In `weekdays` Monday is 0; `spans` do not overlap; a swap day has the usual hours."""

    weekdays: frozenset[int] = frozenset(range(5))
    spans: tuple[OfficeHours, ...] = (MORNING, AFTERNOON)
    days: Mapping[date, DayKind] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)
    """Lengths of timers that the agency chose, by timer, in the unit of the table."""
    quiet: frozenset[str] = frozenset()
    """Timers without reminders, by the agency's choice."""
    digest_at: tuple[time, ...] | None = None
    """Hours of the agency's digests; None: those of the node."""
    is_own: bool = False
    """Whether the agency itself chose its hours or days."""
    day_length: timedelta = field(init=False)
    """Office time of one day."""
    _hours: dict[date, Hours] = field(init=False, compare=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        ends = [edge for span in self.spans for edge in (span.start, span.end)]
        if not self.weekdays or not self.spans or sorted(set(ends)) != ends:
            raise ValueError("an office works on some day of the week, at hours that follow each other")
        length = sum((end - start for start, end in self._moments_of(date.min)), timedelta())
        object.__setattr__(self, "day_length", length)  # frozen: derived from the other fields

    def works(self, day: date) -> bool:
        """Tell whether a day is a working day."""
        match self.days.get(day):
            case DayKind.HOLIDAY:
                return False
            case DayKind.WORKDAY:
                return True
        return day.weekday() in self.weekdays

    def hours_of(self, day: date) -> Hours:
        """Return the working hours of that day, cached, since every document asks for the same few days."""
        hours = self._hours.get(day)
        if hours is None:
            if len(self._hours) >= _MOST_DAYS:
                self._hours.clear()
            hours = self._hours[day] = self._moments_of(day) if self.works(day) else ()
        return hours

    def _moments_of(self, day: date) -> Hours:
        return tuple([(vietnam_time(day, span.start), vietnam_time(day, span.end)) for span in self.spans])


# First day, number of days, name, and whether it is only expected.
_HOLIDAYS: tuple[tuple[date, int, str, bool], ...] = (
    (date(2026, 1, 1), 1, "new_year", False),
    (date(2026, 1, 2), 1, "swapped", False),
    (date(2026, 2, 16), 5, "tet", False),
    (date(2026, 4, 27), 1, "instead", False),
    (date(2026, 4, 30), 1, "victory", False),
    (date(2026, 5, 1), 1, "labour", False),
    (date(2026, 8, 31), 1, "swapped", False),
    (date(2026, 9, 1), 2, "national", False),
    (date(2026, 11, 24), 1, "culture", False),
    (date(2027, 1, 1), 1, "new_year", False),
    (date(2027, 2, 5), 5, "tet", True),
    (date(2027, 2, 10), 2, "instead", True),
    (date(2027, 4, 16), 1, "hung_kings", False),
    (date(2027, 4, 30), 1, "victory", False),
    (date(2027, 5, 1), 1, "labour", False),
    (date(2027, 5, 3), 1, "instead", False),
    (date(2027, 9, 2), 1, "national", False),
    (date(2027, 9, 3), 1, "national", True),
    (date(2027, 11, 24), 1, "culture", True),
)
_SWAP_DAYS: tuple[date, ...] = (date(2026, 1, 10), date(2026, 8, 22))


def _shipped_days() -> Iterator[CalendarDay]:
    for first, count, name, expected in _HOLIDAYS:
        for n in range(count):
            day = first + timedelta(days=n)
            yield CalendarDay(
                day=day, kind=DayKind.HOLIDAY, name=f"day.{name}", shipped=True, expected=expected
            )
    for day in _SWAP_DAYS:
        yield CalendarDay(day=day, kind=DayKind.WORKDAY, name="day.swap", shipped=True)


SHIPPED: tuple[CalendarDay, ...] = tuple(sorted(_shipped_days(), key=lambda day: day.day))
