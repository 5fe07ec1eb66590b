"""Judges again once more is known: PDF signatures of mail and of sent documents that could not be judged (R23,
certificates), whose the seals are on the mail of a sender or on all documents of an agency, packets whose certificate
could not be confirmed (K4, revocation), and documents that a stolen key may have signed. In: due jobs, later answers of
authorities, a key and the time of its theft. Out: new verdicts, held packets opened again, marks set or removed, each
with an event. Nothing is deleted: a person decides. Everything is judged as of its arrival, or of its acceptance here."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.certificates import PendingRevocation
from gateway.domain.document import (
    UNREADABLE,
    FileItem,
    IncomingDocument,
    IncomingFile,
    OutgoingDocument,
    OutState,
)
from gateway.domain.event import EventKind
from gateway.domain.figures import IN
from gateway.domain.identity import Digest
from gateway.domain.proof import Evidence
from gateway.domain.queues import (
    SIGNATURES_JOB,
    InboxPacket,
    Job,
    OutboxItem,
    list_of_job,
    list_subject,
    sent_document_of_job,
)
from gateway.domain.seals import SIGNER_CHECKS
from gateway.domain.signatures import FileVerdict, PdfFacts, SignatureWord
from gateway.edxml import canonical
from gateway.edxml.attachment import pieces
from gateway.errors import Clash, GatewayError, NotFound, StaleLease, StaleVersion, StoreFailure
from gateway.incoming import check, pdf_answers, verify
from gateway.incoming.check import PLAIN, decoded
from gateway.incoming.services import IncomingServices
from gateway.incoming.translate import REVOCATION_UNKNOWN
from gateway.incoming.verify import Proved
from gateway.policy import pdf_verdict, seal_verdict

if TYPE_CHECKING:
    from gateway.store.repository import Page
    from gateway.store.work import SqlWork

_log = logging.getLogger(__name__)
JOBS_AT_ONCE = 20
LEASE_S = 600.0
# A revocation list is waited for at most a month; then a person has to ask the authority.
GIVE_UP = timedelta(days=30)
FIRST_PAUSE = timedelta(minutes=2)
INVALID_LATER = "signature_invalid_later"
REVOKED_BEFORE = "revoked_before_arrival"
_UNKNOWN_REVOCATION = "CERT-REVOCATION-UNKNOWN"
_PENDING_PAGE_SIZE = 200
SUSPECT_MARK = "key_stolen"
DOCUMENTS_AT_ONCE = 100
MOST_SENT = 100_000


async def ask_due(services: IncomingServices) -> int:
    """Judge the PDF signatures of one batch of due jobs; return the number of jobs."""
    jobs = await services.store.claim_jobs(SIGNATURES_JOB, JOBS_AT_ONCE, LEASE_S)
    for job in jobs:
        try:
            sent_id, place = sent_document_of_job(job.subject_id), list_of_job(job.subject_id)
            if place is not None:
                await _identify_batch(services, job, *place)
            elif sent_id is not None:
                await _judge_sent(services, job, sent_id)
            else:
                await _judge_signatures(services, job)
        except StaleLease:
            log.action(
                _log, "signatures.discarded", "another worker asked meanwhile", document=job.subject_id
            )
        except GatewayError as error:  # the job is claimed again when its lease is over
            log.action(_log, "signatures.postponed", str(error), document=job.subject_id, code=error.code)
    return len(jobs)


async def _judge_signatures(services: IncomingServices, job: Job) -> None:
    """Judge the document's PDF signatures again, store new verdicts, and repeat the job while answers are missing."""
    scope = AgencyScope(agency_id=job.agency_id, principal_id="node")
    async with services.store.read(scope) as work:
        judged = await work.incoming.get(job.subject_id)
        seen_at = await check.files_arrived_at(work, judged)
    verdicts: list[FileVerdict] = []
    if judged.state not in UNREADABLE:
        verdicts = await _judge_files(services, scope, judged.files, judged.signatures, seen_at)
        verdicts = await _identify(services, judged.sender_code, verdicts, seen_at)
    async with services.store.changing(scope) as work:
        document = await work.incoming.get(job.subject_id)
        readable = document.state not in UNREADABLE
        new = await _save_verdicts(services, work, judged, document, verdicts)
        await _end_job(services, work, job, new.signatures if readable else (), seen_at)


async def _end_job(
    services: IncomingServices, work: SqlWork, job: Job, verdicts: Sequence[FileVerdict], seen_at: datetime
) -> None:
    """Repeat the job while an answer is missing, for a month; else end it."""
    now = services.clock.now()
    if now < seen_at + GIVE_UP and pdf_verdict.is_open(verdicts):
        why = f"{pdf_verdict.REVOCATION}: still not known"
        await work.jobs.retry(job.lease, now + _pause(services, seen_at), why)
    else:
        await work.jobs.finish(job.lease)


async def _judge_sent(services: IncomingServices, job: Job, document_id: str) -> None:
    """Judge again the PDF signatures of a document that this node sent, as of the time when it was accepted."""
    scope = _scope(job.agency_id)
    async with services.store.read(scope) as work:
        agency, judged = await work.agency(), await work.outgoing.get(document_id)
    seen_at, verdicts = judged.created_at, list(judged.signatures)
    # It was read when it was accepted. Where the node asks no authority, nothing more is known so soon.
    is_early = services.pdf_asking is None and services.clock.now() < seen_at + check.REJUDGE_DELAY
    if not (judged.is_sealed or is_early):
        files = await _files_of_sent(services, scope, judged)
        verdicts = await _judge_files(services, scope, files, verdicts, seen_at)
        verdicts = await _identify(services, agency.code, verdicts, seen_at)
    async with services.store.changing(scope) as work:
        document = await work.outgoing.get(document_id)
        if document.is_sealed or document.files != judged.files:
            verdicts = []
        else:
            await _save_sent_verdicts(services, work, document, verdicts)
        await _end_job(services, work, job, verdicts, seen_at)


async def _files_of_sent(
    services: IncomingServices, scope: AgencyScope, document: OutgoingDocument
) -> list[IncomingFile]:
    """Return the places of the document's files: each by itself, or in its envelope once that is packed."""
    digest = document.envelope_digest
    if digest is None:
        return [_file_at(file, file.sha256, 0, file.size, PLAIN) for file in document.files]
    async with services.store.read(scope) as work:
        opener = await services.blobs.open(work, digest)
    size = document.envelope_size or 0
    read = await services.pool.run(lambda: canonical.read_fast(pieces(opener), size, services.xml))
    parts = {part.n: part for part in read.files} if read is not None else {}
    return [
        _file_at(file, digest, part.offset, part.length, part.coding)
        for file in document.files
        if (part := parts.get(file.n)) is not None
    ]


def _file_at(file: FileItem, source: Digest, offset: int, length: int, coding: str) -> IncomingFile:
    return IncomingFile(
        n=file.n,
        name=file.name,
        content_type=file.content_type,
        size=file.size,
        sha256=file.sha256,
        source=source,
        offset=offset,
        length=length,
        coding=coding,
    )


async def _save_sent_verdicts(
    services: IncomingServices, work: SqlWork, document: OutgoingDocument, verdicts: Sequence[FileVerdict]
) -> None:
    new = replace(document, signatures=tuple(verdicts))
    lead = new.lead_verdict
    new = replace(new, legal_value=pdf_verdict.legal_value(lead, document.draft.signer))
    if new == document:
        return
    await work.outgoing.save(new)
    if (new.legal_value, _words(new)) != (document.legal_value, _words(document)):
        details = _value_details(document, new) | {"pdf_signature": lead.verdict if lead else None}
        await work.events.append(EventKind.MESSAGE_SIGNATURES, document.id, services.clock.now(), details)


def _has_invalid(document: IncomingDocument) -> bool:
    return any(verdict.verdict is SignatureWord.INVALID for verdict in document.signatures)


def _pause(services: IncomingServices, seen_at: datetime) -> timedelta:
    """Return how long to wait for answers: where authorities are asked, at first minutes, later longer."""
    if services.pdf_asking is None:
        return check.REJUDGE_DELAY
    return min(max(FIRST_PAUSE, (services.clock.now() - seen_at) / 2), check.REJUDGE_DELAY)


async def _save_verdicts(
    services: IncomingServices,
    work: SqlWork,
    judged: IncomingDocument,
    document: IncomingDocument,
    verdicts: Sequence[FileVerdict],
) -> IncomingDocument:
    """Store the new verdicts, with an event where they say something else; return the document. It is left unchanged where
    an update has replaced the judged files meanwhile."""
    if not verdicts or document.state in UNREADABLE or document.files != judged.files:
        return document
    new = check.with_verdicts(document, tuple(verdicts))
    if _has_invalid(new) and not _has_invalid(document) and INVALID_LATER not in new.marks:
        # A person may have relied on the document meanwhile.
        new = replace(new, marks=(*new.marks, INVALID_LATER))
    if new != document:
        await work.incoming.save(new)
    if (new.legal_value, _words(new)) != (document.legal_value, _words(document)):
        words = ("pdf_signature", *SIGNER_CHECKS)
        details = _value_details(document, new) | {n: new.checks[n] for n in words if n in new.checks}
        await work.events.append(EventKind.INBOX_SIGNATURES, document.id, services.clock.now(), details)
    return new


def _value_details(
    old: IncomingDocument | OutgoingDocument, new: IncomingDocument | OutgoingDocument
) -> dict[str, object]:
    """Return the new legal value for an event, with the old one where there was another."""
    details: dict[str, object] = {"legal_value": new.legal_value}
    is_other = old.legal_value not in (None, new.legal_value)
    return details | ({"legal_value_before": old.legal_value} if is_other else {})


def _words(document: IncomingDocument | OutgoingDocument) -> list[tuple[str | None, ...]]:
    """Return the verdicts of all files and signatures, without the present state of certificates: that changes with time,
    and is no reason for an event."""
    return [
        word
        for v in document.signatures
        for word in (
            (v.file, v.verdict),
            *((s.field, s.verdict, s.seal, s.person) for s in v.signers),
        )
    ]


async def _identify(
    services: IncomingServices, sender: str, verdicts: Sequence[FileVerdict], seen_at: datetime
) -> list[FileVerdict]:
    """Compare the signatures with what is registered now. Verdicts by the first rule name no certificates, and stay."""
    with_signers = [v for v in verdicts if any(signer.sha256 for signer in v.signers)]
    if not with_signers:
        return list(verdicts)
    identified, _ = await check.identify_signers(services, sender, with_signers, seen_at)
    by_file = {v.n: v for v in identified}
    return [by_file.get(v.n, v) for v in verdicts]


async def _identify_batch(services: IncomingServices, job: Job, side: str, sender: str, cursor: str) -> None:
    """Look again whose the signatures are on one batch of arrivals or sent documents, by the rule of today, and queue the
    next batch. The files are not read again."""
    scope = _scope(job.agency_id)
    async with services.store.read(scope) as work:
        limit, start = DOCUMENTS_AT_ONCE, cursor or None
        page: Page[IncomingDocument] | Page[OutgoingDocument] = (
            await work.incoming.page(limit=limit, cursor=start, sender=sender or None)
            if side == IN
            else await work.outgoing.page(limit=limit, cursor=start)
        )
    for document in page.items:
        if isinstance(document, IncomingDocument):
            await _identify_document(services, scope, document)
        elif document.state is not OutState.DRAFT:
            await _identify_sent(services, scope, document)
    async with services.store.changing(scope) as work:
        await work.jobs.finish(job.lease)
        if page.next_cursor is not None:
            await work.jobs.add(SIGNATURES_JOB, list_subject(side, sender, page.next_cursor))


def _is_compared(document: IncomingDocument | OutgoingDocument) -> bool:
    """Tell whether the signatures were compared with certificates, so that they can be compared again."""
    return any(v.rule >= seal_verdict.COMPARED for v in document.signatures)


async def _identify_sent(services: IncomingServices, scope: AgencyScope, judged: OutgoingDocument) -> None:
    if judged.is_sealed or not _is_compared(judged):
        return
    async with services.store.changing(scope) as work:
        agency, document = await work.agency(), await work.outgoing.get(judged.id)
        verdicts = await _identify(services, agency.code, document.signatures, document.created_at)
        if document.files == judged.files:
            await _save_sent_verdicts(services, work, document, verdicts)


async def _identify_document(
    services: IncomingServices, scope: AgencyScope, judged: IncomingDocument
) -> None:
    if judged.state in UNREADABLE or not _is_compared(judged):
        return
    async with services.store.changing(scope) as work:
        document = await work.incoming.get(judged.id)
        seen_at = await check.files_arrived_at(work, document)
        verdicts = await _identify(services, document.sender_code, document.signatures, seen_at)
        await _save_verdicts(services, work, document, document, verdicts)


async def _judge_files(
    services: IncomingServices,
    scope: AgencyScope,
    files: Sequence[IncomingFile],
    verdicts: Sequence[FileVerdict],
    seen_at: datetime,
) -> list[FileVerdict]:
    by_n = {file.n: file for file in files}
    return [await _judge_file(services, scope, by_n.get(v.n), v, seen_at) for v in verdicts]


async def _judge_file(
    services: IncomingServices,
    scope: AgencyScope,
    file: IncomingFile | None,
    verdict: FileVerdict,
    seen_at: datetime,
) -> FileVerdict:
    """Return the file's new verdict; the old one where it is not open, or the file cannot be read."""
    if file is None or not pdf_verdict.is_open((verdict,)):
        return verdict
    try:
        facts = await _read_file(services, scope, file, seen_at)
    except (StoreFailure, NotFound) as error:  # the bytes or the disk are missing: tried again for a month
        log.action(_log, "signatures.unread", str(error), file=verdict.file, code=error.code)
        return verdict
    if facts.fault is not None and verdict.signers:
        return verdict  # the reader cannot read the file now: the old verdict stays
    return pdf_verdict.judge(file.name, file.n, facts, services.profile.pdf_roles)


async def _read_file(
    services: IncomingServices, scope: AgencyScope, file: IncomingFile, seen_at: datetime
) -> PdfFacts:
    async with services.store.read(scope) as work:
        opener = await services.blobs.open(work, file.source)
    with services.blobs.scratch() as scratch:

        def write() -> None:
            for piece in decoded(opener, file.offset, file.length, file.coding):
                scratch.file.write(piece)
            scratch.file.flush()

        await services.pool.run(write)
        return await pdf_answers.read(services, scratch.path, seen_at)


def pending_of(packet: InboxPacket, certificate_der: bytes) -> PendingRevocation:
    """Return the record of a packet that is judged again once revocation is known."""
    return PendingRevocation(
        agency_id=packet.agency_id,
        inbox_id=packet.id,
        certificate_der=certificate_der,
        arrived_at=packet.received_at,
    )


async def note_pending(work: SqlWork, packet: InboxPacket, proved: Proved) -> None:
    """Record in the settling unit that the packet is to be judged again, if it passed with unknown revocation."""
    if any(note.code == _UNKNOWN_REVOCATION for note in proved.envelope.notes):
        await work.pending.add(pending_of(packet, proved.envelope.signed.certificate_der))


async def judge_pending(services: IncomingServices) -> int:
    """Judge every pending packet again; return how many are settled."""
    settled, cursor = 0, ("", "")
    while True:
        batch = await services.store.pending_revocations(cursor, _PENDING_PAGE_SIZE)
        for pending in batch:
            settled += await _judge_packet(services, pending)
        if len(batch) < _PENDING_PAGE_SIZE:
            return settled
        cursor = (batch[-1].agency_id, batch[-1].inbox_id)


async def _judge_packet(services: IncomingServices, pending: PendingRevocation) -> bool:
    """Settle one pending packet if its certificate's revocation is known now; return whether it was settled."""
    evidence = await services.pool.run(
        lambda: services.trust.collect(pending.certificate_der, pending.arrived_at)
    )
    if evidence.revocation == "unknown":
        return False
    if services.answers is not None:
        await services.answers.use(evidence.answers)
    try:
        async with services.store.begin(_scope(pending.agency_id)) as work:
            packet = await work.inbox.get(pending.inbox_id)
            if packet.state == "landed":  # a worker is judging it, perhaps with older answers
                return False
            await _settle(services, work, packet, evidence)
            await work.pending.remove(packet.id)
            await work.commit()
    except (Clash, StaleVersion):  # another changed it meanwhile; it is judged in the next run
        return False
    log.action(_log, "revocation.known", evidence.revocation, inbox=pending.inbox_id, serial=evidence.serial)
    return True


async def _settle(services: IncomingServices, work: SqlWork, packet: InboxPacket, evidence: Evidence) -> None:
    """Reopen a held packet, or update the document that it became."""
    if packet.state == "held" and packet.code == _UNKNOWN_REVOCATION:
        await work.inbox.reopen(packet.id)
        services.wake()
    elif packet.incoming_id is not None:
        await _update_document(services, work, packet.incoming_id, evidence)
    elif packet.state == "done" and evidence.revocation == "revoked":
        await work.events.append(
            EventKind.INBOX_REVOCATION, packet.id, services.clock.now(), _revocation_details(evidence)
        )


async def _update_document(
    services: IncomingServices, work: SqlWork, incoming_id: str, evidence: Evidence
) -> None:
    document = await work.incoming.get(incoming_id)
    revoked = evidence.revocation == "revoked"
    marks = [mark for mark in document.marks if mark != REVOCATION_UNKNOWN]
    checks = document.checks | {"revocation": evidence.revocation}
    changed = replace(document, marks=(*marks, REVOKED_BEFORE) if revoked else tuple(marks), checks=checks)
    await work.incoming.save(changed, expect_version=document.version)
    await work.events.append(
        EventKind.INBOX_REVOCATION, document.id, services.clock.now(), _revocation_details(evidence)
    )


def _revocation_details(evidence: Evidence) -> Mapping[str, object]:
    at = evidence.revoked_at
    return {
        "state": evidence.revocation,
        "certificate": evidence.chain[0].sha256 if evidence.chain else None,
        "serial": evidence.serial,
        "revoked_at": at.isoformat() if at is not None else None,
        "reason": evidence.revocation_reason,
        "answers": list(evidence.answers),
    }


def _scope(agency_id: str) -> AgencyScope:
    return AgencyScope(agency_id=agency_id, principal_id="node")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtedDocument:
    """Document that a stolen key may have signed. `way`: "in" for a received one, "out" for one that we sent."""

    id: str
    agency_id: str
    way: str
    at: datetime
    reason: str


async def mark_suspects(
    services: IncomingServices, code: str, fingerprint: str, since: datetime
) -> list[DoubtedDocument]:
    """Mark every document that this code has sent us since the theft and whose signature no longer verifies, and record
    those that we sent under the key; return all of them. The key's binding has been withdrawn before."""
    doubted = []
    for agency in await services.store.hosted():
        scope = AgencyScope(agency_id=agency.id, principal_id="node")
        async for document in _documents_since(services, scope, code, since):
            reason = await _find_fault(services, scope, document)
            if reason:
                await _mark_received(services, scope, document, fingerprint, reason)
                doubted.append(
                    DoubtedDocument(
                        id=document.id, agency_id=agency.id, way="in", at=document.arrived_at, reason=reason
                    )
                )
    for row in await services.store.signed_under(fingerprint, since, MOST_SENT):
        await _record_sent(services, row, fingerprint)
        doubted.append(
            DoubtedDocument(
                id=row.subject_id, agency_id=row.agency_id, way="out", at=row.created_at, reason=row.kind
            )
        )
    return doubted


async def _documents_since(
    services: IncomingServices, scope: AgencyScope, code: str, since: datetime
) -> AsyncIterator[IncomingDocument]:
    cursor = None
    while True:
        async with services.store.read(scope) as work:
            page = await work.incoming.page(limit=DOCUMENTS_AT_ONCE, cursor=cursor, sender=code)
        for document in page.items:
            if document.arrived_at < since:
                return
            yield document
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


async def _find_fault(services: IncomingServices, scope: AgencyScope, document: IncomingDocument) -> str:
    """Return why the document no longer verifies; an empty text where it does, because another key signed it."""
    async with services.store.read(scope) as work:
        packet = await work.inbox.get(document.inbox_id)
    try:
        await verify.run(services, packet)
    except StoreFailure:
        raise
    except GatewayError as error:
        return f"{error.code}: {error}"
    return ""


async def _mark_received(
    services: IncomingServices, scope: AgencyScope, document: IncomingDocument, fingerprint: str, reason: str
) -> None:
    async with services.store.changing(scope) as work:
        fresh = await work.incoming.get(document.id)
        if SUSPECT_MARK not in fresh.marks:
            await work.incoming.save(replace(fresh, marks=(*fresh.marks, SUSPECT_MARK)))
        details = {"certificate": fingerprint, "from": document.sender_code, "reason": reason}
        await work.events.append(EventKind.KEY_SUSPECT, document.id, services.clock.now(), details)


async def _record_sent(services: IncomingServices, row: OutboxItem, fingerprint: str) -> None:
    scope = AgencyScope(agency_id=row.agency_id, principal_id="node")
    async with services.store.changing(scope) as work:
        details = {"certificate": fingerprint, "packet": row.packet_id, "envelope": row.envelope_digest}
        await work.events.append(EventKind.KEY_SUSPECT, row.subject_id, services.clock.now(), details)
