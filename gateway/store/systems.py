"""Documents and statuses that are offered to document systems. In: an open transaction of one agency, the name of a
system. Out: the items that are ready for it; for the whole node, how many items need a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlmodel import col

from gateway.domain.document import IncomingDocument, InState
from gateway.domain.system_box import PAUSES, RETENTION, BoxItem, BoxKind, BoxState
from gateway.store import incoming
from gateway.store.repository import OwnTransactions, WatchedRows, count_by
from gateway.store.row import one_of, same
from gateway.store.tables import HandoverRow, IncomingRow, SystemCursorRow, SystemItemRow
from gateway.store.tables_node import EventCounterRow
from gateway.store.transaction import Transaction

_OFFERED = (BoxState.OPEN.value, BoxState.PROCESSING.value)
_UNREADABLE = (InState.RECALLED.value, InState.SEALED.value)
Place = tuple[datetime, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDocument:
    """A document that no system has acknowledged, with its item if there is one. `place` is the cursor of the next page."""

    document: IncomingDocument
    offered_at: datetime
    item: BoxItem | None

    @property
    def place(self) -> Place:
        return self.offered_at, self.document.id


class SqlSystemBox(WatchedRows):
    """Repository of the items that one agency offers to document systems by the compatibility API, with their answers."""

    async def documents(
        self, system: str, client: str, after_place: Place | None, limit: int
    ) -> Sequence[WaitingDocument]:
        """Return up to `limit` documents, also postponed ones, that are available or leased by this client, the oldest
        first after `after_place`. Recalled and sealed documents are left out."""
        now = self._clock.now()
        is_free = or_(incoming.is_available(now), col(HandoverRow.leased_by) == client)
        conditions = [
            col(HandoverRow.agency_id) == self._agency_id,
            col(HandoverRow.state) != incoming.ACKED,
            is_free,
            ~one_of(col(IncomingRow.state), _UNREADABLE),
        ]
        if after_place is not None:
            at, id = after_place
            at_same_time = and_(col(HandoverRow.offered_at) == at, col(HandoverRow.incoming_id) > id)
            conditions.append(or_(col(HandoverRow.offered_at) > at, at_same_time))
        query = (
            select(col(IncomingRow.body), col(HandoverRow.offered_at), col(HandoverRow.incoming_id))
            .join(IncomingRow, same(IncomingRow.id, HandoverRow.incoming_id))
            .where(*conditions)
            .order_by(col(HandoverRow.offered_at), col(HandoverRow.incoming_id))
            .limit(limit)
        )
        rows = await self._tx.tuples(query)
        items_by_id = await self._load_items(system, [id for _, _, id in rows])
        return [
            WaitingDocument(document=incoming.from_body(body), offered_at=at, item=items_by_id.get(id))
            for body, at, id in rows
        ]

    async def statuses(self, system: str, limit: int) -> Sequence[BoxItem]:
        """Return up to `limit` statuses that are offered to the system and due now, the oldest first."""
        now = self._clock.now()
        due = or_(
            col(SystemItemRow.not_before).is_(None),
            col(SystemItemRow.not_before) <= now,
            col(SystemItemRow.not_before) > now + PAUSES[-1],
        )
        query = (
            select(SystemItemRow)
            .where(
                self._where(SystemItemRow, system=system, kind=BoxKind.STATUS.value),
                one_of(col(SystemItemRow.state), _OFFERED),
                due,
            )
            .order_by(col(SystemItemRow.offered_at), col(SystemItemRow.doc_id))
            .limit(limit)
        )
        return await self._tx.values(BoxItem, query)

    async def item(self, system: str, doc_id: str) -> BoxItem | None:
        return await self._find(BoxItem, SystemItemRow, system=system, doc_id=doc_id)

    async def save(self, box_item: BoxItem) -> None:
        """Insert or update an item."""
        await self._tx.upsert(self._make_row(box_item))

    async def note(self, system: str, box_items: Sequence[BoxItem], sequence: int) -> None:
        """Add new items for a system, store the number up to which events were read, and delete old finished items."""
        if box_items:
            self._tx.insert_missing(*(self._make_row(item) for item in box_items))
        row = SystemCursorRow(agency_id=self._agency_id, system=system, sequence=sequence)
        if not await self._tx.insert_new(row):
            await self._tx.update(row, col(SystemCursorRow.sequence) < sequence)
        is_outdated = col(SystemItemRow.updated_at) < self._clock.now() - RETENTION
        await self._delete(SystemItemRow, is_outdated, state=BoxState.DONE.value)

    async def read_position(self, system: str) -> int:
        """Return the number up to which the agency's events were read for a system, 0 at first."""
        is_mine = self._where(SystemCursorRow, system=system)
        return int(await self._tx.scalar(select(col(SystemCursorRow.sequence)).where(is_mine)) or 0)

    async def reoffer(self, doc_id: str) -> None:
        """Delete a document's items, so that it is offered to every system again, as if none had answered."""
        await self._delete(SystemItemRow, doc_id=doc_id)

    async def forget(self, system: str, doc_id: str) -> None:
        await self._delete(SystemItemRow, system=system, doc_id=doc_id)

    async def stuck(self, limit: int) -> Sequence[BoxItem]:
        """Return up to `limit` items of all systems that need a person, the oldest first."""
        query = (
            select(SystemItemRow)
            .where(self._where(SystemItemRow, *_is_stuck()))
            .order_by(col(SystemItemRow.updated_at), col(SystemItemRow.doc_id))
            .limit(limit)
        )
        return await self._tx.values(BoxItem, query)

    async def _load_items(self, system: str, ids: Sequence[str]) -> Mapping[str, BoxItem]:
        if not ids:
            return {}
        is_among = self._where(SystemItemRow, col(SystemItemRow.doc_id).in_(ids), system=system)
        box_items = await self._tx.values(BoxItem, select(SystemItemRow).where(is_among))
        return {item.doc_id: item for item in box_items}

    def _make_row(self, item: BoxItem) -> SystemItemRow:
        return SystemItemRow.from_value(item, agency_id=self._agency_id)


class SqlSystemLoads(OwnTransactions):
    """Queries about the items of all agencies; get it as `store.systems`."""

    async def stuck_by_system(self) -> Mapping[str, int]:
        """Count the items that need a person by system."""
        async with self._reading() as tx:
            return await count_by(tx, SystemItemRow.system, *_is_stuck())


async def begin(tx: Transaction, agency_id: str, system: str) -> None:
    """Set a new system's position to the agency's newest event; a system that has a position keeps it."""
    query = select(col(EventCounterRow.last)).where(col(EventCounterRow.agency_id) == agency_id)
    last = int(await tx.scalar(query) or 0)
    await tx.insert_new(SystemCursorRow(agency_id=agency_id, system=system, sequence=last))


def _is_stuck() -> tuple[ColumnElement[bool], ...]:
    """Return the SQL conditions that an item needs a person: it is stuck, and no program has acknowledged its document."""
    is_taken = (same(HandoverRow.incoming_id, SystemItemRow.doc_id), col(HandoverRow.state) == incoming.ACKED)
    is_acked = select(col(HandoverRow.incoming_id)).where(*is_taken).exists()
    return (col(SystemItemRow.state) == BoxState.STUCK.value, ~is_acked)
