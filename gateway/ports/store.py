"""The promises of what must not be lost: a unit of work with its repositories, the node-wide store, the content; beside
them the paper dispatch list, recipients that clerks name, the parts that units have in incoming documents, what document
systems at the compatibility door were offered, and the calendar's own days."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO, Protocol

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.book import OutgoingLine
from gateway.domain.certificates import KeyEnd, PendingRevocation
from gateway.domain.document import Delivery, IncomingDocument, InState, OutgoingDocument
from gateway.domain.event import Event, EventKind
from gateway.domain.handling import UnitPart
from gateway.domain.hold import Hold
from gateway.domain.identity import Digest, DocumentId
from gateway.domain.office_calendar import CalendarDay
from gateway.domain.proof import StatusPacket
from gateway.domain.registry import AgencyEntry, RecipientGroup, Resolution
from gateway.domain.status import Fact
from gateway.domain.system_box import BoxItem
from gateway.domain.upload import Upload, UploadPart
from gateway.ports.content import Holds, ReadableContent
from gateway.ports.content import Kept as Kept
from gateway.ports.content import Scratch as Scratch
from gateway.ports.queues import (
    Handover,
    Identity,
    Inbox,
    InboxPacket,
    Job,
    Jobs,
    Lease,
    LeasedInbox,
    LeasedOutbox,
    Outbox,
    OutboxItem,
    Page,
    RegisterEntry,
    Remembered,
)
from gateway.ports.services import PendingRevocations

Place = tuple[datetime, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDocument:
    """A document that nobody has acknowledged. `place` is behind which the next ones follow."""

    document: IncomingDocument
    offered_at: datetime
    item: BoxItem | None

    @property
    def place(self) -> Place:
        return self.offered_at, self.document.id


class SystemBox(Protocol):
    async def documents(
        self, system: str, client: str, after: Place | None, limit: int
    ) -> Sequence[WaitingDocument]:
        """What is offered or held by that very client and can be read, the oldest first, also what is put off."""

    async def statuses(self, system: str, limit: int) -> Sequence[BoxItem]:
        """Those that are offered now, the oldest first."""

    async def item(self, system: str, doc_id: str) -> BoxItem | None: ...

    async def save(self, item: BoxItem) -> None:
        """New, or as it stands now."""

    async def note(self, system: str, items: Sequence[BoxItem], sequence: int) -> None:
        """Those not noted before; events up to that number were looked through."""

    async def looked_at(self, system: str) -> int:
        """Up to which number of the agency's events."""

    async def offer_again(self, doc_id: str) -> None:
        """Of every system: what they said of it before counts no more."""

    async def forget(self, system: str, doc_id: str) -> None: ...

    async def stuck(self, limit: int) -> Sequence[BoxItem]:
        """Of every system, what a person has to look at and nobody has acknowledged since; the oldest first."""


class UnitParts(Protocol):
    async def add(self, part: UnitPart) -> None: ...

    async def end(self, part: UnitPart) -> None:
        """It is as this value says from now on. Clash when another ended it."""

    async def settle(self, part: UnitPart) -> None:
        """What was handed back is assigned anew."""

    async def of(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[UnitPart]]:
        """All parts of each, the earliest first."""

    async def open_of(
        self, units: Collection[str] | None, limit: int
    ) -> Sequence[tuple[UnitPart, IncomingDocument]]:
        """What is still worked on by these units, or by all; what is due first leads, sealed documents never."""

    async def overdue(
        self, by: date, arrived_before: datetime, limit: int
    ) -> Sequence[tuple[UnitPart, IncomingDocument]]:
        """What is still worked on and was due by that day, or has no day and came before that moment."""

    async def units(self, at: datetime) -> Sequence[str]:
        """The units that persons of the agency belong to at that moment, by name."""

    async def returned(self, limit: int) -> Sequence[tuple[UnitPart, IncomingDocument]]:
        """What was handed back and waits to be assigned anew, the oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperPart:
    """The letter on paper to one recipient. While `handed_over` is None somebody has to carry it; `means` is a word of
    `policy.outgoing.Means`."""

    delivery_id: str
    document_id: str
    opened_at: datetime
    handed_over: date | None = None
    means: str | None = None
    note: str = ""
    closed_at: datetime | None = None
    closed_by: str | None = None


class PaperParts(Protocol):
    async def open(self, document_id: str, delivery_ids: Sequence[str], at: datetime) -> None:
        """They wait from now on."""

    async def of(self, document_id: str) -> Sequence[PaperPart]: ...

    async def close(self, part: PaperPart) -> None:
        """As this value says; said again it is written anew. NotFound for what does not go on paper."""

    async def waiting(self, limit: int) -> Sequence[PaperPart]:
        """Not handed over and not cancelled, the longest waiting first."""

    async def handed(self, first: date, last: date, limit: int) -> Sequence[PaperPart]:
        """Handed over in these days, in their order."""


class RecipientGroups(Protocol):
    """The groups of one agency."""

    async def all(self) -> Sequence[RecipientGroup]:
        """By name."""

    async def named(self, name: str) -> RecipientGroup | None:
        """Letter case and accents do not matter."""

    async def save(self, group: RecipientGroup) -> None:
        """A new group has version 1. Clash when there is one of that name already, or when the one that is changed is no
        longer of the version before."""

    async def remove(self, name: str) -> bool:
        """Whether there was one."""


class Uploads(Protocol):
    """Files of one agency that come in parts. One whose time is up is not there."""

    async def all(self) -> Sequence[Upload]:
        """The oldest first."""

    async def get(self, id: str) -> Upload:
        """NotFound where there is none. In a writing unit of work nobody else changes it until that ends."""

    async def parts(self, id: str) -> Sequence[UploadPart]:
        """By number."""

    async def add(self, upload: Upload) -> None:
        """Clash when the agency has as many as it may."""

    async def add_part(self, id: str, part: UploadPart) -> bool:
        """False, and nothing changed, where there is one with that number."""

    async def save(self, upload: Upload) -> None:
        """How long it is kept, and what it was found to be."""

    async def remove(self, id: str) -> None:
        """With its parts; harmless where there is none."""


class AgencyBook(Protocol):
    """The directory of agency codes, asked for one and for those like it."""

    async def resolve_all(
        self, asked: Sequence[tuple[str, str | None]], on: date, *, offer: bool = True
    ) -> Sequence[Resolution]:
        """What each text stands for on that day, given with its parent or none, in their order. Without `offer` nothing
        near is looked for where nothing is found."""

    async def search(self, text: str, limit: int = 20) -> Sequence[AgencyEntry]: ...

    async def search_all(
        self, texts: Collection[str], limit: int = 20
    ) -> Mapping[str, Sequence[AgencyEntry]]: ...

    async def entry(self, code: str) -> AgencyEntry | None: ...


class CalendarDays(Protocol):
    """The node's own rows, which go over the shipped ones. Each call is durable on return."""

    async def days(self) -> Sequence[CalendarDay]:
        """In order of days."""

    async def put(self, days: Sequence[CalendarDay], at: datetime, by: str) -> None:
        """All or none, told by an event; a day that is there is replaced."""

    async def remove(self, day: date, at: datetime, by: str) -> bool:
        """Told by an event. False when the node has no row of its own for that day."""


class OutgoingDocuments(Protocol):
    async def add(self, document: OutgoingDocument) -> None:
        """Clash when external_id is already taken in this agency."""

    async def get(self, id: str) -> OutgoingDocument:
        """NotFound when there is none in this agency."""

    async def of_many(self, ids: Collection[str]) -> Sequence[OutgoingDocument]:
        """Those that are there."""

    async def by_external_id(self, external_id: str) -> OutgoingDocument | None: ...

    async def wanting_replies(self, since: date, by: date, limit: int) -> Sequence[OutgoingDocument]:
        """Those of which answers are wanted by a day of that span, the earliest first."""

    async def answered_from(self, ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Which codes, in small letters, have answered each of these documents."""

    async def by_document_id(self, document_id: str) -> Sequence[OutgoingDocument]:
        """Every outgoing packet with this DocumentId, newest first; letter for letter."""

    async def by_lead(self, digest: Digest) -> Sequence[OutgoingDocument]:
        """The newest few with this lead file."""

    async def by_own_id(self, own_id: str) -> Sequence[OutgoingDocument]:
        """The newest few that the system which sent them calls so."""

    async def by_packet_id(self, packet_id: str) -> OutgoingDocument | None: ...

    async def children(self, id: str) -> Sequence[OutgoingDocument]: ...

    async def save(
        self, document: OutgoingDocument, *, expect_version: int | None = None
    ) -> OutgoingDocument:
        """Writes it with version + 1; StaleVersion when the stored version is not the expected one."""

    async def page(
        self,
        *,
        limit: int,
        cursor: str | None = None,
        states: Sequence[str] = (),
        query: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        external_id: str | None = None,
        oldest_first: bool = False,
    ) -> Page[OutgoingDocument]:
        """Newest first unless asked otherwise, keyset. `states` matches documents having a delivery, or themselves being,
        in one of them."""


class Deliveries(Protocol):
    async def add(self, deliveries: Sequence[Delivery]) -> None: ...

    async def get(self, id: str) -> Delivery: ...

    async def of(self, document_id: str) -> Sequence[Delivery]: ...

    async def of_many(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[Delivery]]: ...

    async def silent(self, codes: Collection[str], since: datetime) -> Mapping[str, datetime]:
        """Those of these recipients to whom sending failed since then and who have neither answered nor written after it;
        with the last failure."""

    async def save_state(self, id: str, state: str, marks: Sequence[str], at: datetime) -> None: ...

    async def save_number(self, id: str, number: str, year: int | None) -> None:
        """The arrival number that the recipient told. NotFound for a delivery that is not there."""

    async def save_states(self, states: Mapping[str, tuple[str, Sequence[str]]], at: datetime) -> None:
        """State and marks by id, of deliveries that are there; a large document has hundreds of them."""


class Facts(Protocol):
    async def add(self, subject_id: str, fact: Fact) -> bool:
        """False, and nothing changed, when the same fact (track, code, stated_at, packet_digest, request_id) is there."""

    async def add_all(self, facts: Sequence[tuple[str, Fact]]) -> None:
        """Any number for each subject; what is there already stays as it is."""

    async def of(self, subject_id: str) -> Sequence[Fact]: ...

    async def of_many(self, subject_ids: Sequence[str]) -> Mapping[str, Sequence[Fact]]:
        """Every id asked for is a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The replacements of its sender that name it, whether taken in or not; what `numbered` finds; and the newest of that
    sender with its lead file."""

    replacing: Sequence[IncomingDocument]
    numbered: Sequence[IncomingDocument]
    with_lead: Sequence[IncomingDocument] = ()


class IncomingDocuments(Protocol):
    async def add(self, document: IncomingDocument) -> None: ...

    async def get(self, id: str) -> IncomingDocument: ...

    async def states(self, ids: Collection[str]) -> Mapping[str, InState]:
        """How each of these stands; what is not there is left out."""

    async def by_document_id(self, sender_code: str, document_id: str) -> Sequence[IncomingDocument]:
        """Every attempt, newest first; sender compared without letter case."""

    async def numbered(self, number: str, symbol: str) -> Sequence[IncomingDocument]:
        """The newest documents of that number and symbol, however they are written; of a few years, not of all."""

    async def before(self, document: IncomingDocument) -> Before:
        """What is here already and may concern a document that arrives."""

    async def save(
        self, document: IncomingDocument, *, expect_version: int | None = None
    ) -> IncomingDocument: ...

    async def page(
        self,
        *,
        limit: int,
        cursor: str | None = None,
        states: Sequence[str] = (),
        query: str | None = None,
        handover: str | None = None,
        arrived_from: datetime | None = None,
        arrived_to: datetime | None = None,
        oldest_first: bool = False,
    ) -> Page[IncomingDocument]:
        """Newest first unless asked otherwise, keyset."""


class Handovers(Protocol):
    async def offer(self, incoming_id: str) -> None: ...

    async def get(self, incoming_id: str) -> Handover: ...

    async def withdraw(self, incoming_id: str) -> bool:
        """It is offered no more. True when a document system has it, or is taking it now."""

    async def lease(self, client: str, limit: int, until: datetime) -> Sequence[Handover]:
        """Available rows, or rows whose lease ran out, oldest first; now leased to `client`."""

    async def waiting_since_before(self, at: datetime, limit: int) -> Sequence[str]:
        """Incoming documents that were offered before then and that nobody has taken, the oldest first."""

    async def ack(self, incoming_id: str, client: str, at: datetime) -> bool:
        """True when this call acknowledged it; False when it was acknowledged before (harmless)."""

    async def take(self, incoming_id: str, client: str, until: datetime) -> bool:
        """This one, for that client; False where it was acknowledged before. Clash while another client has it."""

    async def give_back(self, incoming_id: str, client: str) -> None:
        """What that client holds is available again; harmless where it holds nothing."""


class Identities(Protocol):
    async def by_body(self, sender: str, body_digest: Digest) -> Identity | None: ...

    async def by_packet(self, sender: str, packet_id: str) -> Identity | None: ...

    async def by_document(self, sender: str, document_id: str) -> Sequence[Identity]:
        """New and replacement packets with this DocumentId, newest first."""

    async def claim(self, identity: Identity) -> None:
        """Claims (sender, body digest) and (sender, packet id) in the caller's transaction; Conflict when taken."""


class DocumentRegister(Protocol):
    async def next_number(self, book: str, year: int) -> int:
        """The next number of the book's year, from its counter row, in the caller's transaction: no gaps, no repeats.
        After those that were typed before the book began to count, but for one far ahead of them."""

    async def enter(self, entry: RegisterEntry) -> None:
        """Clash when the number is taken in that book and year (07 is 7), or the document is already entered."""

    async def of(self, incoming_id: str) -> RegisterEntry | None: ...

    async def strike(self, incoming_id: str, at: datetime, by: str, reason: str) -> bool:
        """The line is struck through and keeps its number; False when there is none, or it was struck before."""

    async def entries(self, book: str, year: int) -> Sequence[RegisterEntry]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Outgoing mail that may be one and the same: of one DocumentId, newest first; of one number and notation in one
    year, on paper too; the newest few with one lead file."""

    of_id: Sequence[OutgoingDocument] = ()
    of_number: Sequence[OutgoingLine] = ()
    of_lead: Sequence[OutgoingDocument] = ()


class OutgoingNumbers(Protocol):
    """Of mail that left, on paper or as a document of the exchange."""

    async def under(self, number: str, symbol: str, year: int) -> Sequence[OutgoingLine]:
        """What has that number and notation in that year, on paper or as a document of the exchange; struck and cancelled
        ones do not count."""

    async def alike(
        self, document_id: DocumentId, number: str, symbol: str, year: int, lead: Digest | None
    ) -> Alike:
        """What `by_document_id` and `under` find, and what has this lead file, asked for in one call."""

    async def free_number(self, number: str, symbol: str, year: int) -> str:
        """The next number behind this one that nothing of that notation has in that year; empty where it is no number."""


class BlobRefs(Protocol):
    async def keep(self, kept: Kept, owner_kind: str, owner_id: str) -> None:
        """That owner refers to what `Blobs.keep` took; small bytes are written here, with everything else of this unit."""

    async def heal(self, kept: Kept) -> None:
        """Small bytes that this agency refers to are those again, whatever became of them since. Large ones are by
        `Blobs.keep`; what nobody may read stays as it is."""

    async def add(self, digest: Digest, owner_kind: str, owner_id: str) -> None:
        """Of content that is here already. StoreFailure when nothing is kept under that digest (any more): whoever keeps it
        again succeeds."""

    async def drop(self, owner_kind: str, owner_id: str) -> None: ...

    async def holds(self, digest: Digest) -> bool:
        """Whether this agency has any reference to it by which it may be read."""

    async def found(self, digest: Digest) -> ReadableContent | None:
        """What may be read by a reference of this agency; None where it has none. Reading asks this first."""

    async def found_each(self, digests: Collection[Digest]) -> Mapping[Digest, ReadableContent]:
        """The same of several; what may not be read is left out."""

    async def frozen(self, digest: Digest, hold_id: str) -> ReadableContent | None:
        """The same of what that sealed hold keeps."""

    async def of(self, owner_kind: str, owner_id: str) -> Mapping[Digest, int]:
        """The content of that owner, with sizes."""

    async def freeze(self, owner_kind: str, owner_id: str, hold_id: str) -> None:
        """What that owner refers to is kept for the sealed hold from now on, and can be read by nobody through it."""

    async def others(self, digest: Digest, hold_id: str) -> int:
        """How many further references there are at this node, of any agency."""


class AgencyEvents(Protocol):
    async def append(
        self, kind: EventKind, subject_id: str, at: datetime, data: Mapping[str, object] | None = None
    ) -> None:
        """Unnumbered, in the caller's transaction; the sequencer numbers it after the commit."""

    async def append_many(
        self, subject_id: str, at: datetime, told: Sequence[tuple[EventKind, Mapping[str, object]]]
    ) -> None:
        """Several of one subject, in that order."""

    async def append_all(
        self, at: datetime, told: Sequence[tuple[str, EventKind, Mapping[str, object]]]
    ) -> None:
        """Several, each with its subject, in that order."""

    async def of(self, subject_id: str) -> Sequence[Event]: ...


class Idempotency(Protocol):
    async def begin(self, owner: str, key: str, digest: str, until: datetime) -> Remembered | None:
        """None: the caller owns the key now (marker leased until then). Otherwise what it stands for. `until` is also the
        fence: who finishes or releases names the one it began with."""

    async def finish(self, owner: str, key: str, until: datetime, status: int, body: str) -> None:
        """Commits with the document. Clash when another request has the key now."""

    async def release(self, owner: str, key: str, until: datetime) -> None:
        """The request failed; the key may be used again. Another request's marker stays."""


class Work(Protocol):
    """Made for one agency's scope; everything written inside becomes visible together at `commit`, or not at all. What a
    writing unit of work has asked for stays as it was answered until it ends, so it may decide on it."""

    scope: AgencyScope
    outgoing: OutgoingDocuments
    deliveries: Deliveries
    facts: Facts
    incoming: IncomingDocuments
    handovers: Handovers
    identities: Identities
    register: DocumentRegister
    numbers: OutgoingNumbers
    outbox: Outbox
    inbox: Inbox
    jobs: Jobs
    blobs: BlobRefs
    pending: PendingRevocations
    events: AgencyEvents
    held: Holds
    paper: PaperParts
    groups: RecipientGroups
    idempotency: Idempotency
    uploads: Uploads
    systems: SystemBox
    parts: UnitParts

    async def agency(self) -> HostedAgency:
        """The agency of the scope, which stays hosted here until this writing unit of work ends; NotFound when it left."""

    def when_committed(self, tell: Callable[[], None]) -> None:
        """Called once this unit of work holds, and never when it does not: for what is counted."""

    async def commit(self) -> None: ...


# What puts a status that is signed already into the outbox, in the transaction that commits what it tells.
PutStatus = Callable[[Work], Awaitable[None]]
# Signs a status of the agency about that subject. None where that would have to wait, or fails: a job does it later.
SignStatus = Callable[[HostedAgency, StatusPacket, str], Awaitable[PutStatus | None]]


class Store(Protocol):
    """All state of the node. `begin` writes (on SQLite one writer at a time), `read` only reads."""

    def begin(self, scope: AgencyScope) -> AbstractAsyncContextManager[Work]: ...

    def read(self, scope: AgencyScope) -> AbstractAsyncContextManager[Work]: ...

    def ask(self, scope: AgencyScope) -> AbstractAsyncContextManager[Work]:
        """As `read`, for one question: what is asked after it is of a later moment."""

    async def claim_jobs(self, kind: str, limit: int, lease_s: float) -> Sequence[Job]:
        """Due rows nobody holds, of every hosted agency; oldest first. Durable on return."""

    async def claim_outbox(self, limit: int, lease_s: float) -> Sequence[LeasedOutbox]:
        """Due rows nobody holds, urgent lane first."""

    async def claim_inbox(self, limit: int, lease_s: float) -> Sequence[LeasedInbox]:
        """Landed rows nobody holds, urgent lane first, oldest first."""

    async def renew(self, table: str, lease: Lease, lease_s: float) -> Lease:
        """A longer lease; StaleLease when it is no longer ours. `table`: `job`, `outbox` or `inbox`."""

    async def let_go(self, cut: Callable[[], None] = lambda: None) -> None:
        """What this process still holds is due again at once, its tries counted. For a process that goes: whatever of it
        is still at work is discarded as stale. `cut` ends that work, called while no transaction of it is half done."""

    async def overdue_waiting(self, before: datetime, limit: int) -> Sequence[InboxPacket]:
        """Waiting packets received before that time, of every agency."""

    async def pending_revocations(self, after: tuple[str, str], limit: int) -> Sequence[PendingRevocation]:
        """Packets of every agency that wait to hear of their certificate (K4), by agency and packet, after that place."""

    async def key_ends(self, agency_code: str) -> Sequence[KeyEnd]:
        """Of the agency's keys that sign nothing from some moment on."""

    async def signed_under(self, fingerprint: str, since: datetime, limit: int) -> Sequence[OutboxItem]:
        """Envelopes that were put into the outbox since then, signed under that certificate; oldest first."""

    async def tell_key_expiring(self, fingerprint: str, days: int, data: Mapping[str, object]) -> bool:
        """Tells once, by an event of the node, that a certificate has so many days left or fewer; False when that was told
        before."""

    async def unproved_bytes(self) -> int:
        """Size of all packets in quarantine of which no sender is proved, of every agency."""

    async def oldest_unproved(self, limit: int) -> Sequence[InboxPacket]:
        """Those packets, oldest first."""

    async def unsettled_holds(self) -> Sequence[Hold]:
        """Sealed holds of every agency of which bytes that must go may still be there; oldest first."""

    async def number_events(self, limit: int = 500) -> int:
        """Numbers committed events densely (node and agency sequence); how many. Only one caller at a time works."""

    async def events_after(self, agency_id: str | None, after_seq: int, limit: int) -> Sequence[Event]:
        """Numbered events, in order: of one agency by its own sequence, or of the whole node."""

    async def wait_events(self, timeout_s: float) -> None:
        """Returns when new events may have been numbered by this process, or after the time."""

    async def hosted(self) -> Sequence[HostedAgency]: ...

    async def purge_idempotency(self, before: datetime) -> int:
        """Forgets idempotency keys first used before that time; how many. `external_id` goes on to guard."""

    async def forget_uploads(self, now: datetime) -> int:
        """Lets go of uploads whose time is up, of every agency; how many."""

    async def counts(self) -> Mapping[str, int]:
        """Rows by state for status pages: `outbox.waiting`, `inbox.quarantined`, `job.waiting`, …; none that ended."""


class Blobs(Protocol):
    """Bytes by digest. What `keep` took is durable with the unit of work that refers to it; reading checks that a reference
    of one's own agency exists."""

    def scratch(self, *, few: bool = False) -> AbstractContextManager[Scratch]:
        """A temporary file in the store's own folder (sync; use it inside the pool or around pool calls). `few`: what is
        small stays in memory until somebody asks for its path."""

    async def keep(self, scratch: Scratch, digest: Digest, size: int) -> Kept:
        """For `BlobRefs.keep`, in the unit that refers to it. What is large is fsynced, renamed under its digest and known
        to the sweeper on return. The same digest again is harmless."""

    def keep_small(self, digest: Digest, body: bytes) -> Kept:
        """The same of bytes that are small, and touch no file."""

    async def open(self, work: Work, digest: Digest) -> Callable[[], BinaryIO]:
        """A re-openable reader; NotFound when this agency has no reference to it or the bytes are gone."""

    async def open_each(
        self, work: Work, digests: Collection[Digest]
    ) -> Mapping[Digest, Callable[[], BinaryIO]]:
        """The same of several; NotFound when that is so for one."""

    async def open_frozen(self, work: Work, hold_id: str, digest: Digest) -> Callable[[], BinaryIO]:
        """A reader of what that sealed hold keeps; NotFound when it keeps no such content any more."""

    async def forget(self, digests: Collection[Digest]) -> None:
        """The bytes are gone on return, unless somebody refers to them. Who has just kept the same bytes and refers to
        them a moment later finds them gone, and keeps them again."""

    async def leave_no_trace(self) -> bool:
        """Whether what was forgotten is in no journal of this node's own database file either. False while somebody, such
        as a backup, reads what was there before: ask again later."""

    async def sweep(self, now: datetime) -> int:
        """Deletes blobs without references, 24 h after their last `keep`, and old scratch files; how many."""
