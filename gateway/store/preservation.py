"""Preservation orders of one agency (R129). In: `PreservationOrder` values. Out: the values as last saved. Rows are never
deleted, so that each order stays with its reason and both persons."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlmodel import col

from gateway.domain.preservation import PreservationOrder
from gateway.store.repository import AgencyRows, Page
from gateway.store.row import from_json, to_json
from gateway.store.tables_records import PreservationOrderRow

_OPEN = (
    select(PreservationOrderRow)
    .where(
        col(PreservationOrderRow.agency_id) == bindparam("agency"),
        col(PreservationOrderRow.is_open).is_(True),
    )
    .order_by(col(PreservationOrderRow.begun_at), col(PreservationOrderRow.id))
)


class SqlPreservation(AgencyRows):
    """Repository of one agency's preservation orders."""

    async def add(self, order: PreservationOrder) -> None:
        self._check_own(order.agency_id, f"the preservation order {order.id}")
        await self._tx.hold("preservation", self._agency_id)
        self._tx.insert(from_domain(order))

    async def get(self, id: str) -> PreservationOrder:
        return await self._load(
            to_domain, PreservationOrderRow, f"this agency has no preservation order {id}", id=id
        )

    async def save(self, order: PreservationOrder) -> None:
        await self._tx.update(from_domain(order), self._where(PreservationOrderRow))

    async def open(self) -> Sequence[PreservationOrder]:
        """Return the orders in force. Until a writing unit of work ends, no other one adds an order, so that what it drops
        is under none."""
        await self._tx.hold("preservation", self._agency_id)
        return await self._tx.values(to_domain, _OPEN, agency=self._agency_id)

    async def page(self, *, limit: int, cursor: str | None = None) -> Page[PreservationOrder]:
        """Return one page of orders and the cursor of the next, the newest first."""
        return await self._page(PreservationOrderRow, "begun_at", to_domain, limit=limit, cursor=cursor)


def to_domain(row: PreservationOrderRow) -> PreservationOrder:
    return from_json(PreservationOrder, row.body)


def from_domain(order: PreservationOrder) -> PreservationOrderRow:
    return PreservationOrderRow.from_value(order, body=to_json(PreservationOrder, order))
