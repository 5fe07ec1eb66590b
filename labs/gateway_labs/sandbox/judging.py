"""What a robot finds of a packet that came to it, as any partner does: the form, the signature, who is named, which files.
In: bytes, the certificates bound to the sender. Out: a JSON document; nothing is ever raised for what a packet is.
Blocks: call it in the pool."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

from gateway.domain.document import Kind
from gateway.domain.identity import PacketId
from gateway.domain.proof import Binding, FileSlice, Receipt, SignedEnvelope, Terms
from gateway.edxml import attachment, schema, verify
from gateway.edxml.envelope import Envelope
from gateway.edxml.policy import XmlPolicy
from gateway.errors import GatewayError, InvalidEnvelope
from gateway.ports.axis import Arrival

_KINDS = frozenset(each.value for each in Kind)


def judge(arrival: Arrival, raw: bytes, bound: Sequence[Binding], at: datetime) -> dict[str, Any]:
    """`signature` is `valid`, or the code of the step that refused it; `form` is `ok` or what the schema says."""
    policy = XmlPolicy()
    told: dict[str, Any] = {
        "packet_id": arrival.packet_id,
        "kind": arrival.kind,
        "sender": arrival.sender,
        "lane": arrival.lane.value,
        "digest": hashlib.sha256(raw).hexdigest(),
        "size": len(raw),
        "document_id": "",
        "signature": "valid",
        "form": "",
    }
    source = verify.EnvelopeSource(size=len(raw), open=lambda: attachment.pieces(lambda: BytesIO(raw)))
    transport = verify.TransportFacts(
        packet_id=PacketId(arrival.packet_id),
        kind=Kind(arrival.kind) if arrival.kind in _KINDS else None,
    )
    try:
        found = verify.examine(source, policy=policy, bindings=lambda code: bound, at=at, transport=transport)
        problems = None if found.keeps_form() else schema.check(schema.skeleton([raw], policy.limits))
    except InvalidEnvelope as refused:
        return told | {"signature": refused.code, "detail": refused.detail}
    except GatewayError as refused:
        return told | {"signature": refused.code, "detail": str(refused)}
    against = found.signed.contradiction
    told["signature"] = "valid" if against is None else against.code
    told["form"] = "; ".join(str(each) for each in problems) if problems else "ok"
    return told | _said(found.signed)


def _said(signed: SignedEnvelope[Envelope]) -> dict[str, Any]:
    model = signed.model
    about = model.response_for[0] if model.response_for else None
    changed = model.business.document_id if model.business else None
    replaced = [each.document_id for each in model.business.replacements] if model.business else []
    status = model.status
    return {
        "packet_id": signed.packet_id or "",
        "kind": signed.kind.value,
        "sender": signed.sender_code,
        "body_digest": signed.body_digest,
        # Of a status and a request: the document that it is about.
        "document_id": (about.document_id if status and about else model.document_id) or "",
        "target": changed or "",
        "replaces": replaced,
        "to": [each.organ_id for each in model.to],
        "number": model.code.number if model.code else None,
        "symbol": model.code.notation if model.code else None,
        "date": model.promulgation_date.isoformat() if model.promulgation_date else None,
        "type": model.document_type.name if model.document_type else None,
        "subject": model.subject,
        "signer": model.signer.full_name if model.signer else None,
        "due": model.due_date.isoformat() if model.due_date else None,
        "priority": model.other.priority if model.other else None,
        "reason": model.business.reason if model.business else None,
        "replies_to": [
            {"agency": each.organ_id, "number": each.code, "document_id": each.document_id}
            for each in ([] if status else model.response_for)
        ],
        "status": {"code": status.code, "description": status.description} if status else None,
        "receipt": _receipt(signed.receipt),
        "terms": _terms(signed.terms),
        "files": [_file(each) for each in signed.files],
    }


def _receipt(receipt: Receipt | None) -> dict[str, Any] | None:
    if receipt is None:
        return None
    return {
        "packet_id": receipt.of_packet_id,
        "document_id": receipt.of_document_id,
        "body_digest": receipt.body_digest,
        "code": receipt.status_code,
    }


def _terms(terms: Terms | None) -> dict[str, Any]:
    if terms is None:
        return {}
    return {
        "reply_required": terms.reply_required,
        "register_no": terms.register_no,
        "register_year": terms.register_year,
    }


def _file(found: FileSlice) -> dict[str, Any]:
    return {"name": found.name, "size": found.size, "sha256": found.sha256, "damaged": found.damaged}
