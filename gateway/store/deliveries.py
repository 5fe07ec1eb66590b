"""Deliveries of one agency. In: values. Out: the same values as stored. A delivery's state follows from its facts; it is
stored for lists."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType

from sqlalchemy import bindparam, func, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.document import Delivery
from gateway.domain.states import BUSINESS_STATES, NEVER_LEFT, REQUEST_ANSWERS, State
from gateway.ports.services import Clock
from gateway.store.pending_writes import exactly_one
from gateway.store.repository import NO_FOLLOWER, Follower, WatchedRows
from gateway.store.row import among, to_json, value_of
from gateway.store.tables import DeliveryRow, IncomingRow
from gateway.store.transaction import Transaction

_MARKS = tuple[str, ...]
# States that show an answer of the recipient's system.
_ANSWERED_STATES = tuple(sorted(BUSINESS_STATES | REQUEST_ANSWERS))
# Statements are built once, because building one takes longer than running it.
OF_AGENCY = (col(DeliveryRow.agency_id) == bindparam("agency"),)
_BY_ID = select(DeliveryRow).where(*OF_AGENCY, col(DeliveryRow.id) == bindparam("id"))
_AS_NAMED = (col(DeliveryRow.attempt), col(DeliveryRow.position), col(DeliveryRow.id))
_DELIVERIES = select(DeliveryRow).where(*OF_AGENCY).order_by(*_AS_NAMED)
_OF_DOCUMENT = _DELIVERIES.where(col(DeliveryRow.document_id) == bindparam("document"))
_OF_DOCUMENTS = _DELIVERIES.where(among(col(DeliveryRow.document_id), "documents"))
_NEVER_LEFT = (State.DRAFT, State.BLOCKED, *sorted(NEVER_LEFT))
_REACHED = (
    select(col(DeliveryRow.code))
    .where(*OF_AGENCY, among(col(DeliveryRow.code), "codes"), col(DeliveryRow.state).not_in(_NEVER_LEFT))
    .distinct()
)
_UPDATE = update(DeliveryRow).where(*OF_AGENCY, col(DeliveryRow.id) == bindparam("at_id"))


class SqlDeliveries(WatchedRows):
    """Repository of one agency's deliveries; those of a document are in the order in which it names the recipients."""

    def __init__(
        self, tx: Transaction, scope: AgencyScope, clock: Clock, follower: Follower = NO_FOLLOWER
    ) -> None:
        super().__init__(tx, scope, clock, follower)
        self._documents: dict[str, str] = {}  # document ids by delivery id, of the deliveries read so far

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Add the deliveries of a document, in the order of its recipients. Clash when one is stored already, or its
        document is not."""
        for delivery in deliveries:
            self._check_own(delivery.agency_id, f"the delivery {delivery.id}")
        self._tx.insert(*(delivery_row(delivery, position) for position, delivery in enumerate(deliveries)))
        for document_id in {delivery.document_id: None for delivery in deliveries}:
            self._follower.touch_out(document_id)

    async def find_reached(self, codes: Collection[str]) -> frozenset[str]:
        """Return those of these codes to which a document of the agency has left before."""
        rows = await self._tx.tuples(_REACHED, agency=self._agency_id, codes=sorted(codes))
        return frozenset(code for (code,) in rows)

    async def get(self, id: str) -> Delivery:
        return await self._get(self._read, _BY_ID, f"this agency has no delivery {id}", id=id)

    async def of_document(self, document_id: str) -> Sequence[Delivery]:
        return await self._values(self._read, _OF_DOCUMENT, document=document_id)

    async def of_documents(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[Delivery]]:
        """Return the deliveries of each document by its id; every given id is a key."""
        deliveries: dict[str, list[Delivery]] = {id: [] for id in document_ids}
        for delivery in await self._values(self._read, _OF_DOCUMENTS, documents=list(document_ids)):
            deliveries[delivery.document_id].append(delivery)
        return deliveries

    async def silent(self, codes: Collection[str], since: datetime) -> Mapping[str, datetime]:
        """Return the time of the last failed delivery since `since` by code, for those of these recipients that have
        neither answered nor sent a document after it."""
        code, moved = col(DeliveryRow.code), col(DeliveryRow.updated_at)

        async def latest(states: Collection[str], since: datetime) -> dict[str, datetime]:
            mine = (col(DeliveryRow.agency_id) == self._agency_id, code.in_(codes))
            query = select(code, func.max(moved)).where(
                *mine, col(DeliveryRow.state).in_(states), moved >= since
            )
            return dict(await self._tx.tuples(query.group_by(code)))

        failed_at = await latest(("failed",), since)
        if not failed_at:
            return {}
        first_failure = min(failed_at.values())
        heard_at = await latest(_ANSWERED_STATES, first_failure)
        senders = {code.casefold(): code for code in failed_at}
        wrote = select(col(IncomingRow.sender_folded), func.max(col(IncomingRow.arrived_at))).where(
            col(IncomingRow.agency_id) == self._agency_id,
            col(IncomingRow.arrived_at) >= first_failure,
            col(IncomingRow.sender_folded).in_(senders),
        )
        for sender, at in await self._tx.tuples(wrote.group_by(col(IncomingRow.sender_folded))):
            heard_at[senders[sender]] = max(at, heard_at.get(senders[sender], at))
        return {code: at for code, at in failed_at.items() if code not in heard_at or heard_at[code] < at}

    async def save_state(self, id: str, state: str, marks: Sequence[str], at: datetime) -> None:
        columns = {"state": state, "marks": to_json(_MARKS, tuple(marks)), "updated_at": at}
        await self._change(id, columns)
        self._touch(id)

    async def save_number(self, id: str, number: str, year: int | None) -> None:
        """Save the recipient's arrival number. NotFound when the delivery does not exist."""
        await self._change(id, {"register_no": number, "register_year": year})

    async def _change(self, id: str, columns: Mapping[str, object]) -> None:
        missing = exactly_one(partial(errors.NotFound, f"this agency has no delivery {id}"))
        await self._tx.change_required(_UPDATE, missing, agency=self._agency_id, at_id=id, **columns)

    async def save_states(
        self,
        states: Mapping[str, tuple[str, Sequence[str]]],
        at: datetime,
        documents: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Save the state and marks of several deliveries, by id, at once, because a large document has hundreds.
        `documents` has the document ids by delivery id where the caller knows them."""
        self._documents.update(documents)
        common = {"agency": self._agency_id, "updated_at": at}
        rows = [
            common | {"at_id": id, "state": state, "marks": to_json(_MARKS, tuple(marks))}
            for id, (state, marks) in states.items()
        ]
        await self._tx.change_many(_UPDATE, rows)
        for id in states:
            self._touch(id)

    def _read(self, row: DeliveryRow) -> Delivery:
        self._documents[row.id] = row.document_id
        return to_delivery(row)

    def _touch(self, id: str) -> None:
        if id in self._documents:
            self._follower.touch_out(self._documents[id])
        else:
            self._follower.touch_delivery(id)


to_delivery = partial(value_of, Delivery)


def delivery_row(delivery: Delivery, position: int) -> DeliveryRow:
    return DeliveryRow.from_value(delivery, position=position, code=delivery.recipient.code)
