"""Reads the fields of a PDF offline. In: the file, and a trust folder where there is one. Out: the data that `gateway read`
prints. No node, no database, no network; the file is parsed in the process for that."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.api.reading_view import NAMES, told
from gateway.domain.page_text import Found, PdfText
from gateway.domain.signatures import FileVerdict
from gateway.errors import Misconfigured, NotFound, StoreFailure
from gateway.ops.verify_pdf import is_pdf
from gateway.policy import pdf_verdict
from gateway.policy.pdf_fields import is_complete, read_fields
from gateway.policy.recipients_block import items_of
from gateway.trust.pdf_signatures import roles
from gateway.trust.pdf_signatures.sandbox import PdfSandbox

_HINT = "give the path of one PDF"


def read_pdf(path: Path, trust: Path | None, now: datetime) -> dict[str, Any]:
    """Without a trust folder no signature can be verified, and its time is doubtful."""
    if not is_pdf(path):
        raise NotFound(f"{path.name} is no PDF, or is not there", hint=_HINT)
    with tempfile.TemporaryDirectory() as nothing:
        folder = trust or Path(nothing)
        verdict, text = _read(path, folder / "pdf" if (folder / "pdf").is_dir() else folder, now)
    fields = read_fields(text, verdict)
    return {
        "file": path.name,
        "complete": is_complete(fields),
        "signatures": str(verdict.verdict),
        "fields": {NAMES[name]: _field(one) for name, one in fields.named()},
        "recipients": [
            {"text": each.text, "kind": str(each.kind), "name": each.name, "role": each.role}
            for each in items_of(fields.recipients.value or "")
        ],
    }


def _read(path: Path, folder: Path, now: datetime) -> tuple[FileVerdict, PdfText]:
    sandbox = PdfSandbox(folder)
    try:
        facts = sandbox.read(path, now, now)
        if facts.fault == "PDF-TRUST":
            raise Misconfigured(f"the trust folder {folder} cannot be used: {facts.detail}")
        return pdf_verdict.judge(path.name, 1, facts, roles.read(folder)), sandbox.text(path)
    except StoreFailure as why:
        raise NotFound(str(why), hint=_HINT) from why
    finally:
        sandbox.close()


def _field(one: Found[object]) -> dict[str, Any]:
    return {"value": told(one.value), "sure": str(one.sure), "why": one.why, "page": one.page}
