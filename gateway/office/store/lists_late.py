"""What is late in the sense of its work: incoming documents with a unit's part that is past its day, and documents of ours
of which a recipient was to answer by a day that has passed. In: an open transaction, a side, today. Out: a condition on
rows of the lists. Who has answered is known from events alone, so late answers are looked up first; there are few."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, select
from sqlmodel import col

from gateway.domain.document import HAS_IT, InState, OutState, Recipient, RecipientRole
from gateway.domain.handling import PartState
from gateway.office.domain.listing import Side
from gateway.office.store.lists_query import Condition
from gateway.store.outgoing import answered_from
from gateway.store.row import from_json
from gateway.store.tables import DeliveryRow, OutgoingRow, UnitPartRow
from gateway.store.tables_office import ListRow
from gateway.store.transaction import Transaction

_R, _D, _O, _P = ListRow, DeliveryRow, OutgoingRow, UnitPartRow
BACK = timedelta(days=366)
"""An answer that was due earlier is waited for no more."""
_WORKED_ON = (InState.ACCEPTED.value, InState.ASSIGNED.value, InState.PROCESSING.value)
_OWED = (
    select(col(_O.id), col(_D.code), col(_D.recipient))
    .join(_D, and_(col(_D.agency_id) == col(_O.agency_id), col(_D.document_id) == col(_O.id)))
    .where(
        col(_O.agency_id) == bindparam("agency"),
        col(_O.reply_by) >= bindparam("since"),
        col(_O.reply_by) < bindparam("today"),
        col(_O.state) == OutState.PACKED.value,
        col(_D.state).in_(sorted(HAS_IT)),
    )
)


async def late_condition(tx: Transaction, agency_id: str, side: Side | None, today: date) -> Condition:
    if side is not Side.OUT:
        late = (col(_P.state) == PartState.OPEN.value, col(_P.deadline) < today)
        of_parts = select(col(_P.document_id)).where(col(_P.agency_id) == agency_id, *late)
        return and_(col(_R.own_state).in_(_WORKED_ON), col(_R.id).in_(of_parts))
    return col(_R.id).in_(await _unanswered(tx, agency_id, today))


async def _unanswered(tx: Transaction, agency_id: str, today: date) -> list[str]:
    asked: dict[str, Any] = {"agency": agency_id, "since": today - BACK, "today": today}
    owed = [
        (id, code.casefold())
        for id, code, recipient in await tx.tuples(_OWED, **asked)
        if from_json(Recipient, recipient).role is not RecipientRole.TO_KNOW
    ]
    answered = await answered_from(tx, agency_id, sorted({id for id, _ in owed}))
    return sorted({id for id, code in owed if code not in answered[id]})
