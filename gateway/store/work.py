"""A unit of work: an open transaction with every repository, all for one agency. In: the transaction, whose it is. Out:
what is written through any of them becomes visible together at `commit`, or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.proof import StatusPacket
from gateway.ports.services import Clock
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
    """Made for one agency's scope; everything written inside becomes visible together at `commit`, or not at all. What a
    writing unit of work has asked for stays as it was answered until it ends, so it may decide on it. After `commit` it is
    over; there is no way to see another agency's rows. Of its repositories a unit uses a few: each is made when it is first
    asked for."""

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
    held: SqlHolds
    paper: SqlPaperParts
    groups: SqlRecipientGroups
    idempotency: SqlIdempotency
    uploads: SqlUploads
    systems: SqlSystemBox
    parts: SqlUnitParts

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
        """The agency of the scope, which stays hosted here until this writing unit of work ends; NotFound when it left."""
        return await staying(self._tx, self.scope.agency_id)

    def when_committed(self, tell: Callable[[], None]) -> None:
        """Called once this unit of work holds, and never when it does not: for what is counted."""
        self._tx.when_committed(tell)

    async def complete(self) -> None:
        """What hangs on what was changed is written too; nothing more is asked for."""
        await self._follower.write()

    async def commit(self) -> None:
        await self.complete()
        await self._tx.commit()


# What puts a status that is signed already into the outbox, in the transaction that commits what it tells.
PutStatus = Callable[[SqlWork], Awaitable[None]]
# Signs a status of the agency about that subject. None where that would have to wait, or fails: a job does it later.
SignStatus = Callable[[HostedAgency, StatusPacket, str], Awaitable[PutStatus | None]]
