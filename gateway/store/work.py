"""One unit of work: an open transaction with every repository, all for one agency. What is written through any of them
becomes visible together at `commit`, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.ports import store as ports
from gateway.ports.book import Books
from gateway.ports.deadlines import Tasks
from gateway.ports.holds import Holds
from gateway.ports.lists import Lists
from gateway.ports.paper import PaperParts
from gateway.ports.queues import Inbox, Jobs, Outbox
from gateway.ports.recalls import RecallAsks
from gateway.ports.recipients import RecipientGroups
from gateway.ports.revocation import PendingRevocations
from gateway.ports.services import Clock
from gateway.ports.tags import Tags
from gateway.ports.views import SavedViews
from gateway.store.accounts import staying
from gateway.store.blob_refs import SqlBlobRefs
from gateway.store.book import SqlBooks
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
from gateway.store.lists import SqlLists
from gateway.store.lists_counts import KnownCounts
from gateway.store.lists_write import DueNow, ListWriter, no_office_hours
from gateway.store.outbox import SqlOutbox
from gateway.store.outgoing import SqlOutgoingDocuments
from gateway.store.paper import SqlPaperParts
from gateway.store.recall_asks import SqlRecallAsks
from gateway.store.register import SqlDocumentRegister
from gateway.store.revocation import SqlPendingRevocations
from gateway.store.tags import SqlTags
from gateway.store.todo import SqlTasks
from gateway.store.transaction import Slowly, Transaction
from gateway.store.views import SqlSavedViews


class SqlWork:
    """Keeps the promise of `ports.Work`. After `commit` it is over; there is no way to see another agency's rows."""

    def __init__(
        self,
        tx: Transaction,
        scope: AgencyScope,
        clock: Clock,
        due: DueNow = no_office_hours,
        *,
        known: KnownCounts | None = None,
        changed: Callable[[str], None] = lambda agency_id: None,
    ) -> None:
        """`changed` hears which agency's lists are other ones now; `known` is for who only reads."""
        self._tx = tx
        slow = Slowly(tx)
        self._changed = changed
        self._written = ListWriter(tx, scope.agency_id, due)
        self.scope = scope
        self.outgoing: ports.OutgoingDocuments = SqlOutgoingDocuments(tx, scope, self._written)
        self.deliveries: ports.Deliveries = SqlDeliveries(tx, scope, self._written)
        self.facts: ports.Facts = SqlFacts(tx, scope)
        self.incoming: ports.IncomingDocuments = SqlIncomingDocuments(tx, scope, clock, self._written)
        self.handovers: ports.Handovers = SqlHandovers(tx, scope, clock, self._written)
        self.identities: ports.Identities = SqlIdentities(tx, scope)
        self.register: ports.DocumentRegister = SqlDocumentRegister(tx, scope)
        self.books: Books = SqlBooks(slow, scope, clock)
        self.outbox: Outbox = SqlOutbox(tx, scope)
        self.inbox: Inbox = SqlInbox(tx, scope, clock)
        self.jobs: Jobs = SqlJobs(tx, scope, clock)
        self.blobs: ports.BlobRefs = SqlBlobRefs(tx, scope, clock)
        self.pending: PendingRevocations = SqlPendingRevocations(tx, scope.agency_id)
        self.events: ports.Events = SqlEvents(tx, scope, clock)
        self.held: Holds = SqlHolds(tx, scope)
        self.recalls: RecallAsks = SqlRecallAsks(tx, scope)
        self.paper: PaperParts = SqlPaperParts(tx, scope)
        self.groups: RecipientGroups = SqlRecipientGroups(tx, scope)
        self.tasks: Tasks = SqlTasks(slow, scope)
        self.lists: Lists = SqlLists(slow, scope, clock, known=known, changed=changed)
        self.tags: Tags = SqlTags(tx, scope, changed=changed)
        self.views: SavedViews = SqlSavedViews(tx, scope)
        self.idempotency: ports.Idempotency = SqlIdempotency(tx, scope, clock)

    async def agency(self) -> HostedAgency:
        return await staying(self._tx, self.scope.agency_id)

    def when_committed(self, tell: Callable[[], None]) -> None:
        self._tx.when_committed(tell)

    async def commit(self) -> None:
        if await self._written.write():
            self._tx.when_committed(partial(self._changed, self.scope.agency_id))
        await self._tx.commit()
