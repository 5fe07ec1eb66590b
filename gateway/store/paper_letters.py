"""Paper letters: deliveries that leave on paper. In: values. Out: the same values as stored. A cancelled delivery keeps
its row, but is not listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Select, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.states import State
from gateway.store.repository import AgencyRows, select_by
from gateway.store.row import same
from gateway.store.tables import DeliveryRow, PaperPartRow

_CANCELLED = State.CANCELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperPart:
    """Paper letter to one recipient. `handed_over` is None while the letter is still to be carried; `means` is a value of
    `policy.outgoing.Means`."""

    delivery_id: str
    document_id: str
    opened_at: datetime
    handed_over: date | None = None
    means: str | None = None
    note: str = ""
    closed_at: datetime | None = None
    closed_by: str | None = None


class SqlPaperParts(AgencyRows):
    """Repository of one agency's paper letters, both waiting and handed over."""

    async def open(self, document_id: str, delivery_ids: Sequence[str], at: datetime) -> None:
        """Add a paper letter for each of these deliveries of a document, waiting since `at`."""
        self._tx.insert(
            *(
                PaperPartRow(agency_id=self._agency_id, delivery_id=id, document_id=document_id, opened_at=at)
                for id in delivery_ids
            )
        )

    async def of_document(self, document_id: str) -> Sequence[PaperPart]:
        query = self._tx.lock_rows(select_by(PaperPartRow, ("agency_id", "document_id"), ("delivery_id",)))
        parameters = {"agency_id": self._agency_id, "document_id": document_id}
        return await self._tx.values(PaperPart, query, **parameters)

    async def close(self, part: PaperPart) -> None:
        """Save the hand-over of a letter; a second call replaces it. NotFound when the delivery does not go on paper."""
        query = update(PaperPartRow).where(self._where(PaperPartRow, delivery_id=part.delivery_id))
        names = ("handed_over", "means", "note", "closed_at", "closed_by")
        if await self._tx.change(query.values({name: getattr(part, name) for name in names})) != 1:
            raise errors.NotFound(f"the delivery {part.delivery_id} does not go on paper")

    async def waiting(self, limit: int) -> Sequence[PaperPart]:
        """Return up to `limit` letters that are neither handed over nor cancelled, the longest waiting first."""
        order = (col(PaperPartRow.opened_at), col(PaperPartRow.delivery_id))
        query = self._uncancelled().where(col(PaperPartRow.handed_over).is_(None))
        return await self._tx.values(PaperPart, query.order_by(*order).limit(limit))

    async def handed_over(self, first: date, last: date, limit: int) -> Sequence[PaperPart]:
        """Return up to `limit` letters that were handed over from the day `first` to `last`, the earliest first."""
        query = self._uncancelled().where(col(PaperPartRow.handed_over).between(first, last))
        order = (col(PaperPartRow.handed_over), col(PaperPartRow.closed_at), col(PaperPartRow.delivery_id))
        return await self._tx.values(PaperPart, query.order_by(*order).limit(limit))

    def _uncancelled(self) -> Select[PaperPartRow]:
        is_mine = self._where(PaperPartRow, col(DeliveryRow.state) != _CANCELLED)
        return (
            select(PaperPartRow)
            .join(DeliveryRow, same(DeliveryRow.id, PaperPartRow.delivery_id))
            .where(is_mine)
        )
