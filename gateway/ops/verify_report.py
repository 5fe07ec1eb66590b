"""What a verification tells, as data for `gateway verify`: verdict, steps, signer, chain, revocation, commitment. In: a
judgement and the facts behind it. Out: plain values that JSON can hold. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.domain.proof import ChainLink, Evidence, Finding, SignedEnvelope, Step
from gateway.domain.receipt import Receipt
from gateway.domain.terms import Terms
from gateway.edxml.envelope import Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One verdict and the facts it rests on, as far as they were reached."""

    verdict: str
    code: str | None
    at: datetime
    steps: Sequence[object] = ()
    notes: Sequence[Finding] = ()
    signed: SignedEnvelope[Envelope] | None = None
    evidence: Evidence | None = None
    canonical: bytes | None = None


def report(then: Judgement, now: Judgement) -> dict[str, Any]:
    """The verdict of `then`, and beside it what would be said `now`."""
    signed, evidence = then.signed, then.evidence
    return {
        "verdict": then.verdict,
        "code": then.code,
        "at": then.at.isoformat(),
        "now": {"at": now.at.isoformat(), "verdict": now.verdict, "code": now.code},
        "path": signed.path if signed else "general",  # the fast path never refuses
        "steps": [
            {"n": step.n, "name": step.name, "ok": step.ok, "detail": step.detail}
            for step in then.steps
            if isinstance(step, Step)
        ],
        "notes": [{"code": note.code, "detail": note.detail} for note in then.notes if note.code],
        "signer": _signer(signed, evidence) if signed else None,
        "algorithm": signed.algorithm if signed else None,
        "weak": signed.weak if signed else None,
        "signing_time": _text(signed.signing_time) if signed else None,
        "chain": [_link(each) for each in evidence.chain] if evidence else [],
        "revocation": _revocation(evidence, now.evidence) if evidence else None,
        "commitment": _commitment(signed) if signed else None,
        "body_sha256": str(signed.body_digest) if signed else None,
    }


def _signer(signed: SignedEnvelope[Envelope], evidence: Evidence | None) -> dict[str, str | None]:
    return {
        "code": signed.sender_code,
        "subject": evidence.subject if evidence else None,
        "serial": evidence.serial if evidence else None,
    }


def _link(each: ChainLink) -> dict[str, Any]:
    return {
        "subject": each.subject,
        "serial": each.serial,
        "sha256": each.sha256,
        "not_before": each.not_before.isoformat(),
        "not_after": each.not_after.isoformat(),
        "anchor": each.anchor,
    }


def _revocation(evidence: Evidence, now: Evidence | None) -> dict[str, Any]:
    return {
        "state": evidence.revocation,
        "source": evidence.revocation_source or None,
        "as_of": _text(evidence.revocation_as_of),
        "revoked_at": _text(evidence.revoked_at or (now.revoked_at if now else None)),
        "reason": evidence.revocation_reason or (now.revocation_reason if now else None),
        "now_state": now.revocation if now else None,
    }


def _commitment(signed: SignedEnvelope[Envelope]) -> dict[str, Any] | None:
    """What the signer committed to (W6); None where nothing is signed beside the document itself."""
    if signed.packet_id is None:
        return None
    receipt = signed.receipt
    return {
        "kind": "proof-of-origin" if receipt is None else "proof-of-receipt",
        "message": {"id": signed.packet_id, "kind": signed.kind.value},
        "terms": _terms(signed.terms) if signed.terms else None,
        "receipt": _receipt(receipt) if receipt else None,
    }


def _terms(terms: Terms) -> dict[str, Any]:
    """W6a; null is what was not said."""
    return {
        "reply_required": terms.reply_required,
        "due_at": _text(terms.due_at),
        "delivery_mode": terms.delivery_mode,
        "recipients": [{"code": code, "role": role} for code, role in terms.roles],
        "register_no": terms.register_no,
        "register_year": terms.register_year,
    }


def _receipt(receipt: Receipt) -> dict[str, Any]:
    return {
        "of_message": receipt.of_packet_id,
        "of_document": receipt.of_document_id,
        "of_sender": receipt.of_sender,
        "body_sha256": receipt.body_digest,
        "file_sha256": receipt.file_digest,
        "size": receipt.size,
        "received_at": _text(receipt.received_at),
        "status_code": receipt.status_code,
        "verdict": receipt.verdict,
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
