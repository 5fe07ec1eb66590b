"""The holidays and swap days of 2026 and 2027 as this version knows them. In: nothing. Out: `SHIPPED`, which a node's own
rows go over; names are keys of the labels. Holidays are those of the Labour Code; where one falls on a weekend, the next
working day is free. `expected` marks what had no yearly decision yet when this was written: an administrator checks it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from gateway.domain.office_calendar import CalendarDay, DayKind

# First day, how many days, name, and whether it is only expected.
_HOLIDAYS: tuple[tuple[date, int, str, bool], ...] = (
    (date(2026, 1, 1), 1, "new_year", False),
    (date(2026, 1, 2), 1, "swapped", False),
    (date(2026, 2, 16), 5, "tet", False),
    (date(2026, 4, 27), 1, "instead", False),
    (date(2026, 4, 30), 1, "victory", False),
    (date(2026, 5, 1), 1, "labour", False),
    (date(2026, 8, 31), 1, "swapped", False),
    (date(2026, 9, 1), 2, "national", False),
    (date(2026, 11, 24), 1, "culture", True),
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
_SWAPPED: tuple[date, ...] = (date(2026, 1, 10), date(2026, 8, 22))


def _made() -> Iterator[CalendarDay]:
    for first, count, name, expected in _HOLIDAYS:
        for n in range(count):
            day = first + timedelta(days=n)
            yield CalendarDay(
                day=day, kind=DayKind.HOLIDAY, name=f"day.{name}", shipped=True, expected=expected
            )
    for day in _SWAPPED:
        yield CalendarDay(day=day, kind=DayKind.WORKDAY, name="day.swap", shipped=True)


SHIPPED: tuple[CalendarDay, ...] = tuple(sorted(_made(), key=lambda each: each.day))
