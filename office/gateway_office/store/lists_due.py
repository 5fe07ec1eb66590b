"""Moments until which a party is waited for, by each office's calendar. In: a function that reckons from the calendar's own
days and the agencies' settings. Out: a `Due` by what was read a minute ago at most; and, once that has changed, the rows
of documents that are still waited for, written anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import col

from gateway.domain.agency_profile import ProfileVersion
from gateway.domain.office_calendar import CalendarDay
from gateway.ports.services import Clock
from gateway.store.accounts import chosen_calendars
from gateway.store.calendar import days_in
from gateway.store.tables_office import ATTENTION, ListRow
from gateway.store.transaction import Transaction
from gateway_office.domain.listing import Side, due_within
from gateway_office.store.lists_write import Due, ListFolder, first_place

_R = ListRow
DAYS_FRESH = timedelta(minutes=1)
# A document that is late for longer stays late, whatever day becomes a holiday.
REWRITTEN_BACK = timedelta(days=30)
_Chosen = Mapping[str, Mapping[str, ProfileVersion]]
_Calendars = tuple[Sequence[CalendarDay], _Chosen]
Reckon = Callable[[Sequence[CalendarDay], _Chosen], Due]


def reckon_without_office(days: Sequence[CalendarDay], chosen: _Chosen) -> Due:
    """Reckon where the node knows no office hours."""
    return due_within


class Dues:
    """Reckoning of due moments, one for each process."""

    def __init__(self, reckon: Reckon, clock: Clock) -> None:
        self._reckon = reckon
        self._clock = clock
        self._days: _Calendars = (), {}
        self._due: Due = reckon((), {})
        self._read_at: datetime | None = None
        self._written_days: _Calendars | None = None
        self._writing_days: _Calendars = (), {}
        self._behind = 0

    def forget(self) -> None:
        """Read the days again at the next call: one was changed a moment ago."""
        self._read_at = None

    async def load(self, tx: Transaction) -> Due:
        now = self._clock.now()
        if self._read_at is None or not self._read_at <= now < self._read_at + DAYS_FRESH:
            days = await days_in(tx), await chosen_calendars(tx, now)
            if days != self._days:
                self._days, self._due = days, self._reckon(*days)
            self._read_at = now
        return self._due

    async def rewrite(self, folder: ListFolder, agencies: Sequence[str], limit: int) -> bool:
        """Write one batch of rows whose moment may have changed; return True when there may be more. After a start all are
        looked at: a day may have changed meanwhile."""
        async with folder.reading() as tx:
            await self.load(tx)
            if self._days == self._written_days:
                return False
            if self._days != self._writing_days:
                self._writing_days, self._behind = self._days, 0
            rows = await self._list_waiting(tx, agencies, limit)
        if rows:
            async with folder.changing() as tx:
                await folder.write(tx, {(owner_id, id): Side(side) for _, owner_id, id, side in rows})
        for agency_id in agencies:  # rows that are not written yet have other moments too
            folder.changed(agency_id)
        more = len(rows) == limit
        self._behind = rows[-1][0] if more else 0
        if not more:
            self._written_days = self._writing_days
        return more

    async def _list_waiting(
        self, tx: Transaction, agencies: Sequence[str], limit: int
    ) -> Sequence[tuple[int, str, str, str]]:
        """List rows of documents that are waited for, oldest first, of all agencies."""
        since = self._clock.now() - REWRITTEN_BACK
        query = select(col(_R.place), col(_R.agency_id), col(_R.id), col(_R.side)).where(
            col(_R.agency_id).in_(agencies),
            ATTENTION,
            col(_R.due_at) >= since,
            col(_R.place) > max(self._behind, first_place(since - REWRITTEN_BACK)),
        )
        rows: Sequence[tuple[int, str, str, str]] = await tx.tuples(
            query.order_by(col(_R.place)).limit(limit)
        )
        return rows
