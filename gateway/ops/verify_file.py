"""Judge one envelope file as a receiving node would, with a trust folder as registry (K7, offline check). In: a file, a
folder, a time. Out: the data that `gateway verify` prints: verdict, steps, signer, chain, revocation, commitment, as plain
JSON values. No node, database or network is needed. Bad contents of the file are a verdict, not an error; a missing file or
an unusable folder is an error that tells what to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from gateway.domain.proof import ChainLink, Evidence, Receipt, SignedEnvelope
from gateway.edxml import verify
from gateway.edxml.envelope import Envelope
from gateway.edxml.policy import XmlPolicy
from gateway.errors import CannotTell, InvalidEnvelope, Misconfigured, NotFound
from gateway.ops import pdf
from gateway.ops.evidence import judge
from gateway.ops.evidence.judge import JudgedSignature
from gateway.ops.plain_data import plain_fields
from gateway.policy.trust import TrustPolicy
from gateway.trust import folder

_PIECE = 256 * 1024


def verify_file(path: Path, trust_dir: Path, at: datetime, now: datetime | None = None) -> dict[str, Any]:
    """Judge a file as if it had arrived at `at`, and again as of `now`, by default the same time; return plain data (see
    `report`). The time of a trusted timestamp is a good `at` (K2, proved time). It makes the verification steps 1 to 11 as
    far as the file allows; step 12 needs a register."""
    if at.tzinfo is None:
        raise Misconfigured(
            f"the time {at.isoformat()} has no zone", hint="write it like 2031-03-04T09:15:00+07:00"
        )
    registry = folder.read_trust_folder(trust_dir, now)
    source = verify.EnvelopeSource(open=_opener(path), size=_size(path))
    try:
        examined = verify.examine(source, policy=XmlPolicy(), bindings=registry.bindings, at=at)
    except (InvalidEnvelope, CannotTell) as error:
        judged_then = judge.judge_failure(error, at)
        return report(judged_then, judged_then) | {"pdf": []}  # unsigned bytes have no PDFs
    signed, octets = examined.signed, examined.canonical
    judged_then = judged_now = judge.judge_signer(signed, registry.trust, at, TrustPolicy())
    if now is not None and now != at:
        # An old signature is no fault of an old file.
        judged_now = judge.judge_signer(signed, registry.trust, now, TrustPolicy(signing_past=judge.ANY_PAST))

    def opened() -> BinaryIO:
        return path.open("rb") if octets is None else BytesIO(octets)

    return report(judged_then, judged_now) | {
        "pdf": pdf.describe(signed.files, opened, trust_dir, at, now or at, sender=signed.sender_code)
    }


def _size(path: Path) -> int:
    try:
        if not path.is_file():
            raise NotFound(f"there is no file {path}", hint="give the path of one .edxml file")
        return path.stat().st_size
    except OSError as error:
        raise NotFound(f"the file {path} cannot be read: {error.strerror}") from error


def _opener(path: Path) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        try:
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    yield piece
        except OSError as error:
            raise NotFound(f"the file {path} cannot be read: {error.strerror}") from error

    return pieces


def report(then: JudgedSignature, now: JudgedSignature) -> dict[str, Any]:
    """Return the verdict `then` as plain data, together with the verdict as of `now`."""
    signed, evidence = then.signed, then.evidence
    return {
        "verdict": then.word,
        "code": then.code,
        "at": then.at.isoformat(),
        "now": {"at": now.at.isoformat(), "verdict": now.word, "code": now.code},
        "path": signed.path if signed else "general",  # the fast path never refuses
        "steps": [plain_fields(step, "n name ok detail") for step in then.steps],
        "notes": [plain_fields(note, "code detail") for note in then.notes if note.code],
        "signer": {
            "code": signed.sender_code,
            "subject": evidence.subject if evidence else None,
            "serial": evidence.serial if evidence else None,
        }
        if signed
        else None,
        "algorithm": signed.algorithm if signed else None,
        "weak": signed.weak if signed else None,
        "signing_time": _moment_text(signed.signing_time) if signed else None,
        "chain": [_chain_link(link) for link in evidence.chain] if evidence else [],
        "revocation": _revocation_facts(evidence, now.evidence) if evidence else None,
        "commitment": _commitment(signed) if signed else None,
        "body_sha256": str(signed.body_digest) if signed else None,
    }


def _chain_link(link: ChainLink) -> dict[str, Any]:
    return plain_fields(link, "subject serial sha256 not_before not_after anchor")


def _revocation_facts(evidence: Evidence, now: Evidence | None) -> dict[str, Any]:
    return {
        "state": evidence.revocation,
        "source": evidence.revocation_source or None,
        "as_of": _moment_text(evidence.revocation_as_of),
        "revoked_at": _moment_text(evidence.revoked_at or (now.revoked_at if now else None)),
        "reason": evidence.revocation_reason or (now.revocation_reason if now else None),
        "now_state": now.revocation if now else None,
    }


def _commitment(signed: SignedEnvelope[Envelope]) -> dict[str, Any] | None:
    """Return the signer's commitment (W6, commitments) as plain data; None when only the document itself is signed."""
    if signed.packet_id is None:
        return None
    receipt, terms = signed.receipt, signed.terms
    return {
        "kind": "proof-of-origin" if receipt is None else "proof-of-receipt",
        "message": {"id": signed.packet_id, "kind": signed.kind.value},
        # W6a (signed terms); null means that nothing was said.
        "terms": {
            **plain_fields(terms, "reply_required due_at delivery_mode"),
            "recipients": [{"code": code, "role": role} for code, role in terms.roles],
            **plain_fields(terms, "register_no register_year"),
        }
        if terms
        else None,
        "receipt": _receipt(receipt) if receipt else None,
    }


def _receipt(receipt: Receipt) -> dict[str, Any]:
    names = "of_message=of_packet_id of_document=of_document_id of_sender body_sha256=body_digest"
    return plain_fields(receipt, f"{names} file_sha256=file_digest size received_at status_code verdict")


def _moment_text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
