"""One transaction for decisions of persons: people, proposals, ends of keys, events, and the registry's part of the same
database: bindings, imports and reforms. In: the store. Out: a unit of work, which also counts the node's documents under
given codes, across agencies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlmodel import col

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import UNDECIDED, WORKED_ON
from gateway.domain.figures import IN, OUT
from gateway.domain.queues import SIGNATURES_JOB, list_subject
from gateway.domain.states import IN_QUEUE
from gateway.ports.services import Clock, Pool
from gateway.registry.binding_events import SqlBindingLog
from gateway.registry_authoring.binding_changes import SqlBindings
from gateway.registry_authoring.held_rows import SqlHeldRows
from gateway.registry_authoring.listed import SqlListed
from gateway.registry_authoring.lists import SqlLists
from gateway.registry_authoring.reforms import SqlReforms
from gateway.registry_authoring.seal_changes import SqlSeals
from gateway.store.events import NODE, SqlEvents
from gateway.store.jobs import SqlJobs
from gateway.store.people import SqlKeyEnds, SqlPeople, SqlProposals
from gateway.store.repository import NodeRows
from gateway.store.row import from_json
from gateway.store.store import SqlStore
from gateway.store.tables import DeliveryRow, IdentityRow, IncomingRow
from gateway.store.tables_node import HostedAgencyRow
from gateway.store.transaction import Transaction

if TYPE_CHECKING:
    from gateway.registry_authoring.imports import SqlImports


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesInUse:
    """Use of codes on this node: `queued`, our mail to them that has not left; `open_documents` of the agencies hosted
    here."""

    queued: Mapping[str, int] = field(default_factory=dict)
    open_documents: Mapping[str, int] = field(default_factory=dict)
    hosted: frozenset[str] = frozenset()
    exchanged: tuple[str, ...] = ()
    """Codes to which any document of this node was addressed, or from which one came."""


class SqlDecision:
    """One unit of work of one principal: everything becomes visible together at `commit`, or not at all."""

    def __init__(self, tx: Transaction, clock: Clock, pool: Pool, principal_id: str) -> None:
        self._tx, self._clock, self._pool = tx, clock, pool
        self.people = SqlPeople(tx)
        self.proposals = SqlProposals(tx)
        self.bindings = SqlBindings(tx.connection, clock, principal_id)
        self.lists = SqlLists(tx.connection, SqlBindingLog(clock))
        self.listed = SqlListed(tx.connection, clock, pool, principal_id)
        self.held_rows = SqlHeldRows(tx.connection, clock, principal_id)
        self.seals = SqlSeals(tx.connection, clock, principal_id)
        self.reforms = SqlReforms(tx.connection)
        self.waits = SqlWaits(tx)
        self.key_ends = SqlKeyEnds(tx)
        self.events = SqlEvents(tx, AgencyScope(agency_id=NODE, principal_id=principal_id), clock)

    @property
    def imports(self) -> SqlImports:
        """Imports of codes; their modules are loaded at the first one."""
        from gateway.registry_authoring.imports import SqlImports

        return SqlImports(self._tx.connection, self._pool)

    async def rejudge_mail_of(self, code: str) -> None:
        """Add a job for each hosted agency that looks again whose seals stand on the mail of that sender, and of each one
        that it may seal for; and on what the agency itself sent, if it is one of these."""
        rights = await self.seals.list_rights(code)
        for row in await self._tx.rows(HostedAgencyRow, select(HostedAgencyRow)):
            if from_json(HostedAgency, row.body).left_at is not None:
                continue
            jobs = SqlJobs(self._tx, AgencyScope(agency_id=row.id, principal_id="node"), self._clock)
            senders = {code} | {right.code for right in rights}
            for sender in sorted(senders):
                await jobs.add(SIGNATURES_JOB, list_subject(IN, sender))
            if row.code in senders:
                await jobs.add(SIGNATURES_JOB, list_subject(OUT))

    async def commit(self) -> None:
        await self._tx.commit()


class SqlDecisions:
    """Units of work for decisions of persons."""

    def __init__(self, store: SqlStore, clock: Clock, pool: Pool) -> None:
        self._store = store
        self._clock = clock
        self._pool = pool

    @asynccontextmanager
    async def begin(self, principal_id: str) -> AsyncIterator[SqlDecision]:
        async with self._store.writing() as tx:
            yield SqlDecision(tx, self._clock, self._pool, principal_id)

    @asynccontextmanager
    async def changing(self, principal_id: str) -> AsyncIterator[SqlDecision]:
        """Open a unit of work that is committed when its context ends without an error."""
        async with self._store.changing_rows() as tx:
            yield SqlDecision(tx, self._clock, self._pool, principal_id)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqlDecision]:
        async with self._store.reading() as tx:
            yield SqlDecision(tx, self._clock, self._pool, "")


_OPEN = [*map(str, UNDECIDED + WORKED_ON)]


class SqlWaits(NodeRows):
    """Counts documents under codes, from the rows of documents."""

    async def count_use(self, codes: Sequence[str]) -> CodesInUse:
        """Return the use of these codes on this node."""
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
            queued=await self._count(codes, waiting=True),
            open_documents={
                hosted[agency]: count
                for agency, count in await self._tx.tuples(opened.group_by(col(IncomingRow.agency_id)))
            },
            hosted=frozenset(hosted.values()),
            exchanged=tuple(
                sorted({*await self._count(codes, waiting=False), *await self._list_senders(codes)})
            ),
        )

    async def _count(self, codes: Sequence[str], *, waiting: bool) -> dict[str, int]:
        query = select(col(DeliveryRow.code), func.count()).where(col(DeliveryRow.code).in_(list(codes)))
        if waiting:
            query = query.where(col(DeliveryRow.state).in_(IN_QUEUE))
        return {row[0]: row[1] for row in await self._tx.tuples(query.group_by(col(DeliveryRow.code)))}

    async def _list_senders(self, codes: Sequence[str]) -> list[str]:
        """Return those of the codes from which a document came; it counts also when its rows are removed since."""
        documents = (col(IdentityRow.sender).in_(list(codes)), col(IdentityRow.incoming_id).is_not(None))
        return [
            row[0]
            for row in await self._tx.tuples(select(col(IdentityRow.sender)).where(*documents).distinct())
        ]
