"""Days on which this node's calendar differs from the shipped one. In: `CalendarDay` values. Out: the stored days, and an
event for each change in its transaction. Part of the store; get it as `store.calendar`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial

from sqlalchemy import delete, select
from sqlmodel import col

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.office_calendar import CalendarDay
from gateway.ports.services import Clock
from gateway.store.events import NODE, SqlEvents
from gateway.store.repository import OwnTransactions
from gateway.store.row import value_of
from gateway.store.tables_office import CalendarDayRow
from gateway.store.transaction import Open, Transaction

_R = CalendarDayRow
_ALL = select(_R).order_by(col(_R.day))
_SUBJECT = "calendar"


class SqlCalendarDays(OwnTransactions):
    """Repository of the node's own calendar days, which override the shipped ones. Each change is committed on return."""

    def __init__(
        self, writing: Open, reading: Open, clock: Clock, changed: Callable[[], None] = lambda: None
    ) -> None:
        """Take functions that open transactions, a clock, and `changed`, which is called after each committed change."""
        super().__init__(writing, reading)
        self._clock, self._changed = clock, changed

    async def days(self) -> Sequence[CalendarDay]:
        """Return the node's own days in the order of dates."""
        async with self._reading() as tx:
            return await days_in(tx)

    async def save(self, days: Sequence[CalendarDay], at: datetime, by: str) -> None:
        """Insert or replace these days in one transaction, and record an event by the principal `by`."""
        event_days = [{"day": d.day.isoformat(), "kind": d.kind.value, "name": d.name} for d in days]
        async with self._changing() as tx:
            for day in days:
                await tx.upsert(_R.from_value(day, set_at=at))
            await self._events(tx, by).append(EventKind.CALENDAR_SET, _SUBJECT, at, {"days": event_days})
            tx.when_committed(self._changed)

    async def remove(self, day: date, at: datetime, by: str) -> bool:
        """Delete the node's own entry for a day, and record an event. Return False when there is no such entry."""
        async with self._writing() as tx:
            is_removed = await tx.change(delete(_R).where(col(_R.day) == day)) == 1
            if is_removed:
                facts = {"day": day.isoformat()}
                await self._events(tx, by).append(EventKind.CALENDAR_REMOVED, _SUBJECT, at, facts)
                tx.when_committed(self._changed)
                await tx.commit()
        return is_removed

    def _events(self, tx: Transaction, by: str) -> SqlEvents:
        return SqlEvents(tx, AgencyScope(agency_id=NODE, principal_id=by), self._clock)


async def days_in(tx: Transaction) -> Sequence[CalendarDay]:
    read = partial(value_of, CalendarDay, shipped=False, expected=False)
    return await tx.values(read, _ALL)
