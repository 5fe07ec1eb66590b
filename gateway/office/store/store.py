"""The node's database where the office is open: lists follow every document, whichever unit of work changes it, and units
have what persons at pages need. In: what the exchange's store takes, and how the office reckons its hours. Out:
`ports.store.OfficeStore`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.domain.account import AgencyScope
from gateway.office.store import lists_fill
from gateway.office.store.keepings import SqlKeepings
from gateway.office.store.lists_counts import KnownCounts
from gateway.office.store.lists_due import Dues, Reckon, no_office
from gateway.office.store.lists_write import ListWriter
from gateway.office.store.notices import SqlNotices
from gateway.office.store.work import SqlOfficeWork
from gateway.ports.services import Clock
from gateway.store.calendar import SqlCalendarDays
from gateway.store.changes import Follower
from gateway.store.engine import AS_SHIPPED, ServerLimits
from gateway.store.store import SqlStore
from gateway.store.transaction import Transaction


class SqlOfficeStore(SqlStore):
    """Keeps the promise of `ports.store.OfficeStore`."""

    def __init__(
        self, url: str, clock: Clock, limits: ServerLimits = AS_SHIPPED, reckon: Reckon = no_office
    ) -> None:
        """`reckon`: of the calendar's days, until when a document should be taken in, for lists."""
        super().__init__(url, clock, limits, self._following)
        self._dues = Dues(reckon, clock)
        self._counts = KnownCounts(clock)
        self.keepings = SqlKeepings(self.writing, self.reading)
        self.notices = SqlNotices(self.writing, self.reading, clock)
        self.calendar = SqlCalendarDays(self.writing, self.reading, clock, self._dues.forget)

    @asynccontextmanager
    async def begin(self, scope: AgencyScope) -> AsyncIterator[SqlOfficeWork]:
        async with self.writing() as tx:
            follower = self._following(tx, scope.agency_id)
            yield SqlOfficeWork(tx, scope, self._clock, follower, changed=self._counts.changed)

    @asynccontextmanager
    async def read(self, scope: AgencyScope) -> AsyncIterator[SqlOfficeWork]:
        async with self.looking() as tx:
            yield SqlOfficeWork(tx, scope, self._clock, known=self._counts)

    def _following(self, tx: Transaction, agency_id: str) -> Follower:
        return ListWriter(tx, agency_id, self._dues.of, changed=self._counts.changed)

    async def fill_lists(self, limit: int) -> bool:
        agencies = [agency.id for agency in await self.hosted()]
        return await lists_fill.fill(self.reading, self.writing, agencies, limit, self._dues.of)

    async def fill_lists_again(self) -> None:
        await lists_fill.again(self.writing, self._clock.now())

    async def write_due_again(self, limit: int) -> bool:
        agencies = [agency.id for agency in await self.hosted()]
        return await self._dues.write_again(self.reading, self.writing, agencies, limit)

    async def work_out_day(self) -> bool:
        agencies = [agency.id for agency in await self.hosted()]
        return await lists_fill.work_out_day(self.reading, self.writing, agencies, self._clock.now())
