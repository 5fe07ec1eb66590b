"""Looks again at what was judged before everything was known: signatures of PDFs that could not be told (R23), packets
whose certificate nobody could say was good (K4), documents that a stolen key may have signed (threat 119). In: due
jobs, what the authorities answered meanwhile, a key and since when it was in other hands. Out: new verdicts, held
packets opened again, marks set or removed, each told by an event. Nothing is ever deleted for it: a person decides.
The time that counts stays that of arrival: what was revoked later does not reach back."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.certificates import PendingRevocation
from gateway.domain.document import UNREADABLE, IncomingDocument, IncomingFile
from gateway.domain.event import EventKind
from gateway.domain.proof import Evidence
from gateway.domain.queues import InboxPacket, Job, OutboxItem
from gateway.domain.signatures import FileVerdict, PdfFacts
from gateway.errors import Clash, GatewayError, NotFound, StaleLease, StaleVersion, StoreFailure
from gateway.incoming import check, verify
from gateway.incoming.check import decoded
from gateway.incoming.services import IncomingServices
from gateway.incoming.translate import REVOCATION_UNKNOWN
from gateway.incoming.verify import Proved
from gateway.policy import pdf_verdict

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

_log = logging.getLogger(__name__)
JOBS_AT_ONCE = 20
LEASE_S = 600.0
# A list that has not come for a month is no longer waited for; a person asks the authority.
GIVE_UP = timedelta(days=30)


async def ask_due(services: IncomingServices) -> int:
    """One batch of due jobs; how many."""
    jobs = await services.store.claim_jobs(check.SIGNATURES_JOB, JOBS_AT_ONCE, LEASE_S)
    for job in jobs:
        try:
            await _ask(services, job)
        except StaleLease:
            log.action(
                _log, "signatures.discarded", "another worker asked meanwhile", document=job.subject_id
            )
        except GatewayError as error:  # its lease runs out, and it comes again
            log.action(_log, "signatures.postponed", str(error), document=job.subject_id, code=error.code)
    return len(jobs)


async def _ask(services: IncomingServices, job: Job) -> None:
    scope = AgencyScope(agency_id=job.agency_id, principal_id="node")
    async with services.store.read(scope) as work:
        asked = await work.incoming.get(job.subject_id)
        seen_at = await check.files_arrived_at(work, asked)
    verdicts: list[FileVerdict] = []
    if asked.state not in UNREADABLE:
        verdicts = [await _asked_again(services, scope, asked, each, seen_at) for each in asked.signatures]
    async with services.store.begin(scope) as work:
        document = await work.incoming.get(job.subject_id)
        readable = document.state not in UNREADABLE
        # An update may have brought other files meanwhile: of those nothing was asked.
        mine = readable and document.files == asked.files
        told = check.with_verdicts(document, tuple(verdicts)) if verdicts and mine else document
        if told != document:
            await work.incoming.save(told)
        if (told.legal_value, _words(told)) != (document.legal_value, _words(document)):
            data = {"legal_value": told.legal_value, "pdf_signature": told.checks.get("pdf_signature")}
            await work.events.append(EventKind.INBOX_SIGNATURES, document.id, services.clock.now(), data)
        waits = readable and services.clock.now() < seen_at + GIVE_UP
        if waits and pdf_verdict.is_open(told.signatures):
            later = services.clock.now() + check.SIGNATURES_AGAIN
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


async def _asked_again(
    services: IncomingServices,
    scope: AgencyScope,
    document: IncomingDocument,
    verdict: FileVerdict,
    seen_at: datetime,
) -> FileVerdict:
    file = next((one for one in document.files if one.n == verdict.n), None)
    if file is None or not pdf_verdict.is_open((verdict,)):
        return verdict
    try:
        facts = await _read_file(services, scope, file, seen_at)
    except (StoreFailure, NotFound) as error:  # the bytes are lost or the disk is: asked again, for a month
        log.action(_log, "signatures.unread", str(error), document=document.id, code=error.code)
        return verdict
    if facts.fault is not None and verdict.signers:
        return verdict  # the reader was busy or the file is too much for it now: what was known stays
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
        return await services.signatures.read(scratch.path, seen_at, services.clock.now())


REVOKED_BEFORE = "revoked_before_arrival"
_CODE = "CERT-REVOCATION-UNKNOWN"
_PENDING_AT_ONCE = 200


def pending_of(item: InboxPacket, certificate_der: bytes) -> PendingRevocation:
    """What is remembered of a packet until more is known."""
    return PendingRevocation(
        agency_id=item.agency_id,
        inbox_id=item.id,
        certificate_der=certificate_der,
        arrived_at=item.received_at,
    )


async def note_pending(work: SqlWork, item: InboxPacket, proved: Proved) -> None:
    """Remembers a packet that passes only because the grace runs, in the unit that settles it."""
    if any(each.code == _CODE for each in proved.envelope.notes):
        await work.pending.add(pending_of(item, proved.envelope.signed.certificate_der))


async def judge_pending(services: IncomingServices) -> int:
    """Judges every packet that waits by what is known now; of how many it is known at last."""
    settled, after = 0, ("", "")
    while True:
        found = await services.store.pending_revocations(after, _PENDING_AT_ONCE)
        for each in found:
            settled += await _judge_one(services, each)
        if len(found) < _PENDING_AT_ONCE:
            return settled
        after = (found[-1].agency_id, found[-1].inbox_id)


async def _judge_one(services: IncomingServices, pending: PendingRevocation) -> bool:
    evidence = await services.pool.run(
        lambda: services.trust.collect(pending.certificate_der, pending.arrived_at)
    )
    if evidence.revocation == "unknown":
        return False
    if services.answers is not None:
        await services.answers.use(evidence.answers)
    try:
        async with services.store.begin(_scope(pending.agency_id)) as work:
            item = await work.inbox.get(pending.inbox_id)
            if item.state == "landed":  # it is being judged at this moment, perhaps by what was known before
                return False
            await _settle(services, work, item, evidence)
            await work.pending.remove(item.id)
            await work.commit()
    except (Clash, StaleVersion):  # a worker or a person has it now; the next look finds it as they left it
        return False
    log.action(_log, "revocation.known", evidence.revocation, inbox=pending.inbox_id, serial=evidence.serial)
    return True


async def _settle(services: IncomingServices, work: SqlWork, item: InboxPacket, evidence: Evidence) -> None:
    if item.state == "held" and item.code == _CODE:
        await work.inbox.reopen(item.id)
        services.wake()
    elif item.incoming_id is not None:
        await _of_document(services, work, item.incoming_id, evidence)
    elif item.state == "done" and evidence.revocation == "revoked":
        await work.events.append(
            EventKind.INBOX_REVOCATION, item.id, services.clock.now(), _as_told(evidence)
        )


async def _of_document(
    services: IncomingServices, work: SqlWork, incoming_id: str, evidence: Evidence
) -> None:
    document = await work.incoming.get(incoming_id)
    revoked = evidence.revocation == "revoked"
    marks = [each for each in document.marks if each != REVOCATION_UNKNOWN]
    checked = document.checks | {"revocation": evidence.revocation}
    changed = replace(document, marks=(*marks, REVOKED_BEFORE) if revoked else tuple(marks), checks=checked)
    await work.incoming.save(changed, expect_version=document.version)
    await work.events.append(
        EventKind.INBOX_REVOCATION, document.id, services.clock.now(), _as_told(evidence)
    )


def _as_told(evidence: Evidence) -> Mapping[str, object]:
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


SUSPECT_MARK = "key_stolen"
DOCUMENTS_AT_ONCE = 100
MOST_SENT = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtedDocument:
    """One document of the time in question. `way`: it came in, or we sent it."""

    id: str
    agency_id: str
    way: str
    at: datetime
    reason: str


async def mark_suspects(
    services: IncomingServices, code: str, fingerprint: str, since: datetime
) -> list[DoubtedDocument]:
    """Everything of that agency since then that does not hold any more, marked. The binding was withdrawn before."""
    found = []
    for agency in await services.store.hosted():
        scope = AgencyScope(agency_id=agency.id, principal_id="node")
        async for document in _since(services, scope, code, since):
            reason = await _why_it_fails(services, scope, document)
            if reason:
                await _mark_in(services, scope, document, fingerprint, reason)
                found.append(
                    DoubtedDocument(
                        id=document.id, agency_id=agency.id, way="in", at=document.arrived_at, reason=reason
                    )
                )
    for item in await services.store.signed_under(fingerprint, since, MOST_SENT):
        await _tell_out(services, item, fingerprint)
        found.append(
            DoubtedDocument(
                id=item.subject_id, agency_id=item.agency_id, way="out", at=item.created_at, reason=item.kind
            )
        )
    return found


async def _since(
    services: IncomingServices, scope: AgencyScope, code: str, since: datetime
) -> AsyncIterator[IncomingDocument]:
    cursor = None
    while True:
        async with services.store.read(scope) as work:
            page = await work.incoming.page(limit=DOCUMENTS_AT_ONCE, cursor=cursor)
        for document in page.items:
            if document.arrived_at < since:
                return
            if document.sender_code.casefold() == code.casefold():
                yield document
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


async def _why_it_fails(services: IncomingServices, scope: AgencyScope, document: IncomingDocument) -> str:
    """Why it does not hold by what is known now; nothing when it does, being signed under another key."""
    async with services.store.read(scope) as work:
        item = await work.inbox.get(document.inbox_id)
    try:
        await verify.run(services, item)
    except StoreFailure:
        raise
    except GatewayError as error:
        return f"{error.code}: {error}"
    return ""


async def _mark_in(
    services: IncomingServices, scope: AgencyScope, document: IncomingDocument, fingerprint: str, reason: str
) -> None:
    async with services.store.begin(scope) as work:
        fresh = await work.incoming.get(document.id)
        if SUSPECT_MARK not in fresh.marks:
            await work.incoming.save(replace(fresh, marks=(*fresh.marks, SUSPECT_MARK)))
        told = {"certificate": fingerprint, "from": document.sender_code, "reason": reason}
        await work.events.append(EventKind.KEY_SUSPECT, document.id, services.clock.now(), told)
        await work.commit()


async def _tell_out(services: IncomingServices, item: OutboxItem, fingerprint: str) -> None:
    scope = AgencyScope(agency_id=item.agency_id, principal_id="node")
    async with services.store.begin(scope) as work:
        told = {"certificate": fingerprint, "packet": item.packet_id, "envelope": item.envelope_digest}
        await work.events.append(EventKind.KEY_SUSPECT, item.subject_id, services.clock.now(), told)
        await work.commit()
