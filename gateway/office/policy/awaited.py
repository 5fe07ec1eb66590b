"""Until when lists wait for somebody. In: the office's week, the calendar's own days; then whose turn it is, since when,
and how urgent. Out: the moment from which it is late, as `policy.timers` reckons it everywhere else. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.domain.document import Urgency
from gateway.domain.duty import Duty
from gateway.domain.office_calendar import CalendarDay, Span
from gateway.domain.shipped_days import SHIPPED
from gateway.policy import office_hours, timers


def by_days(
    weekdays: frozenset[int], spans: tuple[Span, ...]
) -> Callable[[Sequence[CalendarDay]], Callable[[Duty, Urgency], datetime]]:
    """Of a calendar's own days, how long anything is waited for."""

    def of(own: Sequence[CalendarDay]) -> Callable[[Duty, Urgency], datetime]:
        office = office_hours.calendar(weekdays, spans, SHIPPED, own)
        return lambda duty, urgency: timers.of_duty(office, duty, urgency).at

    return of
