"""The days on which this node's calendar differs from the shipped one. In: `CalendarDay` values. Out: the same. Part of the
store; get it as `store.calendar`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime

from sqlalchemy import delete, select
from sqlmodel import col

from gateway.domain.office_calendar import CalendarDay, DayKind
from gateway.store.deadline_tables import CalendarDayRow
from gateway.store.transaction import Transaction

Open = Callable[[], AbstractAsyncContextManager[Transaction]]
_R = CalendarDayRow
_ALL = select(_R).order_by(col(_R.day))


class SqlCalendarDays:
    """Keeps the promise of `ports.CalendarDays`."""

    def __init__(self, writing: Open, reading: Open, changed: Callable[[], None] = lambda: None) -> None:
        """`changed` is told of each change that holds."""
        self._writing, self._reading, self._changed = writing, reading, changed

    async def days(self) -> Sequence[CalendarDay]:
        async with self._reading() as tx:
            return await days_in(tx)

    async def put(self, days: Sequence[CalendarDay], at: datetime) -> None:
        async with self._writing() as tx:
            for each in days:
                row = CalendarDayRow(day=each.day, kind=each.kind.value, name=each.name, set_at=at)
                await tx.put_over(row, "kind", "name", "set_at")
            tx.when_committed(self._changed)
            await tx.commit()

    async def remove(self, day: date) -> bool:
        async with self._writing() as tx:
            removed = await tx.change(delete(_R).where(col(_R.day) == day))
            tx.when_committed(self._changed)
            await tx.commit()
        return removed == 1


async def days_in(tx: Transaction) -> Sequence[CalendarDay]:
    rows = await tx.rows(_R, _ALL)
    return [CalendarDay(day=row.day, kind=DayKind(row.kind), name=row.name) for row in rows]
