"""What the to-do list works with. In: ports, the office's hours. Out: the calendar in force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.domain.office_calendar import OfficeCalendar, Span
from gateway.domain.shipped_days import SHIPPED
from gateway.policy import office_hours
from gateway.ports import CalendarDays, Clock, EndingCertificates, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class TodoDesk:
    """`wake` rings for whoever waits for events."""

    store: Store
    calendar: CalendarDays
    certificates: EndingCertificates
    clock: Clock
    weekdays: frozenset[int]
    spans: tuple[Span, ...]
    wake: Callable[[], None]

    async def office(self) -> OfficeCalendar:
        """As it is now: an administrator may have changed a day a moment ago."""
        return office_hours.calendar(self.weekdays, self.spans, SHIPPED, await self.calendar.days())
