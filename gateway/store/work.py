"""One unit of work: an open transaction with every repository, all for one agency. What is written through any of them
becomes visible together at `commit`, or not at all."""

from __future__ import annotations

from collections.abc import Callable

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.ports import store as ports
from gateway.ports.holds import Holds
from gateway.ports.paper import PaperParts
from gateway.ports.queues import Inbox, Jobs, Outbox
from gateway.ports.recipients import RecipientGroups
from gateway.ports.revocation import PendingRevocations
from gateway.ports.services import Clock
from gateway.store.accounts import staying
from gateway.store.blob_refs import SqlBlobRefs
from gateway.store.changes import NOBODY, Follower
from gateway.store.deliveries import SqlDeliveries, SqlFacts
from gateway.store.events import SqlEvents
from gateway.store.groups import SqlRecipientGroups
from gateway.store.handovers import SqlHandovers
from gateway.store.holds import SqlHolds
from gateway.store.idempotency import SqlIdempotency
from gateway.store.identities import SqlIdentities
from gateway.store.inbox import SqlInbox
from gateway.store.incoming import SqlIncomingDocuments
from gateway.store.jobs import SqlJobs
from gateway.store.numbers import SqlOutgoingNumbers
from gateway.store.outbox import SqlOutbox
from gateway.store.outgoing import SqlOutgoingDocuments
from gateway.store.paper import SqlPaperParts
from gateway.store.register import SqlDocumentRegister
from gateway.store.revocation import SqlPendingRevocations
from gateway.store.transaction import Transaction


class SqlWork:
    """Keeps the promise of `ports.Work`. After `commit` it is over; there is no way to see another agency's rows."""

    def __init__(
        self,
        tx: Transaction,
        scope: AgencyScope,
        clock: Clock,
        follower: Follower = NOBODY,
    ) -> None:
        self._tx = tx
        self._follower = follower
        self.scope = scope
        self.outgoing: ports.OutgoingDocuments = SqlOutgoingDocuments(tx, scope, follower)
        self.deliveries: ports.Deliveries = SqlDeliveries(tx, scope, follower)
        self.facts: ports.Facts = SqlFacts(tx, scope)
        self.incoming: ports.IncomingDocuments = SqlIncomingDocuments(tx, scope, clock, follower)
        self.handovers: ports.Handovers = SqlHandovers(tx, scope, clock, follower)
        self.identities: ports.Identities = SqlIdentities(tx, scope)
        self.register: ports.DocumentRegister = SqlDocumentRegister(tx, scope)
        self.numbers: ports.OutgoingNumbers = SqlOutgoingNumbers(tx, scope)
        self.outbox: Outbox = SqlOutbox(tx, scope)
        self.inbox: Inbox = SqlInbox(tx, scope, clock)
        self.jobs: Jobs = SqlJobs(tx, scope, clock)
        self.blobs: ports.BlobRefs = SqlBlobRefs(tx, scope, clock)
        self.pending: PendingRevocations = SqlPendingRevocations(tx, scope.agency_id)
        self.events: ports.Events = SqlEvents(tx, scope, clock)
        self.held: Holds = SqlHolds(tx, scope)
        self.paper: PaperParts = SqlPaperParts(tx, scope)
        self.groups: RecipientGroups = SqlRecipientGroups(tx, scope)
        self.idempotency: ports.Idempotency = SqlIdempotency(tx, scope, clock)

    async def agency(self) -> HostedAgency:
        return await staying(self._tx, self.scope.agency_id)

    def when_committed(self, tell: Callable[[], None]) -> None:
        self._tx.when_committed(tell)

    async def commit(self) -> None:
        await self._follower.write()
        await self._tx.commit()
