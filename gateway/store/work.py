"""A unit of work: an open transaction with every repository, all for one agency. In: the transaction and the agency's
scope. Out: everything written through any of them becomes visible together at `commit`, or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.proof import StatusPacket
from gateway.ports.services import Clock
from gateway.store.accounts import lock_hosted
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
from gateway.store.repository import NO_FOLLOWER, Follower
from gateway.store.revocation import SqlPendingRevocations
from gateway.store.systems import SqlSystemBox
from gateway.store.transaction import Transaction
from gateway.store.uploads import SqlUploads

# Each with how many of transaction, scope, clock and follower it takes.
_REPOSITORIES: Mapping[str, tuple[Callable[..., object], int]] = {
    "outgoing": (SqlOutgoingDocuments, 4),
    "deliveries": (SqlDeliveries, 4),
    "facts": (SqlFacts, 2),
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
    """Unit of work for one agency's scope; everything written inside becomes visible together at `commit`, or not at all.
    Rows that a writing unit has read stay unchanged until it ends, so it may decide on them. After `commit` it is over;
    there is no way to see another agency's rows. A unit uses few of its repositories: each is made at its first use."""

    outgoing: SqlOutgoingDocuments
    deliveries: SqlDeliveries
    facts: SqlFacts
    incoming: SqlIncomingDocuments
    handovers: SqlHandovers
    identities: SqlIdentities
    register: SqlDocumentRegister
    numbers: SqlOutgoingNumbers
    outbox: SqlOutbox
    inbox: SqlInbox
    jobs: SqlJobs
    blobs: SqlBlobRefs
    pending: SqlPendingRevocations
    events: SqlEvents
    holds: SqlHolds
    paper: SqlPaperParts
    groups: SqlRecipientGroups
    idempotency: SqlIdempotency
    uploads: SqlUploads
    systems: SqlSystemBox
    parts: SqlUnitParts

    def __init__(
        self, tx: Transaction, scope: AgencyScope, clock: Clock, follower: Follower = NO_FOLLOWER
    ) -> None:
        self._tx = tx
        self._follower = follower
        self._arguments = (tx, scope, clock, follower)
        self.scope = scope

    def __getattr__(self, name: str) -> object:
        if name not in _REPOSITORIES:
            raise AttributeError(f"a unit of work has no {name}")
        kind, takes = _REPOSITORIES[name]
        repository = kind(*self._arguments[:takes])
        setattr(self, name, repository)
        return repository

    async def agency(self) -> HostedAgency:
        """Return the agency of the scope, which stays hosted here until this writing unit ends; NotFound when it left."""
        return await lock_hosted(self._tx, self.scope.agency_id)

    def when_committed(self, tell: Callable[[], None]) -> None:
        """Call `tell` once this unit of work is committed, and never when it is not: for counters."""
        self._tx.when_committed(tell)

    async def complete(self) -> None:
        """Write the rows that depend on the changes; the unit asks for nothing more."""
        await self._follower.write()

    async def commit(self) -> None:
        await self.complete()
        await self._tx.commit()


# Puts a signed status into the outbox, in the transaction that commits its facts.
PutStatus = Callable[[SqlWork], Awaitable[None]]
# Signs a status of the agency about that subject. None where that would have to wait, or fails: a job does it later.
SignStatus = Callable[[HostedAgency, StatusPacket, str], Awaitable[PutStatus | None]]
