"""What lies under agency codes on this node: our mail that has not left, documents that are open, agencies hosted. In: an
open transaction, codes. Out: the `Waits` promise. Looks across agencies, for the persons who decide about the registry."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlmodel import col

from gateway.domain.account import HostedAgency
from gateway.domain.document import InState
from gateway.ports.reforms import Waiting
from gateway.store.account_tables import HostedAgencyRow
from gateway.store.columns import from_json
from gateway.store.tables import DeliveryRow, IncomingRow
from gateway.store.transaction import Transaction

_NOT_LEFT = ("queued", "sending")
_OPEN = [
    state.value
    for state in (InState.NEW, InState.HELD, InState.ACCEPTED, InState.ASSIGNED, InState.PROCESSING)
]


class SqlWaits:
    """Keeps the promise of `ports.Waits`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def of(self, codes: Sequence[str]) -> Waiting:
        if not codes:
            return Waiting()
        hosted = {
            agency.id: agency.code
            for row in await self._tx.rows(HostedAgencyRow, select(HostedAgencyRow))
            if (agency := from_json(HostedAgency, row.body)).left_at is None and agency.code in codes
        }
        mine = (col(IncomingRow.agency_id).in_(list(hosted)), col(IncomingRow.state).in_(_OPEN))
        opened = select(col(IncomingRow.agency_id), func.count()).where(*mine)
        return Waiting(
            queued=await self._counted(codes, waiting=True),
            open_documents={
                hosted[agency]: count
                for agency, count in await self._tx.tuples(opened.group_by(col(IncomingRow.agency_id)))
            },
            hosted=frozenset(hosted.values()),
            exchanged=tuple(sorted(await self._counted(codes, waiting=False))),
        )

    async def _counted(self, codes: Sequence[str], *, waiting: bool) -> dict[str, int]:
        query = select(col(DeliveryRow.code), func.count()).where(col(DeliveryRow.code).in_(list(codes)))
        if waiting:
            query = query.where(col(DeliveryRow.state).in_(_NOT_LEFT))
        return {row[0]: row[1] for row in await self._tx.tuples(query.group_by(col(DeliveryRow.code)))}
