"""Until when lists wait: by the clock of the office for us, one working day for a recipient, at once for what is urgent.
The 24th, a Tuesday, is a holiday that ships with the program."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from gateway.domain.document import Urgency
from gateway.domain.office_calendar import AFTERNOON, MORNING, CalendarDay, DayKind
from gateway.domain.status import Duty, Waits
from gateway.domain.wall_clock import VIETNAM
from gateway_office.policy import todo

WEEK = frozenset(range(5))
MONDAY_OFF = CalendarDay(day=date(2026, 11, 23), kind=DayKind.HOLIDAY, name="Nghỉ")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=VIETNAM)


@pytest.mark.parametrize(
    ("waits", "since", "urgency", "days", "expected"),
    [
        (Waits.TAKE_IN, at(17, 11), Urgency.NORMAL, (), at(17, 15)),
        (Waits.TAKE_IN, at(20, 16), Urgency.NORMAL, (), at(23, 8, 30)),
        (Waits.TAKE_IN, at(20, 16), Urgency.NORMAL, (MONDAY_OFF,), at(25, 8, 30)),
        (Waits.TAKE_IN, at(21, 22), Urgency.EXPRESS, (MONDAY_OFF,), at(21, 22, 15)),
        (Waits.PARTNER, at(20, 9), Urgency.NORMAL, (), at(23, 9)),
        (Waits.PARTNER, at(20, 9), Urgency.NORMAL, (MONDAY_OFF,), at(25, 9)),
        (Waits.PARTNER, at(21, 9), Urgency.URGENT, (), at(21, 10)),
        (Waits.DECIDE, at(20, 9), Urgency.EXPRESS, (), at(23, 9)),
        (Waits.ANSWER, at(20, 16), Urgency.NORMAL, (), at(23, 16)),
        (Waits.ANSWER, at(20, 16), Urgency.URGENT, (), at(23, 8, 30)),
    ],
)
def test_a_document_is_late_by_the_offices_own_calendar(
    waits: Waits, since: datetime, urgency: Urgency, days: tuple[CalendarDay, ...], expected: datetime
) -> None:
    due = todo.waits_until(WEEK, (MORNING, AFTERNOON))(days, {})

    assert due("agency", Duty(waits=waits, since=since), urgency) == expected
