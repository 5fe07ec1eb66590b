"""What the events tell of bindings and of imports, for the registry, which keeps the tables: written in its transaction,
read on its connection. In: a connection of this database. Out: events; both belong to the node, never to an agency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from gateway.domain.account import AgencyScope
from gateway.domain.binding_history import KINDS, subject_of
from gateway.domain.event import Event, EventKind
from gateway.ports import Clock
from gateway.store import events
from gateway.store.tables import EventRow
from gateway.store.transaction import Transaction

_R = EventRow
_KINDS = [each.value for each in KINDS]


class SqlBindingLog:
    """Keeps the promise of `registry.binding.BindingLog`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def tell(
        self,
        connection: AsyncConnection,
        kind: EventKind,
        code: str,
        principal_id: str,
        data: Mapping[str, object],
    ) -> None:
        await self.note(connection, kind, subject_of(code), principal_id, data)

    async def note(
        self,
        connection: AsyncConnection,
        kind: EventKind,
        subject_id: str,
        principal_id: str,
        data: Mapping[str, object],
    ) -> None:
        scope = AgencyScope(agency_id=events.NODE, principal_id=principal_id)
        written = events.SqlEvents(Transaction(connection, shared=False), scope, self._clock)
        await written.append(kind, subject_id, self._clock.now(), data)

    async def of(self, connection: AsyncConnection, code: str) -> Sequence[Event]:
        scope = AgencyScope(agency_id=events.NODE, principal_id="")
        return await events.SqlEvents(Transaction(connection, shared=False), scope, self._clock).of(
            subject_of(code)
        )

    async def everything(self, connection: AsyncConnection) -> Sequence[Event]:
        """Of every code, oldest first. A province binds a few hundred certificates."""
        query = select(_R).where(col(_R.agency_id) == events.NODE, col(_R.kind).in_(_KINDS))
        rows = await Transaction(connection, shared=False).rows(_R, query.order_by(col(_R.position)))
        return [events.to_domain(row) for row in rows]
