"""One transaction for what persons decide: people, proposals, ends of keys, events, and the bindings that the registry
keeps in the same database. In: the store, and how the registry joins a transaction. Out: the `Decisions` promise,
with `CodeUses`.

What waits under agency codes is looked at across agencies. Events of bindings and imports belong to the node, never
to an agency; the registry has them written in its own transaction and read on its own connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import UNDECIDED, WORKED_ON
from gateway.domain.event import BINDING_KINDS, Event, EventKind, binding_subject
from gateway.ports import Clock
from gateway.ports.deciding import (
    Bindings,
    CodesInUse,
    CodeUses,
    Imports,
    KeyEnds,
    NodeEvents,
    People,
    Proposals,
    Reforms,
)
from gateway.store.events import NODE, SqlEvents, to_domain
from gateway.store.people import SqlKeyEnds, SqlPeople, SqlProposals
from gateway.store.repository import NodeRows
from gateway.store.row import from_json
from gateway.store.store import SqlStore
from gateway.store.tables import DeliveryRow, EventRow, IncomingRow
from gateway.store.tables_node import HostedAgencyRow
from gateway.store.transaction import Transaction

Join = Callable[[AsyncConnection, str], Bindings]
"""The registry's bindings inside this connection's transaction, changed by that principal."""
JoinReforms = Callable[[AsyncConnection], Reforms]
"""The registry's reforms, inside the same."""
JoinImports = Callable[[AsyncConnection], Imports]
"""The registry's imports, inside the same."""


class SqlDecision:
    """Keeps the promise of `ports.Decision`."""

    def __init__(
        self,
        tx: Transaction,
        clock: Clock,
        principal_id: str,
        join: Join,
        join_reforms: JoinReforms,
        join_imports: JoinImports,
    ) -> None:
        self._tx = tx
        self.people: People = SqlPeople(tx)
        self.proposals: Proposals = SqlProposals(tx)
        self.bindings = join(tx.connection, principal_id)
        self.reforms = join_reforms(tx.connection)
        self.imports = join_imports(tx.connection)
        self.waits: CodeUses = SqlWaits(tx)
        self.key_ends: KeyEnds = SqlKeyEnds(tx)
        scope = AgencyScope(agency_id=NODE, principal_id=principal_id)
        self.events: NodeEvents = SqlEvents(tx, scope, clock)

    async def commit(self) -> None:
        await self._tx.commit()


class SqlDecisions:
    """Keeps the promise of `ports.Decisions`."""

    def __init__(
        self,
        store: SqlStore,
        clock: Clock,
        join: Join,
        join_reforms: JoinReforms,
        join_imports: JoinImports,
    ) -> None:
        self._store = store
        self._clock = clock
        self._joins = (join, join_reforms, join_imports)

    @asynccontextmanager
    async def begin(self, principal_id: str) -> AsyncIterator[SqlDecision]:
        async with self._store.writing() as tx:
            yield SqlDecision(tx, self._clock, principal_id, *self._joins)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqlDecision]:
        async with self._store.reading() as tx:
            yield SqlDecision(tx, self._clock, "", *self._joins)


_NOT_LEFT = ("queued", "sending")
_OPEN = [*map(str, UNDECIDED + WORKED_ON)]


class SqlWaits(NodeRows):
    """Keeps the promise of `ports.Waits`."""

    async def of(self, codes: Sequence[str]) -> CodesInUse:
        if not codes:
            return CodesInUse()
        hosted = {
            agency.id: agency.code
            for row in await self._tx.rows(HostedAgencyRow, select(HostedAgencyRow))
            if (agency := from_json(HostedAgency, row.body)).left_at is None and agency.code in codes
        }
        mine = (col(IncomingRow.agency_id).in_(list(hosted)), col(IncomingRow.state).in_(_OPEN))
        opened = select(col(IncomingRow.agency_id), func.count()).where(*mine)
        return CodesInUse(
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


_R = EventRow
_KINDS = [each.value for each in BINDING_KINDS]


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
        await self.note(connection, kind, binding_subject(code), principal_id, data)

    async def note(
        self,
        connection: AsyncConnection,
        kind: EventKind,
        subject_id: str,
        principal_id: str,
        data: Mapping[str, object],
    ) -> None:
        tx = Transaction(connection, shared=False)
        await self._events(tx, principal_id).append(kind, subject_id, self._clock.now(), data)
        await tx.put_now()  # the registry commits

    async def of(self, connection: AsyncConnection, code: str) -> Sequence[Event]:
        return await self._events(Transaction(connection, shared=False), "").of(binding_subject(code))

    def _events(self, tx: Transaction, principal_id: str) -> SqlEvents:
        return SqlEvents(tx, AgencyScope(agency_id=NODE, principal_id=principal_id), self._clock)

    async def everything(self, connection: AsyncConnection) -> Sequence[Event]:
        """Of every code, oldest first. A province binds a few hundred certificates."""
        query = select(_R).where(col(_R.agency_id) == NODE, col(_R.kind).in_(_KINDS))
        rows = await Transaction(connection, shared=False).rows(_R, query.order_by(col(_R.position)))
        return [to_domain(row) for row in rows]
