"""Packets that are not heard: refused for good, because the certificate that they were signed under, or their sender's
code, had ended when they arrived (a sender is proved as of the arrival, K2); returned by a successor's node that did not
know yet; or never sent, because their agency had ended.
In: the rows of all nodes, and which certificates and codes end. Out: such packets with what they would have said, read from
their own bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.domain.registry_reform import QueuedMail
from tests.simulation.rows import Row, Rows

_CODES = ("SIG-PIN", "SIG-NO-BINDING")
_UNKNOWN = "SIG-SENDER"
# Beginning of the reason why packets of an agency that has ended are not sent.
SENDER_CLOSED = "sender-closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapse:
    """End of a certificate, in UTC, and the SHA-256 of it."""

    ends_at: datetime
    certificate: str


@dataclass(slots=True, kw_only=True)
class Ending:
    """End of a code at the beginning of a day, in UTC, whose successor is `heir`; mail that waits for it meets `queued`.
    `decided` are the moments at each node between which it began to know."""

    ends_at: datetime
    heir: str
    queued: QueuedMail
    decided: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)

    def may_be_known(self, node: str, at: datetime) -> bool:
        return node in self.decided and at >= self.decided[node][0]

    def is_known(self, node: str, at: datetime) -> bool:
        return node in self.decided and at > self.decided[node][1]


Endings = Mapping[str, Ending]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOut:
    """Packet `packet_id` from `sender` to `recipient`, in a row of that id. A status has its code, the packet that it
    answers, and the document that it is about."""

    row_id: str
    packet_id: str
    sender: str
    recipient: str
    status: str
    answers: str
    document_id: str


def find(sides: Iterable[Rows], lapses: Mapping[str, Lapse], endings: Endings) -> list[KeptOut]:
    """Find the packets that no receiver hears."""
    items = [item for side in sides for item in _of_side(side, lapses, endings)] if lapses or endings else []
    return items + [item for side in sides for item in _unsent(side, endings)] if endings else items


def _of_side(side: Rows, lapses: Mapping[str, Lapse], endings: Endings) -> Iterator[KeptOut]:
    for row in side["inbox"]:
        if row["state"] == "returned" and _came_too_early(side, row, endings.get(row["reason"] or "")):
            words = side.content_of(row["file_digest"]).decode()
            yield _packet(
                row["id"], row["transport_packet_id"], row["transport_sender"], row["agency"], words
            )
        if row["state"] != "quarantined" or row["lease_token"]:
            continue
        lapse, ending = lapses.get(row["transport_sender"]), endings.get(row["transport_sender"])
        if lapse is not None and row["code"] in _CODES:
            words = side.content_of(row["file_digest"]).decode()
            is_late = _was_late(row, words, lapse)
        elif ending is not None and row["code"] == _UNKNOWN:
            words = side.content_of(row["file_digest"]).decode()
            is_late = _came_after(side, row, ending)
        else:
            continue
        if is_late:
            yield _packet(
                row["id"], row["transport_packet_id"], row["transport_sender"], row["agency"], words
            )


def _unsent(side: Rows, endings: Endings) -> Iterator[KeptOut]:
    """Find the answers of agencies that have ended which were not sent: neither the agency nor a successor signs there."""
    for row in side["job"]:
        if (row["last_error"] or "").startswith(SENDER_CLOSED) and row["payload"]:
            packet = json.loads(row["payload"])
            receipt = packet.get("receipt") or {}
            yield KeptOut(
                row_id=row["id"],
                packet_id=packet["packet_id"],
                sender=row["agency"],
                recipient=packet["to_code"],
                status=packet["code"],
                answers=receipt.get("of_packet_id") or "",
                document_id=packet["document_id"],
            )
    for row in side["outbox"]:
        is_unsent = row["state"] == "failed" and (row["last_error"] or "").startswith(SENDER_CLOSED)
        if is_unsent and row["kind"] == "status" and row["agency"] in endings:
            words = side.content_of(row["envelope_digest"]).decode()
            yield _packet(row["id"], row["packet_id"], row["agency"], "", words)


def _packet(row_id: str, packet_id: str, sender: str, recipient: str, words: str) -> KeptOut:
    return KeptOut(
        row_id=row_id,
        packet_id=packet_id.removesuffix("-2"),  # a copy that the axis labelled anew
        sender=sender,
        recipient=recipient or _first(r"<[\w:]*(?:To|ResponseFor)>.*?OrganId>([^<]*)<", words),
        status=_first(r"StatusCode>(\d\d)<", words),
        answers=_first(r"Mã gói tin: (pkt_\w+)", words),
        document_id=_first(r"ResponseFor>.*?DocumentId>([^<]*)<", words),
    )


def from_ended(sides: Iterable[Rows], endings: Endings) -> Iterator[str]:
    """Name packets that a node took in from a code which had ended by then, although the node knew that."""
    for side in sides:
        for row in side["inbox"]:
            ending = endings.get(row["sender_code"] or "")
            if ending is None or row["state"] != "done" or not row["settled_at"]:
                continue
            if _received_at(row) >= ending.ends_at and ending.is_known(side.name, _received_at(row)):
                yield f"{side.name} {row['id']}: taken in from {row['sender_code']}, which had ended"


def _came_too_early(side: Rows, row: Row, ending: Ending | None) -> bool:
    """Tell whether mail for a code that ended came to its successor, whose node did not know of that yet."""
    return (
        ending is not None
        and row["agency"] == ending.heir
        and not ending.is_known(side.name, _received_at(row))
    )


def _came_after(side: Rows, row: Row, ending: Ending) -> bool:
    judged_at = datetime.fromisoformat(f"{row['settled_at']}+00:00")
    return _received_at(row) >= ending.ends_at and ending.may_be_known(side.name, judged_at)


def _was_late(row: Row, words: str, lapse: Lapse) -> bool:
    """Tell whether a packet was signed under the certificate before its end, and arrived after it."""
    signed_at = datetime.fromisoformat(_first(r"SigningTime>([^<]*)<", words))
    return _is_of(words, lapse) and signed_at <= lapse.ends_at <= _received_at(row)


def _is_of(words: str, lapse: Lapse) -> bool:
    certificate = base64.b64decode(_first(r"X509Certificate>([^<]*)<", words))
    return hashlib.sha256(certificate).hexdigest() == lapse.certificate


def _received_at(row: Row) -> datetime:
    return datetime.fromisoformat(f"{row['received_at']}+00:00")


def _first(pattern: str, words: str) -> str:
    match = re.search(pattern, words, re.DOTALL)
    return match[1] if match else ""
