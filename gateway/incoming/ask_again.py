"""Asks again about signatures that could not be told when their document came (R23). In: due jobs. Out: the document
with new verdicts and an event where something changed; the job done, or put off once more. The time that counts stays
that of arrival: what was revoked later does not reach back."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, IncomingFile, InState
from gateway.domain.event import EventKind
from gateway.domain.signatures import FileVerdict, PdfFacts
from gateway.errors import GatewayError, NotFound, StaleLease, StoreFailure
from gateway.incoming import signatures
from gateway.incoming.check import decoded
from gateway.incoming.desk import InDesk
from gateway.policy import pdf_verdict
from gateway.ports import Job

_log = logging.getLogger(__name__)
BATCH = 20
LEASE_S = 600.0
# A list that has not come for a month is no longer waited for; a person asks the authority.
GIVE_UP = timedelta(days=30)
_UNREADABLE = frozenset({InState.RECALLED, InState.SEALED})


async def due(desk: InDesk) -> int:
    """One batch of due jobs; how many."""
    jobs = await desk.store.claim_jobs(signatures.JOB, BATCH, LEASE_S)
    for job in jobs:
        try:
            await _run(desk, job)
        except StaleLease:
            log.action(
                _log, "signatures.discarded", "another worker asked meanwhile", document=job.subject_id
            )
        except GatewayError as error:  # its lease runs out, and it comes again
            log.action(_log, "signatures.postponed", str(error), document=job.subject_id, code=error.code)
    return len(jobs)


async def _run(desk: InDesk, job: Job) -> None:
    scope = AgencyScope(agency_id=job.agency_id, principal_id="node")
    async with desk.store.read(scope) as work:
        asked = await work.incoming.get(job.subject_id)
        seen_at = await signatures.arrived_at(work, asked)
    verdicts: list[FileVerdict] = []
    if asked.state not in _UNREADABLE:
        verdicts = [await _again(desk, scope, asked, each, seen_at) for each in asked.signatures]
    async with desk.store.begin(scope) as work:
        document = await work.incoming.get(job.subject_id)
        readable = document.state not in _UNREADABLE
        # An update may have brought other files meanwhile: of those nothing was asked.
        mine = readable and document.files == asked.files
        told = signatures.judged(document, tuple(verdicts)) if verdicts and mine else document
        if told != document:
            await work.incoming.save(told)
        if (told.legal_value, _words(told)) != (document.legal_value, _words(document)):
            data = {"legal_value": told.legal_value, "pdf_signature": told.checks.get("pdf_signature")}
            await work.events.append(EventKind.INBOX_SIGNATURES, document.id, desk.clock.now(), data)
        waits = readable and desk.clock.now() < seen_at + GIVE_UP
        if waits and pdf_verdict.is_open(told.signatures):
            later = desk.clock.now() + signatures.AGAIN
            await work.jobs.retry(job.lease, later, f"{pdf_verdict.REVOCATION}: still not known")
        else:
            await work.jobs.done(job.lease)
        await work.commit()


def _words(document: IncomingDocument) -> list[tuple[str, str]]:
    """The verdicts alone: what a certificate is today changes with the days and is no news."""
    return [
        word
        for each in document.signatures
        for word in ((each.file, each.verdict), *((one.field, one.verdict) for one in each.signers))
    ]


async def _again(
    desk: InDesk, scope: AgencyScope, document: IncomingDocument, verdict: FileVerdict, seen_at: datetime
) -> FileVerdict:
    file = next((one for one in document.files if one.n == verdict.n), None)
    if file is None or not pdf_verdict.is_open((verdict,)):
        return verdict
    try:
        facts = await _read(desk, scope, file, seen_at)
    except (StoreFailure, NotFound) as error:  # the bytes are lost or the disk is: asked again, for a month
        log.action(_log, "signatures.unread", str(error), document=document.id, code=error.code)
        return verdict
    if facts.fault is not None and verdict.signers:
        return verdict  # the reader was busy or the file is too much for it now: what was known stays
    return pdf_verdict.judge(file.name, file.n, facts, desk.profile.pdf_roles)


async def _read(desk: InDesk, scope: AgencyScope, file: IncomingFile, seen_at: datetime) -> PdfFacts:
    async with desk.store.read(scope) as work:
        opener = await desk.blobs.open(work, file.source)
    with desk.blobs.scratch() as scratch:

        def write() -> None:
            for piece in decoded(opener, file.offset, file.length, file.coding):
                scratch.file.write(piece)
            scratch.file.flush()

        await desk.pool.run(write)
        return await desk.signatures.read(scratch.path, seen_at, desk.clock.now())
