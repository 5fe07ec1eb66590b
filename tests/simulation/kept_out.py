"""Packets that a node keeps out for good, because the certificate that they were signed under had ended when they
arrived: a sender is proved as of the arrival (K2), and they cannot be let in later. In: the rows of all nodes, and which
certificates end. Out: such packets with what they would have said, read from their own bytes."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from tests.simulation.rows import Row, Rows

_CODES = ("SIG-PIN", "SIG-NO-BINDING")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapse:
    """End of a certificate, in UTC, and the SHA-256 of it."""

    ends_at: datetime
    certificate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOut:
    """Packet `packet_id` from `sender` to `recipient`, in the row `inbox_id`. A status has its code, the packet that it
    answers, and the document that it is about."""

    inbox_id: str
    packet_id: str
    sender: str
    recipient: str
    status: str
    answers: str
    document_id: str


def find(sides: Iterable[Rows], lapses: Mapping[str, Lapse]) -> list[KeptOut]:
    return [item for side in sides for item in _of_side(side, lapses)] if lapses else []


def _of_side(side: Rows, lapses: Mapping[str, Lapse]) -> Iterator[KeptOut]:
    for row in side["inbox"]:
        lapse = lapses.get(row["transport_sender"])
        if lapse is None or row["state"] != "quarantined" or row["code"] not in _CODES or row["lease_token"]:
            continue
        words = side.content_of(row["file_digest"]).decode()
        if _was_late(row, words, lapse):
            yield KeptOut(
                inbox_id=row["id"],
                packet_id=row["transport_packet_id"],
                sender=row["transport_sender"],
                recipient=row["agency"],
                status=_first(r"StatusCode>(\d\d)<", words),
                answers=_first(r"Mã gói tin: (pkt_\w+)", words),
                document_id=_first(r"ResponseFor>.*?DocumentId>([^<]*)<", words),
            )


def let_in(sides: Iterable[Rows], lapses: Mapping[str, Lapse]) -> Iterator[str]:
    """Name packets that should have been kept out, and were taken in."""
    for side in sides:
        for row in side["inbox"]:
            lapse = lapses.get(row["transport_sender"])
            if lapse is None or row["state"] != "done":
                continue
            try:
                words = side.content_of(row["file_digest"]).decode()
            except FileNotFoundError:  # statuses are not kept
                continue
            if _is_of(words, lapse) and _received_at(row) >= lapse.ends_at:
                yield f"{side.name} {row['id']}: taken in, and its certificate had ended at {lapse.ends_at}"


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
