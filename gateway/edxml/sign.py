"""Makes the Signature of a native envelope. The digest of the body, a qualifier and a signer go in; the bytes of S
come out, in a length that was known before (W5–W8). It signs what it is told: who may sign, and with which key at
which time (W9), is decided by the caller, and the fast path verifies the result before it leaves (W10)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from gateway.domain.document import Kind
from gateway.domain.identity import Digest, PacketId
from gateway.domain.receipt import Receipt
from gateway.domain.terms import Terms
from gateway.edxml import names, terms, text
from gateway.edxml.signature import VERDICTS, SignatureParts, render
from gateway.errors import BreaksRule, Misconfigured

if TYPE_CHECKING:
    from gateway.ports import EnvelopeSigner

_NO_DIGEST: Final = Digest("0" * 64)
_MAX_TEXT: Final = 1020


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualifier:
    """What the signature says about the packet (W6): its id, its kind, what the dialect has no field for
    (W6a) and, in an answer, the receipt."""

    packet_id: PacketId
    kind: Kind
    receipt: Receipt | None = None
    terms: Terms | None = None


def signature(
    body_digest: Digest, signer: EnvelopeSigner, qualifier: Qualifier, signing_time: datetime
) -> bytes:
    """S over a body whose digest is known."""
    parts = replace(_unsigned(signer, qualifier, signing_time), body_digest=body_digest)
    properties = hashlib.sha256(parts.signed_properties).digest()
    parts = replace(parts, properties_digest=Digest.of_bytes(properties))
    value = signer.sign(parts.signed_info)
    if len(value) != signer.signature_length:
        raise Misconfigured(
            f"the key of {signer.agency_code} gave a signature of {len(value)} bytes where "
            f"{signer.signature_length} were announced; check which algorithm its adapter is set to"
        )
    return render(replace(parts, value=value))


def signature_size(signer: EnvelopeSigner, qualifier: Qualifier, signing_time: datetime) -> int:
    """The length of S in bytes, before there is a digest to sign: the gap that the writer leaves."""
    return len(render(_unsigned(signer, qualifier, signing_time)))


def _unsigned(signer: EnvelopeSigner, qualifier: Qualifier, signing_time: datetime) -> SignatureParts:
    if signer.algorithm not in names.ALGORITHM_URIS:
        raise Misconfigured(
            f"the key of {signer.agency_code} signs with {signer.algorithm!r}; "
            f"expected one of {', '.join(names.ALGORITHM_URIS)}"
        )
    if signing_time.tzinfo is None:
        raise BreaksRule("the signing time has no zone; give an aware time")
    check_qualifier(qualifier)
    certificate = signer.certificate_der
    return SignatureParts(
        algorithm=signer.algorithm,
        body_digest=_NO_DIGEST,
        properties_digest=_NO_DIGEST,
        value=bytes(signer.signature_length),
        certificate_der=certificate,
        certificate_digest=Digest.of_bytes(hashlib.sha256(certificate).digest()),
        signing_time=signing_time,
        packet_id=qualifier.packet_id,
        kind=qualifier.kind,
        receipt=qualifier.receipt,
        terms=qualifier.terms,
    )


def check_qualifier(qualifier: Qualifier) -> None:
    """BreaksRule for what W6 does not allow it to say."""
    receipt = qualifier.receipt
    said: dict[str, str] = {"gw:Id": qualifier.packet_id}
    if receipt is not None:
        if qualifier.kind is not Kind.STATUS or receipt.status_code == "13":
            raise BreaksRule("a receipt stands only in a status, and not in a 13 (W6)")
        if receipt.verdict not in VERDICTS:
            raise BreaksRule(f"gw:Verdict must be one of {sorted(VERDICTS)}, not {receipt.verdict!r}")
        if receipt.size is not None and receipt.size < 0:
            raise BreaksRule(f"gw:Size cannot be {receipt.size}")
        if receipt.received_at is not None and receipt.received_at.tzinfo is None:
            raise BreaksRule("gw:Received has no zone; give an aware time")
        said |= {
            "gw:StatusCode": receipt.status_code,
            "gw:OfMessageId": receipt.of_packet_id or "-",
            "gw:OfDocumentId": receipt.of_document_id or "-",
            "gw:OfFrom": receipt.of_sender or "-",
        }
    if qualifier.terms is not None and (
        reason := terms.fault(qualifier.terms, qualifier.kind, receipt=receipt is not None)
    ):
        raise BreaksRule(f"gw:Terms {reason}")
    for where, value in said.items():
        if reason := text.fault(value, _MAX_TEXT):
            raise BreaksRule(f"{where} {reason}")
