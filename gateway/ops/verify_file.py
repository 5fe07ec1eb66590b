"""Judges one envelope file as our own axis would, with a trust folder for registry (K7). In: a file, a folder, a time.
Out: the data that `gateway verify` prints. No node, no database, no network. What a file contains never raises:
it is a verdict. A file that is not there or a folder that cannot be used is an error that says what to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.domain.proof import Evidence, SignedEnvelope, Step, VerifiedEnvelope
from gateway.edxml import verify
from gateway.edxml.envelope import Envelope
from gateway.edxml.policy import XmlPolicy
from gateway.errors import CannotTell, InvalidEnvelope, Misconfigured, NotFound
from gateway.policy.trust import TrustPolicy, decide
from gateway.trust import folder

_PIECE = 256 * 1024


def verify_file(path: Path, trust_dir: Path, at: datetime) -> dict[str, Any]:
    """The verdict on a file as if it had arrived at `at`: `verdict`, `code`, `path`, `steps`, `signer`, `body_sha256`.

    Steps 1 to 11 as far as the file can show them; step 12 needs a register and is not reached.
    """
    if at.tzinfo is None:
        raise Misconfigured(
            f"the time {at.isoformat()} has no zone", hint="write it like 2031-03-04T09:15:00+07:00"
        )
    registry = folder.read(trust_dir)
    given = verify.Source(open=_opener(path), size=_size(path))
    signed: SignedEnvelope[Envelope] | None = None
    evidence: Evidence | None = None
    try:
        signed = verify.envelope(given, policy=XmlPolicy(), bindings=registry.bindings, at=at)
        evidence = registry.trust.collect(signed.certificate_der, at)
        proved: VerifiedEnvelope[Envelope] = decide(signed, evidence, TrustPolicy(), at)
    except InvalidEnvelope as refusal:
        return _report("invalid", refusal.code, refusal.steps, signed, evidence)
    except CannotTell as doubt:
        return _report("unknown", doubt.code, doubt.steps, signed, evidence)
    return _report("valid", None, proved.steps, signed, evidence)


def _size(path: Path) -> int:
    try:
        if not path.is_file():
            raise NotFound(f"there is no file {path}", hint="give the path of one .edxml file")
        return path.stat().st_size
    except OSError as why:
        raise NotFound(f"the file {path} cannot be read: {why.strerror}") from why


def _opener(path: Path) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        try:
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    yield piece
        except OSError as why:
            raise NotFound(f"the file {path} cannot be read: {why.strerror}") from why

    return pieces


def _report(
    verdict: str,
    code: str | None,
    steps: Sequence[object],
    signed: SignedEnvelope[Envelope] | None,
    evidence: Evidence | None,
) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "code": code,
        "path": signed.path if signed else "general",  # the fast path never refuses
        "steps": [
            {"n": step.n, "name": step.name, "ok": step.ok, "detail": step.detail}
            for step in steps
            if isinstance(step, Step)
        ],
        "signer": _signer(signed, evidence) if signed else None,
        "body_sha256": str(signed.body_digest) if signed else None,
    }


def _signer(signed: SignedEnvelope[Envelope], evidence: Evidence | None) -> dict[str, str | None]:
    return {
        "code": signed.sender_code,
        "subject": evidence.subject if evidence else None,
        "serial": evidence.serial if evidence else None,
    }
