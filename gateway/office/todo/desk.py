"""What the to-do list works with. In: ports, the office's hours. Out: the calendar in force."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.domain.office_calendar import OfficeCalendar
from gateway.office.ports.deadlines import EndingCertificates
from gateway.office.ports.store import OfficeStore
from gateway.ports import CalendarDays, Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class TodoDesk:
    """`wake` rings for whoever waits for events."""

    store: OfficeStore
    calendar: CalendarDays
    office: Callable[[], Awaitable[OfficeCalendar]]
    """When the agencies of this node work, as it is now."""
    certificates: EndingCertificates
    clock: Clock
    wake: Callable[[], None]
