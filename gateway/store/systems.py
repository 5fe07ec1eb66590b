"""What document systems were offered, on SQL. In: an open transaction of one agency, the name of a system. Out: what waits
for it; for the whole node, how much of it a person has to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlmodel import col

from gateway.domain.document import IncomingDocument, InState
from gateway.domain.system_box import PAUSES, RETENTION, BoxItem, BoxKind, BoxState
from gateway.store import incoming
from gateway.store.repository import WatchedRows
from gateway.store.row import one_of, value_of
from gateway.store.tables import (
    EventCounterRow,
    HandoverRow,
    IncomingRow,
    SystemCursorRow,
    SystemItemRow,
)
from gateway.store.transaction import Open, Transaction

_B, _C, _H, _I = SystemItemRow, SystemCursorRow, HandoverRow, IncomingRow
_OFFERED = (BoxState.OPEN.value, BoxState.PROCESSING.value)
_UNREADABLE = (InState.RECALLED.value, InState.SEALED.value)
_ITS = and_(col(_I.agency_id) == col(_H.agency_id), col(_I.id) == col(_H.incoming_id))


Place = tuple[datetime, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDocument:
    """A document that nobody has acknowledged. `place` is behind which the next ones follow."""

    document: IncomingDocument
    offered_at: datetime
    item: BoxItem | None

    @property
    def place(self) -> Place:
        return self.offered_at, self.document.id


class SqlSystemBox(WatchedRows):
    """What document systems at the compatibility door were offered of one agency's documents, and what they said of it."""

    async def documents(
        self, system: str, client: str, after: Place | None, limit: int
    ) -> Sequence[WaitingDocument]:
        """What is offered or held by that very client and can be read, the oldest first, also what is put off."""
        now = self._clock.now()
        free = or_(incoming.is_available(now), col(_H.leased_by) == client)
        wanted = [
            col(_H.agency_id) == self._agency_id,
            col(_H.state) != incoming.ACKED,
            free,
            ~one_of(col(_I.state), _UNREADABLE),
        ]
        if after is not None:
            at, id = after
            later = and_(col(_H.offered_at) == at, col(_H.incoming_id) > id)
            wanted.append(or_(col(_H.offered_at) > at, later))
        query = (
            select(col(_I.body), col(_H.offered_at), col(_H.incoming_id))
            .join(_I, _ITS)
            .where(*wanted)
            .order_by(col(_H.offered_at), col(_H.incoming_id))
            .limit(limit)
        )
        rows = await self._tx.tuples(query)
        mine = await self._items(system, [id for _, _, id in rows])
        return [
            WaitingDocument(document=incoming.from_body(body), offered_at=at, item=mine.get(id))
            for body, at, id in rows
        ]

    async def statuses(self, system: str, limit: int) -> Sequence[BoxItem]:
        """Those that are offered now, the oldest first."""
        now = self._clock.now()
        due = or_(
            col(_B.not_before).is_(None),
            col(_B.not_before) <= now,
            col(_B.not_before) > now + PAUSES[-1],
        )
        query = (
            select(_B)
            .where(
                *self._of(system), col(_B.kind) == BoxKind.STATUS.value, one_of(col(_B.state), _OFFERED), due
            )
            .order_by(col(_B.offered_at), col(_B.doc_id))
            .limit(limit)
        )
        return [value_of(BoxItem, row) for row in await self._tx.rows(_B, query)]

    async def item(self, system: str, doc_id: str) -> BoxItem | None:
        query = self._tx.kept(select(_B).where(*self._of(system), col(_B.doc_id) == doc_id))
        row = await self._tx.first(_B, query)
        return value_of(BoxItem, row) if row is not None else None

    async def save(self, item: BoxItem) -> None:
        """New, or as it stands now."""
        row = self._row(item)
        if not await self._tx.put_new(row):
            this = (*self._of(item.system), col(_B.doc_id) == item.doc_id)
            values = row.values("agency_id", "system", "doc_id")
            await self._tx.change(update(_B).where(*this).values(**values))

    async def note(self, system: str, items: Sequence[BoxItem], sequence: int) -> None:
        """Those not noted before; events up to that number were looked through."""
        if items:
            self._tx.put_missing(*(self._row(each) for each in items))
        row = _C(agency_id=self._agency_id, system=system, sequence=sequence)
        if not await self._tx.put_new(row):
            mine = (col(_C.agency_id) == self._agency_id, col(_C.system) == system)
            behind = update(_C).where(*mine, col(_C.sequence) < sequence)
            await self._tx.change(behind.values(sequence=sequence))
        over = and_(col(_B.state) == BoxState.DONE.value, col(_B.updated_at) < self._clock.now() - RETENTION)
        await self._tx.change(delete(_B).where(col(_B.agency_id) == self._agency_id, over))

    async def looked_at(self, system: str) -> int:
        """Up to which number of the agency's events."""
        query = select(col(_C.sequence)).where(col(_C.agency_id) == self._agency_id, col(_C.system) == system)
        found = await self._tx.tuples(query)
        return int(found[0][0]) if found else 0

    async def offer_again(self, doc_id: str) -> None:
        """Of every system: what they said of it before counts no more."""
        mine = col(_B.agency_id) == self._agency_id
        await self._tx.change(delete(_B).where(mine, col(_B.doc_id) == doc_id))

    async def forget(self, system: str, doc_id: str) -> None:
        await self._tx.change(delete(_B).where(*self._of(system), col(_B.doc_id) == doc_id))

    async def stuck(self, limit: int) -> Sequence[BoxItem]:
        """Of every system, what a person has to look at and nobody has acknowledged since; the oldest first."""
        query = (
            select(_B)
            .where(col(_B.agency_id) == self._agency_id, *_is_stuck())
            .order_by(col(_B.updated_at), col(_B.doc_id))
            .limit(limit)
        )
        return [value_of(BoxItem, row) for row in await self._tx.rows(_B, query)]

    async def _items(self, system: str, ids: Sequence[str]) -> Mapping[str, BoxItem]:
        if not ids:
            return {}
        query = select(_B).where(*self._of(system), col(_B.doc_id).in_(ids))
        return {row.doc_id: value_of(BoxItem, row) for row in await self._tx.rows(_B, query)}

    def _of(self, system: str) -> tuple[ColumnElement[bool], ...]:
        return (col(_B.agency_id) == self._agency_id, col(_B.system) == system)

    def _row(self, item: BoxItem) -> SystemItemRow:
        return _B.of(item, agency_id=self._agency_id, kind=item.kind.value, state=item.state.value)


class SqlSystemLoads:
    """Of all agencies; get it as `store.systems`."""

    def __init__(self, reading: Open) -> None:
        self._reading = reading

    async def stuck_by_system(self) -> Mapping[str, int]:
        """How much of each system a person has to look at."""
        query = select(col(_B.system), func.count()).where(*_is_stuck()).group_by(col(_B.system))
        async with self._reading() as tx:
            return {row[0]: int(row[1]) for row in await tx.tuples(query)}


async def begin(tx: Transaction, agency_id: str, system: str) -> None:
    """It hears of what happens from now on; one that was there before goes on where it was."""
    query = select(col(EventCounterRow.last)).where(col(EventCounterRow.agency_id) == agency_id)
    found = await tx.tuples(query)
    last = int(found[0][0]) if found else 0
    await tx.put_new(_C(agency_id=agency_id, system=system, sequence=last))


def _is_stuck() -> tuple[ColumnElement[bool], ...]:
    """What another program has acknowledged since needs nobody any more."""
    taken = (
        select(col(_H.incoming_id))
        .where(
            col(_H.agency_id) == col(_B.agency_id),
            col(_H.incoming_id) == col(_B.doc_id),
            col(_H.state) == incoming.ACKED,
        )
        .exists()
    )
    return (col(_B.state) == BoxState.STUCK.value, ~taken)
