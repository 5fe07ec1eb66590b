"""Work that waits for a worker in one agency: envelopes to send, landed packets, jobs; and the lease under which a worker
holds one of them. Frozen values, without I/O."""

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

# The most copies of one packet with different routing; further ones are returned to the axis.
MOST_COPIES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Right of a worker to finish one row until `ends_at`; a result under another token is discarded."""

    id: str
    token: str
    ends_at: datetime
    attempt: int


# Judges signatures again: those of one document that came or was sent, or batch by batch whose the signatures are on all
# documents of one side, or on all mail of one sender.
SIGNATURES_JOB = "signatures"
_OF_SENT, _OF_LIST = "sent:", "list:"
_OF_SENDER = "seal:"  # in jobs of former versions


def list_subject(side: str, sender: str = "", cursor: str = "") -> str:
    """Return the subject of the job that looks again at arrivals ("in"), from one sender or all, or was sent ("out"), from
    a place in that list."""
    return f"{_OF_LIST}{side}:{sender}:{cursor}"


def list_of_job(subject_id: str) -> tuple[str, str, str] | None:
    """Return side, sender and place of such a job; None for another one."""
    if subject_id.startswith(_OF_SENDER):
        return "in", subject_id.removeprefix(_OF_SENDER), ""
    side, sender, cursor = [*subject_id.removeprefix(_OF_LIST).split(":", 2), "", ""][:3]
    return (side, sender, cursor) if subject_id.startswith(_OF_LIST) else None


def sent_signatures_subject(document_id: str) -> str:
    """Return the subject of the job that judges again a document which this node sent."""
    return f"{_OF_SENT}{document_id}"


def sent_document_of_job(subject_id: str) -> str | None:
    """Return the sent document of such a job; None for another one."""
    return subject_id.removeprefix(_OF_SENT) if subject_id.startswith(_OF_SENT) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work to do later. `kind`: `pack` (subject: outgoing document id), `answer` (subject: inbox id; `payload` is the
    status packet to sign) or `signatures`."""

    id: str
    agency_id: str
    kind: str
    subject_id: str
    lease: Lease
    payload: StatusPacket | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxTarget:
    """Recipient of an outbox row. `delivery_id` is None for answers, which have no delivery. `trail` is the result of
    earlier attempts where there are several axes, or the axis to use; it was written after attempt number `tried`."""

    code: str
    delivery_id: str | None = None
    trail: Trail | None = None
    tried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """Envelope on one route and lane, with the recipients still to reach."""

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
    """SHA-256 of the certificate; None for rows older than this field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedOutbox:
    """Outbox row under a lease: claimed, or just written by this process. A row of this process still has the envelope's
    bytes (`body`), and knows whether it may answer documents that were received (`may_answer`)."""

    item: OutboxItem
    lease: Lease
    body: bytes | None = None
    open: Callable[[], BinaryIO] | None = None
    """Opens the envelope of such a row if it is too large to stay in memory."""
    may_answer: bool = True


class Stopped(StrEnum):
    """Certainty that a stopped row has reached no axis."""

    NEVER_LEFT = "never_left"
    MAY_HAVE_LEFT = "may_have_left"


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisNote:
    """Unsigned routing of one copy of a packet, as the axis states it (A2, unsigned words). `node` is the publisher that
    the axis vouches for, `session` the authenticated session with a foreign axis that brought the copy."""

    packet_id: str
    kind: str
    sender: str
    node: str | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxPacket:
    """Landed packet. `state` is landed, done, waiting, held, quarantined, malformed, sealed, released, returned,
    discarded or dropped. `needs` is the (sender, DocumentId) that a waiting packet waits for. `transport_…` is the
    routing of the copy that is judged, `untried` that of other copies, used if the first proves false. `released`: a
    person let it in, until the next verdict other than waiting. `axes` are the axes that brought it, in order."""

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
        """Axis that brought it first; empty where there is only one axis."""
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
    """Packet under a worker's lease: claimed, or just arrived. A new arrival lands in the unit of work that finishes it;
    `body` has its bytes if it is small."""

    item: InboxPacket
    lease: Lease
    body: bytes | None = None
    has_landed: bool = True
