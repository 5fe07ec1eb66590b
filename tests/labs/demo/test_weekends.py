"""The demonstration can be begun on any day of the week: it does not wait for documents that need not be taken in yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.domain.office_calendar import OfficeCalendar
from gateway_labs.demo.offices import is_overdue

_WEDNESDAY = datetime(2026, 11, 18, 4, 0, tzinfo=UTC)


def test_over_a_weekend_nobody_is_late() -> None:
    """Two days before a Sunday or a Monday lies less than one working day."""
    days = [_WEDNESDAY + timedelta(days=days) for days in range(7)]
    late = [is_overdue(OfficeCalendar(), day) for day in days]
    assert late == [True, True, True, True, False, False, True]
