"""Until when somebody is waited for, by the office's calendar. In: who reckons from the calendar's own days. Out: a `Due`
by days that were read a minute ago at most; and, once those days are other ones, the rows of what is still waited
for, written anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import col

from gateway.domain.office_calendar import CalendarDay
from gateway.office.domain.listing import Side, due_within
from gateway.office.store.lists_write import Due, ListFolder, first_place
from gateway.ports.services import Clock
from gateway.store.calendar import days_in
from gateway.store.tables_office import ATTENTION, ListRow
from gateway.store.transaction import Transaction

_R = ListRow
DAYS_FRESH = timedelta(minutes=1)
# What is late since then stays late, whatever day becomes a holiday.
REWRITTEN_BACK = timedelta(days=30)
Reckon = Callable[[Sequence[CalendarDay]], Due]
Unit = Callable[[], AbstractAsyncContextManager[Transaction]]


def reckon_without_office(days: Sequence[CalendarDay]) -> Due:
    """Where nothing knows office hours."""
    return due_within


class Dues:
    """One for each process."""

    def __init__(self, reckon: Reckon, clock: Clock) -> None:
        self._reckon = reckon
        self._clock = clock
        self._days: Sequence[CalendarDay] = ()
        self._due: Due = reckon(())
        self._read_at: datetime | None = None
        self._written_by: Sequence[CalendarDay] | None = None
        self._writing_by: Sequence[CalendarDay] = ()
        self._behind = 0

    def forget(self) -> None:
        """A day was changed a moment ago."""
        self._read_at = None

    async def of(self, tx: Transaction) -> Due:
        now = self._clock.now()
        if self._read_at is None or not self._read_at <= now < self._read_at + DAYS_FRESH:
            days = await days_in(tx)
            if days != self._days:
                self._days, self._due = days, self._reckon(days)
            self._read_at = now
        return self._due

    async def write_again(
        self,
        reading: Unit,
        writing: Unit,
        agencies: Sequence[str],
        limit: int,
        folder: ListFolder,
        changed: Callable[[str], None],
    ) -> bool:
        """One batch of rows whose moment may be another one by now; True when there may be more. The first time after a
        start all are looked at: somebody may have changed a day meanwhile."""
        async with reading() as tx:
            await self.of(tx)
            if self._days == self._written_by:
                return False
            if self._days != self._writing_by:
                self._writing_by, self._behind = self._days, 0
            found = await self._waiting(tx, agencies, limit)
        if found:
            async with writing() as tx:
                await folder.write(tx, {(whose, id): Side(side) for _, whose, id, side in found})
                await tx.commit()
        for agency_id in agencies:  # what is not written yet is late at another moment too
            changed(agency_id)
        more = len(found) == limit
        self._behind = found[-1][0] if more else 0
        if not more:
            self._written_by = self._writing_by
        return more

    async def _waiting(
        self, tx: Transaction, agencies: Sequence[str], limit: int
    ) -> Sequence[tuple[int, str, str, str]]:
        """Oldest first, of all agencies."""
        since = self._clock.now() - REWRITTEN_BACK
        query = select(col(_R.place), col(_R.agency_id), col(_R.id), col(_R.side)).where(
            col(_R.agency_id).in_(agencies),
            ATTENTION,
            col(_R.due_at) >= since,
            col(_R.place) > max(self._behind, first_place(since - REWRITTEN_BACK)),
        )
        found: Sequence[tuple[int, str, str, str]] = await tx.tuples(
            query.order_by(col(_R.place)).limit(limit)
        )
        return found
