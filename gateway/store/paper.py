"""The paper dispatch list of one agency, on SQL. In: an open transaction. Out: the `PaperParts` promise. What was cancelled
stays in its table and waits for nobody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Select, and_, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.ports.paper import PaperPart
from gateway.store.paper_tables import PaperPartRow
from gateway.store.tables import DeliveryRow
from gateway.store.transaction import Transaction

_R, _D = PaperPartRow, DeliveryRow
_CANCELLED = "cancelled"


class SqlPaperParts:
    """Keeps the promise of `ports.paper.PaperParts`."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id

    async def open(self, document_id: str, delivery_ids: Sequence[str], at: datetime) -> None:
        await self._tx.put(
            *(
                _R(agency_id=self._agency_id, delivery_id=id, document_id=document_id, opened_at=at)
                for id in delivery_ids
            )
        )

    async def of(self, document_id: str) -> Sequence[PaperPart]:
        query = select(_R).where(col(_R.agency_id) == self._agency_id, col(_R.document_id) == document_id)
        found = await self._tx.rows(_R, self._tx.kept(query.order_by(col(_R.delivery_id))))
        return [to_domain(row) for row in found]

    async def close(self, part: PaperPart) -> None:
        this = update(_R).where(col(_R.agency_id) == self._agency_id, col(_R.delivery_id) == part.delivery_id)
        said = this.values(
            handed_over=part.handed_over,
            means=part.means,
            note=part.note,
            closed_at=part.closed_at,
            closed_by=part.closed_by,
        )
        if await self._tx.change(said) != 1:
            raise errors.NotFound(f"the delivery {part.delivery_id} does not go on paper")

    async def waiting(self, limit: int) -> Sequence[PaperPart]:
        order = (col(_R.opened_at), col(_R.delivery_id))
        query = self._standing().where(col(_R.handed_over).is_(None))
        return [to_domain(row) for row in await self._tx.rows(_R, query.order_by(*order).limit(limit))]

    async def handed(self, first: date, last: date, limit: int) -> Sequence[PaperPart]:
        query = self._standing().where(col(_R.handed_over).between(first, last))
        order = (col(_R.handed_over), col(_R.closed_at), col(_R.delivery_id))
        return [to_domain(row) for row in await self._tx.rows(_R, query.order_by(*order).limit(limit))]

    def _standing(self) -> Select[PaperPartRow]:
        same = and_(col(_D.agency_id) == col(_R.agency_id), col(_D.id) == col(_R.delivery_id))
        mine = col(_R.agency_id) == self._agency_id
        return select(_R).join(_D, same).where(mine, col(_D.state) != _CANCELLED)


def to_domain(row: PaperPartRow) -> PaperPart:
    return PaperPart(
        delivery_id=row.delivery_id,
        document_id=row.document_id,
        opened_at=row.opened_at,
        handed_over=row.handed_over,
        means=row.means,
        note=row.note,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
    )
