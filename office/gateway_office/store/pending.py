"""Acts on incoming documents that a person may still undo. In: `PendingAct` values. Out: the values as stored. An act
belongs to the transaction that deletes its row: its effect is in the same one, so it happens once or is undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import bindparam, select, update
from sqlmodel import col

from gateway import errors
from gateway.store.due_work import ACT_IS_DUE, act_times
from gateway.store.repository import AgencyRows, in_parts
from gateway.store.row import among, value_of
from gateway.store.tables_office import PendingActRow
from gateway.store.transaction import Transaction
from gateway_office.domain.pending import PendingAct

_R = PendingActRow
_OF_DOCUMENTS = select(_R).where(col(_R.agency_id) == bindparam("agency"), among(col(_R.document_id), "ids"))
_WAITS = col(_R.failed_at).is_(None)
# In the order in which people acted, so that arrival numbers follow it.
_DUE = select(_R).where(_WAITS, ACT_IS_DUE).order_by(col(_R.due_at), col(_R.id)).limit(bindparam("most"))
to_domain = partial(value_of, PendingAct)


class SqlPendingActs(AgencyRows):
    """Acts of one agency's persons that can still be undone, one for each document at most."""

    async def add(self, act: PendingAct) -> None:
        """Add an act, in place of one of the document that failed. Clash while another waits."""
        await self._delete(_R, col(_R.failed_at).is_not(None), document_id=act.document_id)
        if not await self._tx.insert_new(_R.from_value(act, agency_id=self._agency_id)):
            raise errors.Clash(f"another act on {act.document_id} waits to be done", code="GW-ACT-WAITS")

    async def of_documents(self, ids: Sequence[str]) -> Mapping[str, PendingAct]:
        """Return the acts on these documents, also failed ones, by document."""
        acts: list[PendingAct] = []
        for part in in_parts(ids):
            acts += await self._values(to_domain, _OF_DOCUMENTS, ids=part)
        return {act.document_id: act for act in acts}

    async def all(self, limit: int) -> Mapping[str, PendingAct]:
        """Return acts that wait, and those that could not be done, by document; there are few at any time."""
        acts = await self._list(to_domain, _R, most=limit)
        return {act.document_id: act for act in acts}

    async def remove(self, id: str) -> bool:
        """Remove the act in this unit of work; False where it was done or undone before."""
        return await self._delete(_R, id=id) == 1

    async def fail(self, id: str, fault: str, at: datetime) -> bool:
        """Mark the act as one that could not be done; False where it is gone."""
        marks = update(_R).where(self._where(_R, _WAITS, id=id)).values(failed_at=at, fault=fault)
        return await self._tx.change(marks) == 1


async def find_due(tx: Transaction, now: datetime, limit: int) -> Sequence[tuple[str, PendingAct]]:
    """List acts of all agencies that are due, each with its agency's id, in the order in which people acted."""
    return [(row.agency_id, to_domain(row)) for row in await tx.rows(_R, _DUE, **act_times(now), most=limit)]
