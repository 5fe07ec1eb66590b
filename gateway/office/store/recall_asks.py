"""Recalls that wait for the head of an agency, on SQL. In: an open transaction of one agency. Out: the `RecallAsks`
promise."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.office.domain.recall_ask import AskState, RecallAsk
from gateway.store.columns import from_json, to_json
from gateway.store.tables_office import RecallAskRow
from gateway.store.transaction import Transaction

_R = RecallAskRow
_CODES = tuple[str, ...]
# Made once: making a statement takes longer than running it.
_OURS = select(_R).where(col(_R.agency_id) == bindparam("agency"))
_BY_ID = _OURS.where(col(_R.id) == bindparam("id"))
_NEWEST = (col(_R.asked_at).desc(), col(_R.id).desc())
_OF = _OURS.where(col(_R.document_id) == bindparam("document")).order_by(*_NEWEST)
_OPEN = _OURS.where(col(_R.state) == AskState.ASKED.value).order_by(col(_R.asked_at), col(_R.id))


class SqlRecallAsks:
    """Keeps the promise of `ports.RecallAsks`."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id

    async def add(self, ask: RecallAsk) -> None:
        await self._tx.put(from_domain(ask, self._agency_id))

    async def get(self, id: str) -> RecallAsk:
        row = await self._tx.first(_R, self._tx.kept(_BY_ID), agency=self._agency_id, id=id)
        if row is None:
            raise errors.NotFound(f"nobody asked for a recall under {id}")
        return to_domain(row)

    async def of(self, document_id: str) -> Sequence[RecallAsk]:
        found = await self._tx.rows(_R, _OF, agency=self._agency_id, document=document_id)
        return [to_domain(row) for row in found]

    async def open(self, limit: int) -> Sequence[RecallAsk]:
        found = await self._tx.rows(_R, _OPEN.limit(limit), agency=self._agency_id)
        return [to_domain(row) for row in found]

    async def close(self, ask: RecallAsk) -> None:
        this = (
            col(_R.agency_id) == self._agency_id,
            col(_R.id) == ask.id,
            col(_R.state) == AskState.ASKED.value,
        )
        row = from_domain(ask, self._agency_id)
        closed = update(_R).where(*this)
        closed = closed.values(
            state=row.state,
            decided_by=row.decided_by,
            decided_for=row.decided_for,
            decided_at=row.decided_at,
            why=row.why,
            result=row.result,
        )
        if await self._tx.change(closed) != 1:
            raise errors.Clash(f"the recall {ask.id} does not wait any more; look at it again")


def to_domain(row: RecallAskRow) -> RecallAsk:
    return RecallAsk(
        id=row.id,
        document_id=row.document_id,
        reason=row.reason,
        notice_no=row.notice_no,
        take_back=row.take_back,
        recipients=from_json(_CODES, row.recipients),
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        asked_for=row.asked_for,
        state=AskState(row.state),
        decided_by=row.decided_by,
        decided_for=row.decided_for,
        decided_at=row.decided_at,
        why=row.why,
        result=row.result,
    )


def from_domain(ask: RecallAsk, agency_id: str) -> RecallAskRow:
    return RecallAskRow(
        agency_id=agency_id,
        id=ask.id,
        document_id=ask.document_id,
        reason=ask.reason,
        notice_no=ask.notice_no,
        take_back=ask.take_back,
        recipients=to_json(_CODES, ask.recipients),
        asked_by=ask.asked_by,
        asked_at=ask.asked_at,
        asked_for=ask.asked_for,
        state=ask.state.value,
        decided_by=ask.decided_by,
        decided_for=ask.decided_for,
        decided_at=ask.decided_at,
        why=ask.why,
        result=ask.result,
    )
