"""Past assignments and labels of an agency's letters, from the rows of lists, the parts of units and the marks of labels:
nothing is stored for them. In: an open transaction, the time. Out: decisions on the newest letters of the last year, the
newest first. A part that was handed back, or replaced by another assignment, is no decision; nor is one on a letter that
was sealed, recalled or replaced since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, func, select
from sqlmodel import col

from gateway.domain.document import InState
from gateway.domain.handling import PartState
from gateway.domain.wall_clock import local
from gateway.store.repository import AgencyRows
from gateway.store.row import one_of
from gateway.store.tables_office import ListRow, TagMarkRow, UnitPartRow
from gateway_office.domain.listing import Side
from gateway_office.policy.suggestions import MOST_DECISIONS, PastDecision, receiver_key
from gateway_office.store.lists_write import first_place

_YEAR = timedelta(days=366)
_R, _P, _M = ListRow, UnitPartRow, TagMarkRow
_WORKED_ON = (InState.ASSIGNED.value, InState.PROCESSING.value, InState.DONE.value)
# An agency that assigns elsewhere has many letters and no parts: so many of its newest ones are looked at.
_LETTERS = 2 * MOST_DECISIONS
_NEWEST_LETTERS = (
    select(col(_R.id), col(_R.place), col(_R.own_state), col(_R.party_key), col(_R.folded))
    .where(col(_R.agency_id) == bindparam("agency"), col(_R.side) == Side.IN.value)
    .order_by(col(_R.place).desc())
    .limit(_LETTERS)
    .subquery("letters")
)
_L = _NEWEST_LETTERS.c
_NEWEST = (
    select(
        _L.id,
        _L.party_key,
        _L.folded,
        col(_P.unit_key),
        col(_P.person_id),
        col(_P.deadline),
        col(_P.given_at),
    )
    # An outer join keeps the order in which tables are read: an agency has a hundred times as many parts as these letters.
    .outerjoin(
        _P,
        and_(
            col(_P.agency_id) == bindparam("agency"),
            col(_P.document_id) == _L.id,
            col(_P.is_lead),
            one_of(func.coalesce(col(_P.state), ""), (PartState.OPEN.value, PartState.DONE.value)),
        ),
    )
    .where(
        _L.place >= bindparam("since"),
        one_of(_L.own_state, _WORKED_ON),
        func.coalesce(col(_P.unit_key), "") != "",
    )
    .order_by(_L.place.desc())
    .limit(bindparam("most"))
)
_LABELS = (
    select(_L.id, _L.party_key, _L.folded, col(_M.tag_id))
    .outerjoin(_M, and_(col(_M.agency_id) == bindparam("agency"), col(_M.document_id) == _L.id))
    .where(_L.place >= bindparam("since"), one_of(_L.own_state, _WORKED_ON))
    .order_by(_L.place.desc())
    .limit(bindparam("most"))
)


class SqlPastDecisions(AgencyRows):
    """Reader of the past assignments and labels of one agency."""

    async def newest(self, now: datetime, limit: int) -> Sequence[PastDecision]:
        rows = await self._tx.tuples(
            _NEWEST, agency=self._agency_id, since=first_place(now - _YEAR), most=limit
        )
        return [
            PastDecision(
                document_id=row.id,
                choice=receiver_key(row.unit_key, row.person_id),
                days=(row.deadline - local(row.given_at).date()).days if row.deadline is not None else None,
                party=row.party_key,
                words=row.folded,
            )
            for row in rows
        ]

    async def newest_labels(self, now: datetime, limit: int) -> Sequence[PastDecision]:
        """Read the labels of letters that were assigned; a letter without one is a decision too, with an empty choice."""
        rows = await self._tx.tuples(
            _LABELS, agency=self._agency_id, since=first_place(now - _YEAR), most=limit
        )
        return [
            PastDecision(
                document_id=row.id, choice=row.tag_id or "", days=None, party=row.party_key, words=row.folded
            )
            for row in rows
        ]
