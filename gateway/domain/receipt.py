"""A receipt: who says what about which packet, and when (`verification.md` R2); and the status packet it rides in."""

from dataclasses import dataclass
from datetime import date, datetime

from gateway.domain.document import Staff
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The proof of receipt that a signed status carries; the digests name exactly what was held."""

    of_packet_id: PacketId | None
    of_document_id: DocumentId | None
    of_sender: str | None
    body_digest: Digest | None
    file_digest: Digest | None
    size: int | None
    received_at: datetime | None
    status_code: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPacket:
    """A status that one of our agencies is about to sign and send. `delivery_id` is set where a delivery of ours is
    concerned (13); `receipt` where it answers an envelope."""

    packet_id: PacketId
    sender_code: str
    to_code: str
    code: str
    document_id: DocumentId
    document_code: str | None
    issued_on: date | None
    stated_at: datetime
    description: str | None = None
    staff: Staff | None = None
    receipt: Receipt | None = None
    terms: Terms | None = None
    delivery_id: str | None = None
    urgent: bool = False
