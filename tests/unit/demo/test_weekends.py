"""The demonstration can be begun on any day of the week: what nobody had to take in yet is not waited for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.demo.offices import is_overdue
from gateway.domain.office_calendar import OfficeCalendar

_WEDNESDAY = datetime(2026, 11, 18, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "overdue"), [(0, True), (1, True), (2, True), (3, True), (4, False), (5, False), (6, True)]
)
def test_over_a_weekend_nobody_is_late(days: int, overdue: bool) -> None:
    """Two days before a Sunday or a Monday lies less than one working day."""
    assert is_overdue(OfficeCalendar(), _WEDNESDAY + timedelta(days=days)) is overdue
