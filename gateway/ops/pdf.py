"""Judge the signatures of PDFs and read their fields, offline. In: a PDF, or the PDFs of a verified envelope; the trust
folder (`DIR/pdf`, or DIR itself for a PDF alone), the assumed time of arrival and the time of asking, the sending agency.
The folder's `seals.json` says whose seals they are; without it they are not compared. Out: the data that `gateway verify`
prints about signatures, and `gateway read` about fields. No node, database or network is needed. The file is parsed in a
process of its own, and whatever it contains raises no error."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from gateway.api.pdf_view import FIELD_NAMES, field_value
from gateway.domain.certificates import AuthorityAnswer
from gateway.domain.pdf import Field
from gateway.domain.proof import FileSlice
from gateway.domain.signatures import FileVerdict, PdfFacts, RoleRule, SignerVerdict
from gateway.edxml import attachment
from gateway.errors import Misconfigured, NotFound, StoreFailure
from gateway.ops import seal_file
from gateway.ops.plain_data import plain_fields
from gateway.policy import etsi, pdf_verdict, seal_verdict
from gateway.policy.pdf_fields import is_complete, read_fields
from gateway.policy.recipients_block import items_of
from gateway.trust.pdf_signatures import sandbox as roles
from gateway.trust.pdf_signatures.sandbox import PdfSandbox

_PIECE = 256 * 1024
_HEAD = b"%PDF-"
MOST_FILES = 50
_HINT = "give the path of one PDF"


def is_pdf(path: Path) -> bool:
    """Tell whether the file begins as a PDF; False also when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(1024).lstrip().startswith(_HEAD)
    except OSError:
        return False


def verify_pdf(path: Path, trust_dir: Path, at: datetime, now: datetime, sender: str = "") -> dict[str, Any]:
    """Judge the signatures of one PDF as if it had arrived at `at` from the agency `sender`; return plain data with
    `verdict`, `code`, `legal_value`, `signed_at`, `signers` and more."""
    folder = _pdf_trust_folder(trust_dir)
    with _open_sandbox(folder) as (sandbox, rules):
        try:
            facts = sandbox.read(path, at, now)
        except StoreFailure as error:
            raise NotFound(str(error), hint=_HINT) from error
    verdict = pdf_verdict.judge(path.name, 1, _check_usable(facts, trust_dir), rules)
    verdict = _identify(verdict, folder, sender, at)
    signed_at = pdf_verdict.signed_at(verdict)
    return verdict_json(verdict) | {
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
    *,
    sender: str = "",
    answers: Sequence[AuthorityAnswer] = (),
) -> list[dict[str, Any]]:
    """Return the verdicts on the PDFs among the files of an envelope from the agency `sender`, by the folder and further
    answers of authorities; `opener` opens the bytes that the files are slices of."""
    descriptions = []
    with _open_sandbox(trust_dir / "pdf") as (sandbox, rules), tempfile.TemporaryDirectory() as scratch:
        for part in files[:MOST_FILES]:
            path = Path(scratch) / str(part.n)
            if part.damaged is None and _decode(part, opener, path):
                facts = _check_usable(sandbox.read(path, at, now, answers=answers), trust_dir)
                verdict = pdf_verdict.judge(part.name, part.n, facts, rules)
                descriptions.append(verdict_json(_identify(verdict, trust_dir / "pdf", sender, at)))
            path.unlink(missing_ok=True)
    return descriptions


def _identify(verdict: FileVerdict, folder: Path, sender: str, at: datetime) -> FileVerdict:
    """Compare the signatures with the seals that the trust folder knows, if it has their file and the sender is named."""
    register = seal_file.read(folder / seal_file.NAME, sender) if sender else None
    return verdict if register is None else seal_verdict.identify(verdict, register, at)


def verdict_json(verdict: FileVerdict) -> dict[str, Any]:
    """Return one file's verdict as plain data, with the names of the API."""
    conclusion = etsi.conclude_file(verdict)
    return {
        **plain_fields(verdict, "file verdict code=why detail"),
        "indication": conclusion.indication.value if conclusion else None,
        "sub_indication": conclusion.reason if conclusion else None,
        "rule": verdict.rule,
        "seal": seal_verdict.seal_word(verdict),
        "signers": [_signer_json(signer) for signer in verdict.signers],
    }


def _signer_json(signer: SignerVerdict) -> dict[str, Any]:
    conclusion = etsi.conclude(signer)
    return {
        **plain_fields(signer, "name organisation role claimed_at trusted_at verdict code=why detail"),
        "indication": conclusion.indication.value,
        "sub_indication": conclusion.reason,
        "now": plain_fields(signer, "verdict=now code=now_why"),
        **plain_fields(signer, "serial issuer copy_form sha256 seal seal_code seal_act seal_over"),
        **plain_fields(signer, "person position capacity"),
    }


def _pdf_trust_folder(trust_dir: Path) -> Path:
    if not trust_dir.is_dir():
        raise Misconfigured(
            f"the trust folder {trust_dir} is not there", hint="give a folder with pdf/ca.pem, or with ca.pem"
        )
    return _inner(trust_dir)


def _inner(trust_dir: Path) -> Path:
    inner = trust_dir / "pdf"
    return inner if inner.is_dir() else trust_dir


@contextmanager
def _open_sandbox(folder: Path) -> Iterator[tuple[PdfSandbox, tuple[RoleRule, ...]]]:
    sandbox = PdfSandbox(folder)
    try:
        yield sandbox, roles.read_roles(folder)
    finally:
        sandbox.close()


def _check_usable(facts: PdfFacts, trust_dir: Path) -> PdfFacts:
    """Return the facts unless they report a broken trust folder, which is no verdict on a file; Misconfigured then."""
    if facts.fault == "PDF-TRUST":
        raise Misconfigured(f"the trust folder {trust_dir} cannot be used: {facts.detail}")
    return facts


def _decode(part: FileSlice, opener: Callable[[], BinaryIO], path: Path) -> bool:
    """Write the decoded attachment to `path`; return whether it is a PDF."""
    with path.open("wb") as out:
        out.writelines(attachment.decoded_pieces(_slice_pieces(part, opener), part.coding))
    return is_pdf(path)


def _slice_pieces(part: FileSlice, opener: Callable[[], BinaryIO]) -> Iterator[bytes]:
    with opener() as file:
        file.seek(part.offset)
        remaining = part.length
        while remaining > 0 and (piece := file.read(min(_PIECE, remaining))):
            remaining -= len(piece)
            yield piece


def read_pdf(path: Path, trust: Path | None, now: datetime) -> dict[str, Any]:
    """Read the fields of a PDF as plain data. Without a trust folder signatures cannot be verified, so the fields that rest
    on them are doubtful. NotFound when the file is no PDF."""
    if not is_pdf(path):
        raise NotFound(f"{path.name} is no PDF, or is not there", hint=_HINT)
    with tempfile.TemporaryDirectory() as nothing:
        folder = _inner(trust or Path(nothing))
        with _open_sandbox(folder) as (sandbox, rules):
            try:
                facts, text = _check_usable(sandbox.read(path, now, now), folder), sandbox.text(path)
            except StoreFailure as error:
                raise NotFound(str(error), hint=_HINT) from error
    verdict = pdf_verdict.judge(path.name, 1, facts, rules)
    fields = read_fields(text, verdict)
    return {
        "file": path.name,
        "complete": is_complete(fields),
        "signatures": str(verdict.verdict),
        "fields": {FIELD_NAMES[name]: _field_json(field) for name, field in fields.items()},
        "recipients": [
            plain_fields(recipient, "text kind name role")
            for recipient in items_of(fields.recipients.value or "")
        ],
    }


def _field_json(field: Field[object]) -> dict[str, Any]:
    return {"value": field_value(field.value), "sure": str(field.sure), "why": field.why, "page": field.page}
