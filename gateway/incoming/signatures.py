"""The signatures inside the PDFs of a packet (R19 to R26). In: a file on its way through the checks, then the document
it became part of. Out: facts about its signatures; the document with its verdicts, its legal value and the time of
signing. What cannot be told now is asked again by `ask_again`; nothing here stops a packet (R23)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from gateway.domain.document import FileRole, IncomingDocument, InState, Kind
from gateway.domain.files import FileFacts
from gateway.domain.signatures import FileVerdict, PdfFacts, Word
from gateway.domain.turns import ANSWER_DELAY
from gateway.incoming.desk import InDesk
from gateway.incoming.translate import Looked
from gateway.policy import pdf_verdict
from gateway.ports import Work

JOB = "signatures"
# One packet must not keep the reader of PDFs from those of others.
MOST_FILES = 20
AGAIN = ANSWER_DELAY


async def read(desk: InDesk, path: Path, facts: FileFacts, n: int, seen_at: datetime) -> PdfFacts | None:
    """The facts about the n-th file's signatures; None for what is no PDF, or carries malware."""
    if facts.found_type != "pdf" or facts.malware is not None:
        return None
    now = desk.clock.now()
    if n > MOST_FILES:
        detail = f"more than {MOST_FILES} files in one packet"
        return PdfFacts(seen_at=seen_at, now=now, fault="PDF-LIMIT", detail=detail)
    return await desk.signatures.read(path, seen_at, now)


def on(document: IncomingDocument, looked: Sequence[Looked], desk: InDesk) -> IncomingDocument:
    """The document with what its files' signatures are worth; of what is sealed nothing is read."""
    if document.kind is Kind.RECALL or document.state is InState.SEALED:
        return document
    found = {
        file.n: pdf_verdict.judge(file.name, file.n, one.facts.signatures, desk.profile.pdf_roles)
        for file, one in zip(document.files, looked, strict=True)
        if one.facts is not None and one.facts.signatures is not None
    }
    return judged(document, tuple(found.values()))


def judged(document: IncomingDocument, verdicts: tuple[FileVerdict, ...]) -> IncomingDocument:
    """With these verdicts, and what follows from them."""
    lead = next((each for each in verdicts if each.n == _lead_number(document)), None)
    return replace(
        document,
        signatures=verdicts,
        legal_value=pdf_verdict.legal_value(lead),
        signed_at=document.signed_at or pdf_verdict.signed_at(lead),
        checks=document.checks | {"pdf_signature": lead.verdict if lead else Word.UNSIGNED},
    )


def moved(document: IncomingDocument, update: IncomingDocument) -> IncomingDocument:
    """With what the files of the update are worth, which are the document's own from now on."""
    return replace(
        document,
        signatures=update.signatures,
        legal_value=update.legal_value,
        signed_at=update.signed_at,
        checks=document.checks | {"pdf_signature": update.checks.get("pdf_signature", Word.UNSIGNED)},
    )


async def arrived_at(work: Work, document: IncomingDocument) -> datetime:
    """When the files came: with the document, or with the update that it has them from."""
    for one in await work.incoming.by_document_id(document.sender_code, document.document_id):
        if one.target_id == document.id and one.files and one.files == document.files:
            return one.arrived_at
    return document.arrived_at


async def plan(desk: InDesk, work: Work, document: IncomingDocument) -> None:
    """In the admitting transaction: asked again later where an answer is only missing."""
    if pdf_verdict.is_open(document.signatures):
        await work.jobs.put(JOB, document.id, not_before=desk.clock.now() + AGAIN)


def _lead_number(document: IncomingDocument) -> int | None:
    """The file that its sender calls the lead, else the first."""
    named = [file.n for file in document.files if file.role is FileRole.LEAD]
    return next(iter(named or [file.n for file in document.files]), None)
