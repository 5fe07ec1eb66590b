"""The frozen values that stores and flows hand each other beside the domain's own (leases, outbox, inbox, jobs,
register), and the promises of what waits for a worker in one agency: envelopes to send, packets that landed, jobs
to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from gateway.domain.document import Kind, Lane
from gateway.domain.identity import Digest
from gateway.domain.proof import StatusPacket, Step
from gateway.domain.routes import Trail

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What one look at the store says to workers, by their names: who has something due, and marks, each of which is
    another one when something changed that its worker keeps up with."""

    due: frozenset[str]
    marks: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A worker's right to finish one row, until `until`; a completion with another token is discarded."""

    id: str
    token: str
    until: datetime
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work to do later. `kind`: `pack` (subject: outgoing document id) or `answer` (subject: inbox id; `payload` is the
    status packet to sign)."""

    id: str
    agency_id: str
    kind: str
    subject_id: str
    lease: Lease
    payload: StatusPacket | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxTarget:
    """One recipient of an outbox row. `delivery_id` is None for answers, which have no delivery. `trail` is what earlier
    tries left behind where there are several axes, or by which one it is to go; it was written after the `tried`-th try."""

    code: str
    delivery_id: str | None = None
    trail: Trail | None = None
    tried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """One envelope on one route and lane, with the recipients still to reach."""

    id: str
    agency_id: str
    packet_id: str
    kind: Kind
    sender_code: str
    lane: Lane
    envelope_digest: Digest
    envelope_size: int
    targets: tuple[OutboxTarget, ...]
    created_at: datetime
    subject_id: str
    state: str = "waiting"
    attempts: int = 0
    not_before: datetime | None = None
    last_error: str | None = None
    signed_by: str | None = None
    """The certificate, by SHA-256; None for what was packed before this was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedOutbox:
    item: OutboxItem
    lease: Lease


# Of one packet; who publishes it under more words than these is sent back to the axis.
MOST_COPIES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisNote:
    """What the axis said of one copy of a packet, unsigned (A2). `node` is the publisher that it vouches for, `session` the
    authenticated session with a foreign axis by which it came."""

    packet_id: str
    kind: str
    sender: str
    node: str | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxPacket:
    """One landed packet. State: landed, done, waiting, held, quarantined, malformed, sealed, released, returned,
    discarded, dropped. `needs` is the (sender, DocumentId) a waiting packet waits for. `transport_…` is what the axis
    said of the copy that is judged, `untried` what it said of others, for when those words prove false. `released`: a
    person let it in, until the next verdict but that it waits. `axes` are those of several by which it came, in that
    order."""

    id: str
    agency_id: str
    file_digest: Digest
    size: int
    received_at: datetime
    transport_packet_id: str
    transport_kind: str
    transport_sender: str
    lane: Lane
    transport_node: str | None = None
    transport_session: str | None = None
    state: str = "landed"
    code: str | None = None
    reason: str | None = None
    sender_code: str | None = None
    document_id: str | None = None
    kind: str | None = None
    needs: tuple[str, str] | None = None
    incoming_id: str | None = None
    steps: tuple[Step, ...] = ()
    attempts: int = 0
    settled_at: datetime | None = None
    untried: tuple[AxisNote, ...] = ()
    released: bool = False
    axes: tuple[str, ...] = ()

    @property
    def axis(self) -> str:
        """By which it came first; empty where there is one axis."""
        return self.axes[0] if self.axes else ""

    @property
    def told(self) -> AxisNote:
        return AxisNote(
            packet_id=self.transport_packet_id,
            kind=self.transport_kind,
            sender=self.transport_sender,
            node=self.transport_node,
            session=self.transport_session,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedInbox:
    item: InboxPacket
    lease: Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The tombstone of an admitted packet (A4, A9); outlives retention."""

    sender: str
    body_digest: Digest
    kind: Kind
    packet_id: str | None
    document_id: str | None
    inbox_id: str
    incoming_id: str | None
    at: datetime
    terms: Digest | None = None
    """SHA-256 of what its Signature says beside the body (W6a); None where that is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterEntry:
    """One line of the book of incoming documents. `catch_up` is the stop after which it was made up for; a struck line
    keeps its number."""

    incoming_id: str
    book: str
    year: int
    number: str
    entered_at: datetime
    entered_by: str | None = None
    """The principal; None for what was entered before this was kept."""
    catch_up: str | None = None
    struck_at: datetime | None = None
    struck_by: str | None = None
    struck_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """The hand-over of one incoming document to the agency's document system (interfaces.md 1.4)."""

    incoming_id: str
    state: str
    leased_by: str | None = None
    leased_until: datetime | None = None
    acked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What an idempotency key stands for: still running, or the answer to give again."""

    digest: str
    running: bool
    status: int | None = None
    body: str | None = None


class Stopped(StrEnum):
    """How sure it is that a row which is tried no more has reached no axis."""

    NEVER_LEFT = "never_left"
    MAY_HAVE_LEFT = "may_have_left"


class Outbox(Protocol):
    async def put(self, item: OutboxItem) -> None: ...

    async def get(self, id: str) -> OutboxItem: ...

    async def of_subject(self, subject_id: str) -> Sequence[OutboxItem]: ...

    async def sent(self, these: Sequence[Lease], at: datetime) -> None:
        """All targets of each are settled. StaleLease when one of the leases is no longer ours."""

    async def retry(
        self, lease: Lease, not_before: datetime, targets: Sequence[OutboxTarget], error: str
    ) -> None:
        """Waits again with the recipients that remain. StaleLease as above."""

    async def failed(self, lease: Lease, at: datetime, error: str) -> None: ...

    async def signed_again(self, lease: Lease, item: OutboxItem) -> None:
        """The row has this envelope from now on, with what signed it. StaleLease as above."""

    async def stop(self, id: str, now: datetime) -> Stopped | None:
        """It is not tried again. None while a courier has it, and when it has ended."""

    async def page(
        self, *, limit: int, states: Sequence[str] = (), cursor: str | None = None
    ) -> Page[OutboxItem]: ...


class Inbox(Protocol):
    async def with_bytes(self, file_digest: Digest) -> InboxPacket | None:
        """The packet that came with these bytes."""

    async def land(self, item: InboxPacket) -> InboxPacket:
        """The row written before the axis is told; unique on (agency, file digest): the existing row when there."""

    def land_to_settle(self, item: InboxPacket, lease: Lease) -> None:
        """The same for who settles it under that lease in the same unit of work. Clash, at the latest when that ends, where
        its bytes are here already."""

    async def get(self, id: str) -> InboxPacket: ...

    async def settle(self, item: InboxPacket, lease: Lease | None) -> None:
        """Writes state, code, reason, sender, document id, kind, needs, incoming id, steps. StaleLease when a lease is
        given and no longer ours; without one the row must be out of any live lease (a person's act), else Clash."""

    async def still_held(self, lease: Lease) -> None:
        """StaleLease when the row is another's by now, or at its end; in a writing unit of work it stays ours until that
        ends."""

    async def postpone(self, lease: Lease, not_before: datetime, error: str, *, counted: bool = True) -> None:
        """`counted`: this try counts among those after which a packet is no longer tried."""

    async def waiting_for(self, sender: str, document_id: str) -> Sequence[InboxPacket]: ...

    async def reopen(self, id: str, *, told: AxisNote | None = None, released: bool = False) -> None:
        """A waiting, held, quarantined, malformed or dropped row is landed again, to be verified from the start, its tries
        counted anew: by the words of another copy where given. `released`: a person lets it in. Clash in any other
        state."""

    async def also_told(self, id: str, told: AxisNote) -> bool:
        """Another copy came with other words; they are kept for `try_next`. False when there is no more room for them."""

    async def also_came(self, id: str, axis: str) -> bool:
        """The same bytes came by this axis too; whether that is news."""

    async def try_next(self, lease: Lease) -> AxisNote | None:
        """The words by which it was judged are false: landed again by those of the next copy, or None where no other
        came. StaleLease as above."""

    async def page(
        self, *, limit: int, states: Sequence[str] = (), cursor: str | None = None
    ) -> Page[InboxPacket]: ...


class Jobs(Protocol):
    async def put(
        self,
        kind: str,
        subject_id: str,
        not_before: datetime | None = None,
        payload: StatusPacket | None = None,
    ) -> None:
        """Commits with the caller's transaction; the adapter turns `payload` to JSON and back."""

    async def done(self, lease: Lease) -> None:
        """StaleLease when another worker owns it now."""

    async def retry(self, lease: Lease, not_before: datetime, error: str) -> None: ...

    async def fail(self, job: Job, error: str) -> None:
        """It is kept with its error and never done. StaleLease when another worker owns it now."""

    async def cancel(self, kind: str, subject_id: str) -> bool:
        """True when a job not yet leased was removed."""

    async def error_of(self, subject_id: str) -> str | None: ...
