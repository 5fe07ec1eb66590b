"""Judges the signatures of PDFs and reads their fields, offline. In: a PDF, or the PDFs of a verified envelope; the
trust folder (`DIR/pdf`, or DIR itself for a PDF alone), the time of arrival to assume and the time of asking. Out:
the data that `gateway verify` prints of signatures, and `gateway read` of fields. No node, no database, no network;
the file is parsed in the process for that, and what it contains is a verdict."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from gateway.api.pdf_view import FIELD_NAMES, field_value
from gateway.domain.pdf import Found
from gateway.domain.proof import FileSlice
from gateway.domain.signatures import FileVerdict, PdfFacts, RoleRule, SignerVerdict
from gateway.edxml import attachment
from gateway.errors import Misconfigured, NotFound, StoreFailure
from gateway.policy import pdf_verdict
from gateway.policy.pdf_fields import is_complete, read_fields
from gateway.policy.recipients_block import items_of
from gateway.trust.pdf_signatures import sandbox as roles
from gateway.trust.pdf_signatures.sandbox import PdfSandbox

_PIECE = 256 * 1024
_HEAD = b"%PDF-"
MOST_FILES = 50
_HINT = "give the path of one PDF"


def is_pdf(path: Path) -> bool:
    """Whether the file says of itself that it is one; what cannot be read is told by whoever reads on."""
    try:
        with path.open("rb") as file:
            return file.read(1024).lstrip().startswith(_HEAD)
    except OSError:
        return False


def verify_pdf(path: Path, trust_dir: Path, at: datetime, now: datetime) -> dict[str, Any]:
    """The verdict on one PDF as if it had come at `at`: `verdict`, `code`, `legal_value`, `signed_at`, `signers`."""
    with _opened(_folder(trust_dir)) as (sandbox, rules):
        try:
            facts = sandbox.read(path, at, now)
        except StoreFailure as why:
            raise NotFound(str(why), hint=_HINT) from why
    verdict = pdf_verdict.judge(path.name, 1, _usable(facts, trust_dir), rules)
    signed_at = pdf_verdict.signed_at(verdict)
    return described(verdict) | {
        "at": at.isoformat(),
        "now": {"at": now.isoformat()},
        "legal_value": pdf_verdict.legal_value(verdict),
        "signed_at": signed_at.isoformat() if signed_at else None,
        "proofs_inside": facts.proofs_inside,
    }


def describe(
    files: tuple[FileSlice, ...],
    opener: Callable[[], BinaryIO],
    trust_dir: Path,
    at: datetime,
    now: datetime,
) -> list[dict[str, Any]]:
    """The PDFs of a verified envelope; `opener` opens the octets in which their slices lie."""
    found = []
    with _opened(trust_dir / "pdf") as (sandbox, rules), tempfile.TemporaryDirectory() as scratch:
        for part in files[:MOST_FILES]:
            path = Path(scratch) / str(part.n)
            if part.damaged is None and _decode(part, opener, path):
                facts = _usable(sandbox.read(path, at, now), trust_dir)
                found.append(described(pdf_verdict.judge(part.name, part.n, facts, rules)))
            path.unlink(missing_ok=True)
    return found


def described(verdict: FileVerdict) -> dict[str, Any]:
    """One file's verdict with the names of the API."""
    return {
        "file": verdict.file,
        "verdict": str(verdict.verdict),
        "code": verdict.why,
        "detail": verdict.detail,
        "signers": [_signer_told(each) for each in verdict.signers],
    }


def _signer_told(one: SignerVerdict) -> dict[str, Any]:
    return {
        "name": one.name,
        "organisation": one.organisation,
        "role": one.role,
        "claimed_at": one.claimed_at.isoformat() if one.claimed_at else None,
        "trusted_at": one.trusted_at.isoformat() if one.trusted_at else None,
        "verdict": str(one.verdict),
        "code": one.why,
        "detail": one.detail,
        "now": {"verdict": str(one.now), "code": one.now_why},
        "serial": one.serial,
        "issuer": one.issuer,
        "copy_form": one.copy_form,
    }


def _folder(trust_dir: Path) -> Path:
    if not trust_dir.is_dir():
        raise Misconfigured(
            f"the trust folder {trust_dir} is not there", hint="give a folder with pdf/ca.pem, or with ca.pem"
        )
    return _inner(trust_dir)


def _inner(trust_dir: Path) -> Path:
    inner = trust_dir / "pdf"
    return inner if inner.is_dir() else trust_dir


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[PdfSandbox, tuple[RoleRule, ...]]]:
    sandbox = PdfSandbox(folder)
    try:
        yield sandbox, roles.read_roles(folder)
    finally:
        sandbox.close()


def _usable(facts: PdfFacts, trust_dir: Path) -> PdfFacts:
    """A broken trust folder is the caller's to mend, and no verdict on a file."""
    if facts.fault == "PDF-TRUST":
        raise Misconfigured(f"the trust folder {trust_dir} cannot be used: {facts.detail}")
    return facts


def _decode(part: FileSlice, opener: Callable[[], BinaryIO], path: Path) -> bool:
    """Writes the file as a person would open it; whether it is a PDF."""
    with path.open("wb") as out:
        out.writelines(attachment.decoded_pieces(_slice(part, opener), part.coding))
    return is_pdf(path)


def _slice(part: FileSlice, opener: Callable[[], BinaryIO]) -> Iterator[bytes]:
    with opener() as file:
        file.seek(part.offset)
        left = part.length
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece


def read_pdf(path: Path, trust: Path | None, now: datetime) -> dict[str, Any]:
    """Without a trust folder no signature can be verified, and its time is doubtful."""
    if not is_pdf(path):
        raise NotFound(f"{path.name} is no PDF, or is not there", hint=_HINT)
    with tempfile.TemporaryDirectory() as nothing:
        folder = _inner(trust or Path(nothing))
        with _opened(folder) as (sandbox, rules):
            try:
                facts, text = _usable(sandbox.read(path, now, now), folder), sandbox.text(path)
            except StoreFailure as why:
                raise NotFound(str(why), hint=_HINT) from why
    verdict = pdf_verdict.judge(path.name, 1, facts, rules)
    fields = read_fields(text, verdict)
    return {
        "file": path.name,
        "complete": is_complete(fields),
        "signatures": str(verdict.verdict),
        "fields": {FIELD_NAMES[name]: _field_told(one) for name, one in fields.named()},
        "recipients": [
            {"text": each.text, "kind": str(each.kind), "name": each.name, "role": each.role}
            for each in items_of(fields.recipients.value or "")
        ],
    }


def _field_told(one: Found[object]) -> dict[str, Any]:
    return {"value": field_value(one.value), "sure": str(one.sure), "why": one.why, "page": one.page}
