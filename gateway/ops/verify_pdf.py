"""Judges the signatures inside PDFs offline: of one PDF, or of the PDFs in a verified envelope. In: the file, the trust
folder (`DIR/pdf`, or DIR itself for a PDF alone), the time of arrival to assume and the time of asking. Out: the data
that `gateway verify` prints. No node, no database, no network; what a file contains is a verdict."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from gateway.domain.proof import FileSlice
from gateway.domain.signatures import FileVerdict, PdfFacts, RoleRule, SignerVerdict
from gateway.edxml import attachment
from gateway.errors import Misconfigured, NotFound, StoreFailure
from gateway.policy import pdf_verdict
from gateway.trust.pdf_signatures import roles
from gateway.trust.pdf_signatures.sandbox import PdfSandbox

_PIECE = 256 * 1024
_HEAD = b"%PDF-"
MOST_FILES = 50


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
            raise NotFound(str(why), hint="give the path of one PDF") from why
    verdict = pdf_verdict.judge(path.name, 1, _usable(facts, trust_dir), rules)
    value = pdf_verdict.legal_value(verdict)
    signed_at = pdf_verdict.signed_at(verdict)
    return described(verdict) | {
        "at": at.isoformat(),
        "now": {"at": now.isoformat()},
        "legal_value": value,
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
        "signers": [_signer(each) for each in verdict.signers],
    }


def _signer(one: SignerVerdict) -> dict[str, Any]:
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
    inner = trust_dir / "pdf"
    return inner if inner.is_dir() else trust_dir


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[PdfSandbox, tuple[RoleRule, ...]]]:
    sandbox = PdfSandbox(folder)
    try:
        yield sandbox, roles.read(folder)
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
        for piece in attachment.decoded_pieces(_slice(part, opener), part.coding):
            out.write(piece)
    return is_pdf(path)


def _slice(part: FileSlice, opener: Callable[[], BinaryIO]) -> Iterator[bytes]:
    with opener() as file:
        file.seek(part.offset)
        left = part.length
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece
