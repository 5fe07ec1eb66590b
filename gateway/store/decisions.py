"""One transaction for what persons decide: people, proposals, ends of keys, events, and the bindings that the registry
keeps in the same database. In: the store, and how the registry joins a transaction. Out: the `Decisions` promise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.account import AgencyScope
from gateway.ports import Clock
from gateway.ports.deciding import Bindings
from gateway.ports.imports import Imports
from gateway.ports.reforms import Reforms
from gateway.store.events import NODE, SqlEvents
from gateway.store.key_ends import SqlKeyEnds
from gateway.store.people import SqlPeople
from gateway.store.proposals import SqlProposals
from gateway.store.store import SqlStore
from gateway.store.transaction import Transaction
from gateway.store.waits import SqlWaits

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
        self.people = SqlPeople(tx)
        self.proposals = SqlProposals(tx)
        self.bindings = join(tx.connection, principal_id)
        self.reforms = join_reforms(tx.connection)
        self.imports = join_imports(tx.connection)
        self.waits = SqlWaits(tx)
        self.key_ends = SqlKeyEnds(tx)
        self.events = SqlEvents(tx, AgencyScope(agency_id=NODE, principal_id=principal_id), clock)

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
