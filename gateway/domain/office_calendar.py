"""The office's week and the days that differ from it: what a calendar is made of. Frozen values; counting in them is in
`policy.office_hours`, the days that ship with the program are in `domain.shipped_days`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class DayKind(StrEnum):
    """What a day is that differs from its weekday."""

    HOLIDAY = "holiday"
    WORKDAY = "workday"
    """A swap day: worked although its weekday is free."""
    ORDINARY = "ordinary"
    """As its weekday says, whatever the shipped calendar says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarDay:
    """One day that differs. `shipped`: it came with the program; `expected`: not yet decided when it was written."""

    day: date
    kind: DayKind
    name: str
    shipped: bool = False
    expected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Office time of one day without a break."""

    start: time
    end: time


MORNING = Span(start=time(7, 30), end=time(11, 30))
AFTERNOON = Span(start=time(13, 30), end=time(17, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeCalendar:
    """When the office works. `weekdays`: Monday is 0; `spans` in order, without overlap; a swap day has the hours of any
    other day."""

    weekdays: frozenset[int] = frozenset(range(5))
    spans: tuple[Span, ...] = (MORNING, AFTERNOON)
    days: Mapping[date, DayKind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ends = [edge for span in self.spans for edge in (span.start, span.end)]
        if not self.weekdays or not self.spans or sorted(set(ends)) != ends:
            raise ValueError("an office works on some day of the week, at hours that follow each other")

    def works(self, day: date) -> bool:
        """Whether that is a working day."""
        match self.days.get(day):
            case DayKind.HOLIDAY:
                return False
            case DayKind.WORKDAY:
                return True
        return day.weekday() in self.weekdays
