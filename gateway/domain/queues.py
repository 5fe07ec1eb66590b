"""Work that waits for a worker in one agency: envelopes to send, landed packets, jobs; and the lease under which a worker
has one of them. Frozen values; nothing here asks or writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO

from gateway.domain.document import Kind, Lane
from gateway.domain.identity import Digest
from gateway.domain.proof import StatusPacket, Step
from gateway.domain.routes import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A worker's right to finish one row, until `ends_at`; a completion with another token is discarded."""

    id: str
    token: str
    ends_at: datetime
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
    """One recipient of an outbox row. `delivery_id` is None for answers, which have no delivery. `trail` is the result of
    earlier tries where there are several axes, or the axis it is to take; it was written after the `tried`-th try."""

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
    """The certificate, by SHA-256; None for rows older than this field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedOutbox:
    """An outbox row under a lease: claimed, or just written by this very process. In the latter case the envelope's bytes
    are still there (`body`), and whether it may answer documents that came in."""

    item: OutboxItem
    lease: Lease
    body: bytes | None = None
    open: Callable[[], BinaryIO] | None = None
    """Reads the envelope of such a one that is no longer in memory, because it is large."""
    may_answer: bool = True


class Stopped(StrEnum):
    """Certainty that a row which is tried no more has reached no axis."""

    NEVER_LEFT = "never_left"
    MAY_HAVE_LEFT = "may_have_left"


# Copies of one packet with different routing; further ones are sent back to the axis.
MOST_COPIES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisNote:
    """Unsigned routing of one copy of a packet, from the axis (A2). `node` is the publisher that it vouches for, `session`
    the authenticated session with a foreign axis that brought it."""

    packet_id: str
    kind: str
    sender: str
    node: str | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxPacket:
    """One landed packet. State: landed, done, waiting, held, quarantined, malformed, sealed, released, returned, discarded,
    dropped. `needs` is the (sender, DocumentId) a waiting packet waits for. `transport_…` is the axis's routing of the copy
    that is judged, `untried` that of other copies, used if the first proves false. `released`: a person let it in, until
    the next verdict other than waiting. `axes` are those of several that brought it, in that order."""

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
        """The axis that brought it first; empty where there is one axis."""
        return self.axes[0] if self.axes else ""

    @property
    def routing(self) -> AxisNote:
        return AxisNote(
            packet_id=self.transport_packet_id,
            kind=self.transport_kind,
            sender=self.transport_sender,
            node=self.transport_node,
            session=self.transport_session,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedInbox:
    """A packet under a worker's lease: claimed, or just arrived. A new arrival lands in the unit of work that finishes it;
    `body` is its bytes where it is small."""

    item: InboxPacket
    lease: Lease
    body: bytes | None = None
    has_landed: bool = True
