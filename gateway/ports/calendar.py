"""The promise of the calendar's own days, by which office hours are reckoned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from gateway.domain.office_calendar import CalendarDay


class CalendarDays(Protocol):
    """The node's own rows, which go over the shipped ones. Each call is durable on return."""

    async def days(self) -> Sequence[CalendarDay]:
        """In order of days."""

    async def put(self, days: Sequence[CalendarDay], at: datetime, by: str) -> None:
        """All or none, told by an event; a day that is there is replaced."""

    async def remove(self, day: date, at: datetime, by: str) -> bool:
        """Told by an event. False when the node has no row of its own for that day."""
