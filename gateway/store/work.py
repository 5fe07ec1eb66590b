"""A unit of work: an open transaction with every repository, all for one agency. In: the transaction, whose it is. Out: the
`Work` promise: what is written through any of them becomes visible together at `commit`, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.ports import store as ports
from gateway.ports.content import Holds
from gateway.ports.queues import Inbox, Jobs, Outbox
from gateway.ports.services import Clock, PendingRevocations
from gateway.ports.store import PaperParts, RecipientGroups, SystemBox, UnitParts
from gateway.store.accounts import staying
from gateway.store.api_calls import SqlIdempotency
from gateway.store.blob_refs import SqlBlobRefs
from gateway.store.deliveries import SqlDeliveries, SqlFacts, SqlPaperParts, SqlRecipientGroups
from gateway.store.events import SqlEvents
from gateway.store.holds import SqlHolds
from gateway.store.inbox import SqlInbox
from gateway.store.incoming import SqlHandovers, SqlIdentities, SqlIncomingDocuments, SqlUnitParts
from gateway.store.jobs import SqlJobs
from gateway.store.outbox import SqlOutbox
from gateway.store.outgoing import SqlOutgoingDocuments, SqlOutgoingNumbers
from gateway.store.register import SqlDocumentRegister
from gateway.store.repository import NOBODY, Follower
from gateway.store.revocation import SqlPendingRevocations
from gateway.store.systems import SqlSystemBox
from gateway.store.transaction import Transaction
from gateway.store.uploads import SqlUploads

# Each with how many it takes of transaction, scope, clock and follower.
_REPOSITORIES: Mapping[str, tuple[Callable[..., object], int]] = {
    "outgoing": (SqlOutgoingDocuments, 4),
    "deliveries": (SqlDeliveries, 4),
    "facts": (lambda tx, scope, _, follower: SqlFacts(tx, scope, follower), 4),
    "incoming": (SqlIncomingDocuments, 4),
    "handovers": (SqlHandovers, 4),
    "identities": (SqlIdentities, 2),
    "register": (SqlDocumentRegister, 2),
    "numbers": (SqlOutgoingNumbers, 2),
    "outbox": (SqlOutbox, 2),
    "inbox": (SqlInbox, 3),
    "jobs": (SqlJobs, 3),
    "blobs": (SqlBlobRefs, 3),
    "pending": (SqlPendingRevocations, 2),
    "events": (SqlEvents, 3),
    "held": (SqlHolds, 2),
    "paper": (SqlPaperParts, 2),
    "groups": (SqlRecipientGroups, 2),
    "idempotency": (SqlIdempotency, 3),
    "uploads": (SqlUploads, 3),
    "systems": (SqlSystemBox, 3),
    "parts": (SqlUnitParts, 2),
}


class SqlWork:
    """Keeps the promise of `ports.Work`. After `commit` it is over; there is no way to see another agency's rows. Of its
    repositories a unit uses a few: each is made when it is first asked for."""

    outgoing: ports.OutgoingDocuments
    deliveries: ports.Deliveries
    facts: ports.Facts
    incoming: ports.IncomingDocuments
    handovers: ports.Handovers
    identities: ports.Identities
    register: ports.DocumentRegister
    numbers: ports.OutgoingNumbers
    outbox: Outbox
    inbox: Inbox
    jobs: Jobs
    blobs: ports.BlobRefs
    pending: PendingRevocations
    events: ports.AgencyEvents
    held: Holds
    paper: PaperParts
    groups: RecipientGroups
    idempotency: ports.Idempotency
    uploads: ports.Uploads
    systems: SystemBox
    parts: UnitParts

    def __init__(
        self, tx: Transaction, scope: AgencyScope, clock: Clock, follower: Follower = NOBODY
    ) -> None:
        self._tx = tx
        self._follower = follower
        self._given = (tx, scope, clock, follower)
        self.scope = scope

    def __getattr__(self, name: str) -> object:
        if name not in _REPOSITORIES:
            raise AttributeError(f"a unit of work has no {name}")
        kind, takes = _REPOSITORIES[name]
        made = kind(*self._given[:takes])
        setattr(self, name, made)
        return made

    async def agency(self) -> HostedAgency:
        return await staying(self._tx, self.scope.agency_id)

    def when_committed(self, tell: Callable[[], None]) -> None:
        self._tx.when_committed(tell)

    async def commit(self) -> None:
        await self._follower.write()
        await self._tx.commit()
