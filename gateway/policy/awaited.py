"""Until when lists wait for a document to be taken in. In: the office's week, the calendar's own days; then whose turn it
is, since when, and how urgent. Out: the moment from which it is late. Pure. Ours is T2 or T2u (rules 11); a recipient,
whose hours nobody here knows, has one working day of ours, and of what is urgent the same minutes as we have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.domain.document import Urgency
from gateway.domain.listing import Side
from gateway.domain.office_calendar import CalendarDay, OfficeCalendar, Span
from gateway.domain.shipped_days import SHIPPED
from gateway.policy import office_hours, timers


def until(office: OfficeCalendar, side: Side, since: datetime, urgency: Urgency) -> datetime:
    if side is Side.OUT and not timers.is_urgent(urgency):
        return office_hours.add(office, since, office_hours.working_day(office))
    return timers.take_in(office, since, urgency).at


def by_days(
    weekdays: frozenset[int], spans: tuple[Span, ...]
) -> Callable[[Sequence[CalendarDay]], Callable[[Side, datetime, Urgency], datetime]]:
    """Of a calendar's own days, how long anything is waited for."""

    def of(own: Sequence[CalendarDay]) -> Callable[[Side, datetime, Urgency], datetime]:
        office = office_hours.calendar(weekdays, spans, SHIPPED, own)
        return lambda side, since, urgency: until(office, side, since, urgency)

    return of
