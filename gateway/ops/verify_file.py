"""Judges one envelope file as our own axis would, with a trust folder for registry (K7). In: a file, a folder, a time.
Out: the data that `gateway verify` prints. No node, no database, no network. What a file contains never raises:
it is a verdict. A file that is not there or a folder that cannot be used is an error that says what to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from gateway.domain.proof import SignedEnvelope, VerifiedEnvelope
from gateway.edxml import verify
from gateway.edxml.envelope import Envelope
from gateway.edxml.policy import XmlPolicy
from gateway.errors import CannotTell, InvalidEnvelope, Misconfigured, NotFound
from gateway.ops import verify_pdf
from gateway.ops.verify_report import Judgement, report
from gateway.policy.trust import TrustPolicy, decide
from gateway.trust import folder
from gateway.trust.folder import TrustFolder

_PIECE = 256 * 1024
_ANY_AGE = timedelta(days=36500)


def verify_file(path: Path, trust_dir: Path, at: datetime, now: datetime | None = None) -> dict[str, Any]:
    """The verdict on a file as if it had arrived at `at`, and beside it what would be said `now`, by default the same
    time; see `verify_report`. A trusted timestamp's time is a good `at` (K2).

    Steps 1 to 11 as far as the file can show them; step 12 needs a register and is not reached.
    """
    if at.tzinfo is None:
        raise Misconfigured(
            f"the time {at.isoformat()} has no zone", hint="write it like 2031-03-04T09:15:00+07:00"
        )
    registry = folder.read(trust_dir, now)
    given = verify.Source(open=_opener(path), size=_size(path))
    then = _judged(given, registry, at)
    today = then if now is None or now == at or then.signed is None else _again(then.signed, registry, now)
    told = report(then, today)
    told["pdf"] = _pdfs(then, path, trust_dir, now or at)
    return told


def _pdfs(then: Judgement, path: Path, trust_dir: Path, now: datetime) -> list[dict[str, Any]]:
    """The PDFs inside: none of an envelope whose bytes are not signed as they say."""
    if then.signed is None:
        return []
    octets = then.canonical

    def opened() -> BinaryIO:
        return path.open("rb") if octets is None else BytesIO(octets)

    return verify_pdf.describe(then.signed.files, opened, trust_dir, then.at, now)


def _judged(given: verify.Source, registry: TrustFolder, at: datetime) -> Judgement:
    try:
        examined = verify.examine(given, policy=XmlPolicy(), bindings=registry.bindings, at=at)
    except InvalidEnvelope as refusal:
        return Judgement(verdict="invalid", code=refusal.code, at=at, steps=refusal.steps)
    except CannotTell as doubt:
        return Judgement(verdict="unknown", code=doubt.code, at=at, steps=doubt.steps)
    judged = _of_signer(examined.signed, registry, at, TrustPolicy())
    return replace(judged, canonical=examined.canonical)


def _again(signed: SignedEnvelope[Envelope], registry: TrustFolder, now: datetime) -> Judgement:
    """Whether the same would be said today. That it was signed long ago is no fault of an old file."""
    return _of_signer(signed, registry, now, TrustPolicy(signing_past=_ANY_AGE))


def _of_signer(
    signed: SignedEnvelope[Envelope], registry: TrustFolder, at: datetime, policy: TrustPolicy
) -> Judgement:
    evidence = registry.trust.collect(signed.certificate_der, at)
    known = partial(Judgement, at=at, signed=signed, evidence=evidence)
    try:
        proved: VerifiedEnvelope[Envelope] = decide(signed, evidence, policy, at)
    except InvalidEnvelope as refusal:
        return known(verdict="invalid", code=refusal.code, steps=refusal.steps)
    except CannotTell as doubt:
        return known(verdict="unknown", code=doubt.code, steps=doubt.steps)
    return known(verdict="valid", code=None, steps=proved.steps, notes=proved.notes)


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
