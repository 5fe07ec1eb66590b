"""A unit of work: an open transaction with every repository, all for one agency. In: the transaction and the agency's
scope. Out: repositories whose writes all become visible together at `commit`, or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import IncomingDocument
from gateway.domain.proof import StatusPacket
from gateway.ports.services import Clock
from gateway.store.accounts import SqlAgencyProfile, lock_hosted
from gateway.store.blob_refs import SqlBlobRefs
from gateway.store.deliveries import SqlDeliveries
from gateway.store.events import SqlEvents
from gateway.store.facts import SqlFacts
from gateway.store.inbox import SqlInbox
from gateway.store.incoming import SqlHandovers, SqlIdentities, SqlIncomingDocuments
from gateway.store.jobs import SqlJobs
from gateway.store.outbox import SqlOutbox
from gateway.store.outgoing import SqlOutgoingDocuments, SqlOutgoingNumbers
from gateway.store.repository import NO_FOLLOWER, Follower, Part
from gateway.store.transaction import Transaction

if TYPE_CHECKING:
    from gateway.store.api_calls import SqlIdempotency
    from gateway.store.comments import SqlComments
    from gateway.store.holds import SqlHolds
    from gateway.store.paper_letters import SqlPaperParts
    from gateway.store.preservation import SqlPreservation
    from gateway.store.readings import SqlReadings
    from gateway.store.recipient_groups import SqlRecipientGroups
    from gateway.store.register import SqlDocumentRegister, SqlGivenNumbers
    from gateway.store.revocation import SqlPendingRevocations
    from gateway.store.systems import SqlSystemBox
    from gateway.store.units import SqlUnitParts, SqlUnits
    from gateway.store.uploads import SqlUploads


class SqlWork:
    """Unit of work for one agency's scope: all its writes become visible together at `commit`, or not at all, and `commit`
    ends it. Rows that a writing unit has read stay unchanged until it ends, so that it may decide on them. Rows of other
    agencies cannot be reached. Each repository is created at its first use, because a unit uses few of them."""

    outgoing = Part(SqlOutgoingDocuments, 4)
    deliveries = Part(SqlDeliveries, 4)
    facts = Part(SqlFacts)
    incoming = Part(SqlIncomingDocuments, 4)
    handovers = Part(SqlHandovers, 4)
    identities = Part(SqlIdentities)
    register: Part[SqlDocumentRegister] = Part("gateway.store.register:SqlDocumentRegister")
    numbers = Part(SqlOutgoingNumbers)
    given: Part[SqlGivenNumbers] = Part("gateway.store.register:SqlGivenNumbers")
    outbox = Part(SqlOutbox)
    inbox = Part(SqlInbox, 3)
    jobs = Part(SqlJobs, 3)
    blobs = Part(SqlBlobRefs, 3)
    pending: Part[SqlPendingRevocations] = Part("gateway.store.revocation:SqlPendingRevocations")
    events = Part(SqlEvents, 3)
    holds: Part[SqlHolds] = Part("gateway.store.holds:SqlHolds")
    preservation: Part[SqlPreservation] = Part("gateway.store.preservation:SqlPreservation")
    paper: Part[SqlPaperParts] = Part("gateway.store.paper_letters:SqlPaperParts")
    groups: Part[SqlRecipientGroups] = Part("gateway.store.recipient_groups:SqlRecipientGroups")
    idempotency: Part[SqlIdempotency] = Part("gateway.store.api_calls:SqlIdempotency", 3)
    uploads: Part[SqlUploads] = Part("gateway.store.uploads:SqlUploads", 3)
    systems: Part[SqlSystemBox] = Part("gateway.store.systems:SqlSystemBox", 3)
    parts: Part[SqlUnitParts] = Part("gateway.store.units:SqlUnitParts")
    readings: Part[SqlReadings] = Part("gateway.store.readings:SqlReadings")
    profile = Part(SqlAgencyProfile)
    units: Part[SqlUnits] = Part("gateway.store.units:SqlUnits")
    comments: Part[SqlComments] = Part("gateway.store.comments:SqlComments")

    def __init__(
        self, tx: Transaction, scope: AgencyScope, clock: Clock, follower: Follower = NO_FOLLOWER
    ) -> None:
        self._tx = tx
        self._clock = clock
        self._follower = follower
        self.arguments = (tx, scope, clock, follower)
        self.scope = scope

    def now(self) -> datetime:
        """Return the time for what is written. Retention has a clock of its own, which may be behind after a jump."""
        return self._clock.now()

    async def agency(self) -> HostedAgency:
        """Return the scope's agency and lock it, so that it stays hosted here until a writing unit ends. NotFound when it
        is no longer hosted."""
        return await lock_hosted(self._tx, self.scope.agency_id, self._clock.now())

    async def note_entry(self, document: IncomingDocument) -> None:
        """Note that the document was entered in the register just now. The office carries out an agency's rules then; the
        exchange does nothing."""

    def when_committed(self, tell: Callable[[], None]) -> None:
        """Call `tell` once this unit of work is committed, and never when it is not: for counters."""
        self._tx.when_committed(tell)

    async def complete(self) -> None:
        """Let the follower write the rows that depend on changed documents. No other writes may come after this."""
        await self._follower.write()

    async def commit(self) -> None:
        await self.complete()
        await self._tx.commit()


# Puts a signed status into the outbox, in the transaction that commits the status's facts.
PutStatus = Callable[[SqlWork], Awaitable[None]]
# Signs a status of the agency about a subject (its id). None when signing would have to wait or fails; then a job signs it.
SignStatus = Callable[[HostedAgency, StatusPacket, str], Awaitable[PutStatus | None]]
