"""The frozen values that stores and flows hand each other beside the domain's own: leases, outbox, inbox, register."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from gateway.domain.document import Kind, Lane
from gateway.domain.identity import Digest
from gateway.domain.proof import Step
from gateway.domain.receipt import StatusPacket

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
class Target:
    """One recipient of an outbox row. `delivery_id` is None for answers, which have no delivery."""

    code: str
    delivery_id: str | None = None


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
    targets: tuple[Target, ...]
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
class Told:
    """What the axis said of one copy of a packet, unsigned (A2). `node` is the publisher that it vouches for."""

    packet_id: str
    kind: str
    sender: str
    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """One landed packet. State: landed, done, waiting, held, quarantined, malformed, sealed, released, returned,
    discarded, dropped. `needs` is the (sender, DocumentId) a waiting packet waits for. `transport_…` is what the axis
    said of the copy that is judged, `untried` what it said of others, for when those words prove false. `released`: a
    person let it in, until the next verdict but that it waits."""

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
    untried: tuple[Told, ...] = ()
    released: bool = False

    @property
    def told(self) -> Told:
        return Told(
            packet_id=self.transport_packet_id,
            kind=self.transport_kind,
            sender=self.transport_sender,
            node=self.transport_node,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedInbox:
    item: InboxItem
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
