"""Deliveries of one agency and the facts known about them (or about incoming documents). In: values. Out: the same.
A fact is only ever added; a delivery's state is the cached fold of its facts, kept for lists."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import bindparam, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.document import Delivery, Recipient
from gateway.domain.status import Fact
from gateway.store.columns import from_json, to_json
from gateway.store.tables import DeliveryRow, FactRow
from gateway.store.transaction import Transaction

# Made once: making a statement takes longer than running it.
_MINE = (col(DeliveryRow.agency_id) == bindparam("agency"),)
_BY_ID = select(DeliveryRow).where(*_MINE, col(DeliveryRow.id) == bindparam("id"))
_ID_ALONE = select(col(DeliveryRow.id)).where(*_MINE, col(DeliveryRow.id) == bindparam("id"))
_OF_DOCUMENTS = (
    select(DeliveryRow)
    .where(*_MINE, col(DeliveryRow.document_id).in_(bindparam("documents", expanding=True)))
    .order_by(col(DeliveryRow.attempt), col(DeliveryRow.position), col(DeliveryRow.id))
)
_THIS = update(DeliveryRow).where(*_MINE, col(DeliveryRow.id) == bindparam("at_id"))
_OF_SUBJECT = (
    select(FactRow)
    .where(col(FactRow.agency_id) == bindparam("agency"), col(FactRow.subject_id) == bindparam("subject"))
    .order_by(col(FactRow.at), col(FactRow.key))
)


class SqlDeliveries:
    """Keeps the promise of `ports.Deliveries`. A document's deliveries come back as its recipients were named."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Clash when one of them is stored already, or its document is not."""
        foreign = next((one for one in deliveries if one.agency_id != self._agency_id), None)
        if foreign is not None:
            raise errors.NotFound(
                f"the delivery {foreign.id} belongs to another agency than this unit of work"
            )
        await self._tx.put(*(delivery_row(one, position) for position, one in enumerate(deliveries)))

    async def get(self, id: str) -> Delivery:
        row = await self._tx.first(DeliveryRow, _BY_ID, agency=self._agency_id, id=id)
        if row is None:
            raise errors.NotFound(f"this agency has no delivery {id}")
        return to_delivery(row)

    async def of(self, document_id: str) -> Sequence[Delivery]:
        return (await self.of_many([document_id]))[document_id]

    async def of_many(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[Delivery]]:
        """Every id asked for is a key; a document without deliveries has none."""
        found: dict[str, list[Delivery]] = {id: [] for id in document_ids}
        asked = {"agency": self._agency_id, "documents": list(document_ids)}
        for row in await self._tx.rows(DeliveryRow, _OF_DOCUMENTS, **asked):
            found[row.document_id].append(to_delivery(row))
        return found

    async def save_state(self, id: str, state: str, marks: Sequence[str], at: datetime) -> None:
        values = {"state": state, "marks": to_json(tuple[str, ...], tuple(marks)), "updated_at": at}
        changed = await self._tx.change(_THIS, agency=self._agency_id, at_id=id, **values)
        if changed != 1:
            raise errors.NotFound(f"this agency has no delivery {id}")


class SqlFacts:
    """Keeps the promise of `ports.Facts`."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id

    async def add(self, subject_id: str, fact: Fact) -> bool:
        return await self._tx.put_new(
            FactRow(
                agency_id=self._agency_id,
                subject_id=subject_id,
                key=_key(fact),
                track=fact.track.value,
                code=fact.code,
                at=fact.at,
                body=to_json(Fact, fact),
            )
        )

    async def of(self, subject_id: str) -> Sequence[Fact]:
        """In the order in which our node learnt them."""
        # Who adds to what a delivery's facts make must not decide on facts to which another one is adding.
        await self._tx.keep(_ID_ALONE, agency=self._agency_id, id=subject_id)
        rows = await self._tx.rows(FactRow, _OF_SUBJECT, agency=self._agency_id, subject=subject_id)
        return [from_json(Fact, row.body) for row in rows]


def _key(fact: Fact) -> str:
    """One digest of the five parts that make a fact the same fact; an absent part is a value like any other."""
    stated = fact.stated_at.astimezone(UTC).isoformat() if fact.stated_at else None
    parts = [fact.track.value, fact.code, stated, fact.packet_digest, fact.request_id]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def to_delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        id=row.id,
        agency_id=row.agency_id,
        document_id=row.document_id,
        recipient=from_json(Recipient, row.recipient),
        attempt=row.attempt,
        state=row.state,
        updated_at=row.updated_at,
        marks=from_json(tuple[str, ...], row.marks),
    )


def delivery_row(delivery: Delivery, position: int) -> DeliveryRow:
    return DeliveryRow(
        agency_id=delivery.agency_id,
        id=delivery.id,
        document_id=delivery.document_id,
        attempt=delivery.attempt,
        position=position,
        code=delivery.recipient.code,
        state=delivery.state,
        updated_at=delivery.updated_at,
        recipient=to_json(Recipient, delivery.recipient),
        marks=to_json(tuple[str, ...], delivery.marks),
    )
