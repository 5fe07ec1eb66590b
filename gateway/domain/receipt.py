"""A receipt: who says what about which packet, and when (`verification.md` R2)."""

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.identity import Digest, DocumentId, PacketId


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
