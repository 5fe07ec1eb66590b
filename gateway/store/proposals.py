"""What persons propose, on SQL. In: an open transaction. Out: the `Proposals` promise. A row is never edited: it is made,
and closed once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.proposal import Content, Proposal, ProposalState
from gateway.store.columns import from_json, to_json
from gateway.store.people_tables import ProposalRow
from gateway.store.transaction import Transaction

_R = ProposalRow


class SqlProposals:
    """Keeps the promise of `ports.Proposals`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, proposal: Proposal) -> None:
        await self._tx.put(
            ProposalRow(
                id=proposal.id,
                content=to_json(Content, proposal.content),
                proposed_by=proposal.proposed_by,
                proposed_at=proposal.proposed_at,
                expires_at=proposal.expires_at,
                reason=proposal.reason,
                state=proposal.state.value,
            )
        )

    async def get(self, id: str) -> Proposal:
        row = await self._tx.first(_R, self._tx.kept(select(_R).where(col(_R.id) == id)))
        if row is None:
            raise errors.NotFound(f"there is no proposal {id}", hint="list them with: gateway proposals list")
        return to_domain(row)

    async def listed(self, states: Sequence[ProposalState], limit: int) -> Sequence[Proposal]:
        query = select(_R).order_by(col(_R.proposed_at).desc(), col(_R.id).desc()).limit(limit)
        if states:
            query = query.where(col(_R.state).in_([each.value for each in states]))
        return [to_domain(row) for row in await self._tx.rows(_R, query)]

    async def close(self, id: str, state: ProposalState, by: str, at: datetime) -> None:
        this = (col(_R.id) == id, col(_R.state) == ProposalState.OPEN.value)
        closed = update(_R).where(*this).values(state=state.value, decided_by=by, decided_at=at)
        if await self._tx.change(closed) != 1:
            raise errors.Clash(f"the proposal {id} is not open any more; look at it again")


def to_domain(row: ProposalRow) -> Proposal:
    return Proposal(
        id=row.id,
        content=from_json(Content, row.content),
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        expires_at=row.expires_at,
        reason=row.reason,
        state=ProposalState(row.state),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )
