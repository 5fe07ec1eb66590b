"""Steps 4 and 5 of the way out: a document or a status becomes a signed envelope, and that an outbox row. In: a leased
`pack` or `answer` job, or what somebody is about to commit (`sign_document`, `sign_status`). Out: in one
transaction, so that a worker that woke late changes nothing: envelope reference, outbox row, source references dropped,
job done; or, after an error that no time heals, every recipient failed with the reason. Streams content store → base64 →
envelope; verifies the result on the fast path before it may leave (W10). A crash before the last commit leaves only an
unreferenced blob, and the job comes again."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from io import BytesIO
from typing import BinaryIO

from gateway import log
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import Delivery, FileItem, Kind, Lane, OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.domain.identity import Digest, PacketId
from gateway.domain.pace import SMALL
from gateway.domain.proof import Binding, SignedEnvelope, StatusPacket
from gateway.domain.queues import Job, LeasedOutbox, OutboxItem, OutboxTarget
from gateway.domain.routes import Trail
from gateway.domain.status import Fact, Track, fold_delivery
from gateway.edxml import attachment, build, verify
from gateway.edxml.envelope import Envelope
from gateway.errors import (
    AlteredContent,
    BreaksRule,
    GatewayError,
    InvalidEnvelope,
    Refused,
    StaleLease,
    StoreFailure,
    as_gateway_error,
)
from gateway.outgoing import requests, translate
from gateway.outgoing.check import hosted_agency
from gateway.outgoing.intake import Received
from gateway.outgoing.services import OutgoingServices, signing_keys
from gateway.policy import upkeep
from gateway.ports.services import EnvelopeSigner, Readable
from gateway.store.blob_refs import Kept
from gateway.store.blobs import FileScratch
from gateway.store.work import PutStatus, SqlWork

_log = logging.getLogger(__name__)
# What does not have the form that its own reader wants, before any key is looked at: steps 1 to 5 of verification.md 9.
_UNREADABLE = "GW-S-002"
_FORM = 5
_WRITTEN_ANEW = 3
# Recipients and files of an envelope that is written in no time.
_FEW = 32
# What files may have together for their sender to wait until they are signed: about as long as for the look at them.
AT_ONCE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Packed:
    """A signed envelope, as the content store took it. `signed_by`: the certificate of its key, by SHA-256."""

    signed: SignedEnvelope[Envelope]
    content: Kept
    digest: Digest
    size: int
    signed_by: str

    @classmethod
    def of(cls, signed: SignedEnvelope[Envelope], content: Kept) -> Packed:
        """Return the envelope with what is asked of it again and again."""
        certificate = hashlib.sha256(signed.certificate_der).hexdigest()
        return cls(signed, content, content.digest, content.size, certificate)


async def keep(services: OutgoingServices, scratch: FileScratch, signed: SignedEnvelope[Envelope]) -> Packed:
    """The envelope in this scratch file is the content store's from now on."""
    return Packed.of(signed, await services.blobs.keep(scratch, signed.file_digest, signed.file_size))


async def run(services: OutgoingServices, job: Job) -> None:
    """Does one job. What fails is put off with its reason on the row; nothing leaves half made."""
    scope = AgencyScope(agency_id=job.agency_id, principal_id="node")
    with _unless_lost(job):
        try:
            await (
                _document(services, scope, job)
                if job.payload is None
                else _answer(services, scope, job, job.payload)
            )
        except StaleLease:
            raise
        except (
            Exception
        ) as error:  # reason: an error that nobody foresaw counts as a try, and ends at the limit
            if not isinstance(error, GatewayError):
                log.unforeseen(_log, "job.broke", error, job=job.id, subject=job.subject_id)
            failure = as_gateway_error(error)
            if _is_final(failure, job):
                await give_up(services, scope, job, failure)
            else:
                await _put_off(services, scope, job, failure)


@contextmanager
def _unless_lost(job: Job) -> Iterator[None]:
    try:
        yield
    except StaleLease:
        log.action(_log, "job.discarded", "another worker owns this job now", job=job.id)


def _is_final(error: GatewayError, job: Job) -> bool:
    """Whether no time heals it. A key, a token or a disk that is away comes back, however long it takes; a file that is
    gone comes back from a backup. What was written and cannot be read was written so by chance, or is so each time."""
    if error.code == _UNREADABLE:
        return job.lease.attempt >= _WRITTEN_ANEW
    if error.code == GatewayError.code:
        return job.lease.attempt >= upkeep.MOST_UNFORESEEN
    return isinstance(error, BreaksRule | Refused | AlteredContent)


async def _document(services: OutgoingServices, scope: AgencyScope, job: Job) -> None:
    async with services.store.read(scope) as work:
        document = await work.outgoing.get(job.subject_id)
        waits = document.state is OutState.QUEUED
        sources = [await services.blobs.open(work, item.sha256) for item in document.files if waits]
    if not waits:
        # It was packed before, or will never be sent: the job is over.
        async with services.store.begin(scope) as work:
            await work.jobs.done(job.lease)
            await work.commit()
        return
    agency = await hosted_agency(services, scope)
    contents = [
        _content(document, item, source) for item, source in zip(document.files, sources, strict=True)
    ]
    paper = _letter(agency, document, contents, services.clock.now())
    packed = await _sign(services, paper, await _signer(services, paper))
    await enqueue_document(services, scope, job, document, packed)


async def _answer(services: OutgoingServices, scope: AgencyScope, job: Job, packet: StatusPacket) -> None:
    paper = _status(await hosted_agency(services, scope), packet, services.clock.now())
    packed = await _sign(services, paper, await _signer(services, paper))
    async with services.store.begin(scope) as work:
        await work.jobs.done(job.lease)
        await put_status(services, work, scope.agency_id, job.subject_id, packet, packed)
        await work.commit()


async def sign_document(
    services: OutgoingServices, agency: HostedAgency, document: OutgoingDocument, files: Sequence[Received]
) -> Packed | None:
    """A document signed before it is accepted; `put` sends it in the transaction that accepts it. None where a job has to
    do that."""
    is_due = document.state is OutState.QUEUED and document.kind.is_whole and document.leaves_at is None
    if not is_due:
        return None
    received = {each.item.sha256: each.scratch for each in files}
    contents = [_received_content(document, item, received[item.sha256]) for item in document.files]
    return await _sign_for_waiting(services, _letter(agency, document, contents, services.clock.now()))


def _received_content(
    document: OutgoingDocument, item: FileItem, scratch: FileScratch
) -> build.AttachmentContent:
    body = scratch.body
    if body is None:
        return _content(document, item, partial(_opened, scratch.content))
    entry_name = translate.entry_name(document, item)
    return build.AttachmentContent(
        entry_name=entry_name, open=lambda: (body,), known=(len(body), item.sha256)
    )


def _content(
    document: OutgoingDocument, item: FileItem, source: Callable[[], BinaryIO]
) -> build.AttachmentContent:
    entry_name = translate.entry_name(document, item)
    return build.AttachmentContent(entry_name=entry_name, open=partial(attachment.pieces, source))


def _opened(file: Readable) -> BinaryIO:
    return file.open("rb")


async def sign_status(
    services: OutgoingServices, agency: HostedAgency, packet: StatusPacket, subject_id: str
) -> PutStatus | None:
    """A status signed before what it tells is committed: what puts it into the outbox in that transaction. None as
    above."""
    packed = await _sign_for_waiting(services, _status(agency, packet, services.clock.now()))
    if packed is None:
        return None

    async def put_it(work: SqlWork) -> None:
        await put_status(services, work, agency.id, subject_id, packet, packed)

    return put_it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paper:
    """What is to be signed, and as what."""

    agency: HostedAgency
    envelope: Envelope
    qualifier: build.Qualifier
    at: datetime
    files: Sequence[FileItem] = ()
    contents: Sequence[build.AttachmentContent] = ()
    size: int = 0
    """Of its files together."""

    @property
    def is_small(self) -> bool:
        return self.size <= SMALL // 2


def _letter(
    agency: HostedAgency,
    document: OutgoingDocument,
    contents: Sequence[build.AttachmentContent],
    at: datetime,
) -> _Paper:
    return _Paper(
        agency=agency,
        envelope=translate.envelope_of(document, agency, at),
        qualifier=translate.qualifier(document),
        at=at,
        files=document.files,
        contents=contents,
        size=sum([item.size for item in document.files]),
    )


def _status(agency: HostedAgency, packet: StatusPacket, at: datetime) -> _Paper:
    envelope, qualifier = build.status_envelope(packet, agency), build.status_qualifier(packet)
    return _Paper(agency=agency, envelope=envelope, qualifier=qualifier, at=at)


async def _sign_for_waiting(services: OutgoingServices, paper: _Paper) -> Packed | None:
    """While somebody waits for it. None where it is large, or much is being signed, or its key would have to be waited for,
    or fails: the job that signs it meets that again, and says so."""
    if paper.size > AT_ONCE:
        return None
    try:
        signer = await _signer(services, paper)
        if not signer.at_hand:
            return None
        if paper.is_small:
            return await _sign_small(services, paper, signer)
        with services.signed_at_once.taken(paper.size) as fits:
            return await _sign_large(services, paper, signer) if fits else None
    except Exception as error:  # reason: whatever it is, nobody is turned away for it
        code = error.code if isinstance(error, GatewayError) else type(error).__name__
        log.action(_log, "packet.signed_later", str(error), packet=paper.qualifier.packet_id, code=code)
        return None


async def _signer(services: OutgoingServices, paper: _Paper) -> EnvelopeSigner:
    use = await signing_keys(services, paper.agency.code, paper.at)
    opened = services.keys.opened(paper.agency.code, paper.at, use)
    if opened is not None:
        return opened
    return await services.pool.run(partial(services.keys.signer, paper.agency.code, paper.at, use))


async def _sign(services: OutgoingServices, paper: _Paper, signer: EnvelopeSigner) -> Packed:
    return await (_sign_small if paper.is_small else _sign_large)(services, paper, signer)


async def _sign_large(services: OutgoingServices, paper: _Paper, signer: EnvelopeSigner) -> Packed:
    """Write, sign and sync it in a file, in one thread."""
    with services.blobs.scratch() as scratch:

        def write() -> SignedEnvelope[Envelope]:
            signed = _written(services, paper, signer, scratch.file, partial(_opened, scratch.content))
            scratch.make_durable()
            return signed

        return await keep(services, scratch, await services.pool.run(write))


async def _sign_small(services: OutgoingServices, paper: _Paper, signer: EnvelopeSigner) -> Packed:
    """Write and sign it in memory."""
    file = BytesIO()
    write = partial(_written, services, paper, signer, file, lambda: BytesIO(file.getvalue()))
    # It takes a millisecond or two. A circular to a whole province takes longer, and so does a key elsewhere.
    is_brief = signer.at_hand and len(paper.envelope.to) + len(paper.files) <= _FEW
    signed = await (services.pool.brief if is_brief else services.pool.run)(write)
    if signed.file_size <= SMALL:
        return Packed.of(signed, services.blobs.keep_small(signed.file_digest, file.getvalue()))
    with services.blobs.scratch() as scratch:  # its files are small, its recipients many
        await services.pool.run(lambda: scratch.file.write(file.getbuffer()))
        return await keep(services, scratch, signed)


def _written(
    services: OutgoingServices,
    paper: _Paper,
    signer: EnvelopeSigner,
    file: BinaryIO,
    again: Callable[[], BinaryIO],
) -> SignedEnvelope[Envelope]:
    written = build.write(paper.envelope, paper.contents, file, signer, paper.qualifier, paper.at)
    file.flush()
    _same_files(paper.files, written)
    signed = proved(services, again, written.size, signer, paper.qualifier.packet_id, paper.at)
    if signed.model != paper.envelope or signed.packet_id != paper.qualifier.packet_id:
        raise StoreFailure(
            f"packet {paper.qualifier.packet_id}: the envelope just written reads otherwise than it was meant",
            code=_UNREADABLE,
        )
    return signed


def _same_files(accepted: Sequence[FileItem], written: build.WrittenEnvelope) -> None:
    """What is signed are the bytes that were accepted."""
    for item, part in zip(accepted, written.files, strict=True):
        if part.sha256 != item.sha256:
            raise AlteredContent(
                f"file {item.n} ({item.name}) has other bytes in the content store than were accepted; it is not sent"
            )


def proved(
    services: OutgoingServices,
    again: Callable[[], BinaryIO],
    size: int,
    signer: EnvelopeSigner,
    packet_id: PacketId,
    now: datetime,
) -> SignedEnvelope[Envelope]:
    """W10: what we wrote, read `again`, is what our own fast path accepts; its one pass also gives the file's digest. The
    digests of the files in it were taken while they were written."""
    own = Binding(code=signer.agency_code, certificate_der=signer.certificate_der)
    source = verify.EnvelopeSource(size=size, open=lambda: attachment.pieces(again))
    try:
        signed = verify.examine(
            source, policy=services.xml, bindings=lambda code: (own,), at=now, transport=None, opens=False
        ).signed
    except InvalidEnvelope as error:
        is_form = error.step <= _FORM
        raise StoreFailure(
            f"packet {packet_id}: the envelope just written does not verify ({error.code} at step {error.step}: "
            f"{error.detail}); the disk or the key is at fault, it is not sent",
            code=_UNREADABLE if is_form else None,
        ) from error
    if signed.path != "fast":
        raise StoreFailure(
            f"packet {packet_id}: the envelope just written is not in canonical form", code=_UNREADABLE
        )
    return signed


async def _put_off(services: OutgoingServices, scope: AgencyScope, job: Job, error: GatewayError) -> None:
    """A signer that is down leaves the document queued with its reason (design 4.3)."""
    delay = upkeep.retry_delay(job.lease.attempt)
    log.action(_log, "job.postponed", str(error), job=job.id, subject=job.subject_id, code=error.code)
    async with services.store.begin(scope) as work:
        await work.jobs.retry(job.lease, services.clock.now() + delay, f"{error.code}: {error}")
        await work.commit()


async def enqueue_document(
    services: OutgoingServices, scope: AgencyScope, job: Job, document: OutgoingDocument, packed: Packed
) -> None:
    """The document is packed and waits for the courier, unless it was cancelled meanwhile."""
    agency = await hosted_agency(services, scope)
    async with services.store.begin(scope) as work:
        await work.jobs.done(job.lease)
        current = await work.outgoing.get(document.id)
        if current.state is OutState.QUEUED:
            await work.outgoing.save(as_packed(current, packed, services.clock.now()))
            await work.blobs.drop("source", document.id)
            deliveries = await work.deliveries.of(document.id)
            await put(services, work, agency, document, deliveries, packed)
        await work.commit()
    if current.state is not OutState.QUEUED:
        # it will never be sent; of a sealed document nothing may stay
        await services.blobs.forget([packed.digest])


def as_packed(document: OutgoingDocument, packed: Packed, at: datetime) -> OutgoingDocument:
    """What becomes of it by this envelope."""
    return replace(
        document,
        state=OutState.PACKED,
        state_reason=None,
        envelope_digest=packed.digest,
        body_digest=packed.signed.body_digest,
        envelope_size=packed.size,
        packed_at=at,
    )


async def put(
    services: OutgoingServices,
    work: SqlWork,
    agency: HostedAgency,
    document: OutgoingDocument,
    deliveries: Sequence[Delivery],
    packed: Packed,
) -> None:
    """Its envelope is kept, and waits for the courier."""
    now = services.clock.now()
    await work.blobs.keep(packed.content, "envelope", document.id)
    targets = tuple(
        OutboxTarget(code=delivery.recipient.code, delivery_id=delivery.id)
        for delivery in deliveries
        if delivery.state != "cancelled"
    )
    if targets:
        item = OutboxItem(
            id=services.clock.new_id("obx_"),
            agency_id=agency.id,
            packet_id=document.packet_id,
            kind=document.kind,
            sender_code=agency.code,
            lane=document.draft.urgency.lane,
            envelope_digest=packed.digest,
            envelope_size=packed.size,
            targets=targets,
            created_at=now,
            subject_id=document.id,
            signed_by=packed.signed_by,
        )
        await _post(services, work, item, packed, may_answer=bool(document.draft.replies_to))
    told = as_logged(packed) | {"size": packed.size}
    await work.events.append(EventKind.MESSAGE_QUEUED, document.id, now, told)


async def put_status(
    services: OutgoingServices,
    work: SqlWork,
    agency_id: str,
    subject_id: str,
    packet: StatusPacket,
    packed: Packed,
) -> None:
    """A signed status waits for the courier."""
    now = services.clock.now()
    await work.blobs.keep(packed.content, "status", packet.packet_id)
    item = OutboxItem(
        id=services.clock.new_id("obx_"),
        agency_id=agency_id,
        packet_id=packet.packet_id,
        kind=Kind.STATUS,
        sender_code=packet.sender_code,
        lane=Lane.URGENT if packet.urgent else Lane.NORMAL,
        envelope_digest=packed.digest,
        envelope_size=packed.size,
        targets=(
            OutboxTarget(
                code=packet.to_code,
                delivery_id=packet.delivery_id,
                trail=Trail(axis=packet.axis) if packet.axis else None,
            ),
        ),
        created_at=now,
        subject_id=subject_id,
        signed_by=packed.signed_by,
    )
    await _post(services, work, item, packed, may_answer=False)
    if packet.receipt is not None:
        told = {"to": packet.to_code, "code": packet.code, "packet": packet.packet_id} | as_logged(packed)
        await work.events.append(EventKind.RECEIPT_SIGNED, subject_id, now, told)


async def _post(
    services: OutgoingServices, work: SqlWork, item: OutboxItem, packed: Packed, *, may_answer: bool
) -> None:
    """It leaves once this is committed: by the courier of this process, if there is one, else by whichever claims it."""
    body = packed.content.body
    lease = services.own_rows.lease(item.id, large=body is None)
    await work.outbox.put(item, lease)
    if lease is None:
        work.when_committed(services.wake_couriers)
        return
    opener = services.blobs.reader(packed.digest) if body is None else None
    own = LeasedOutbox(item=item, lease=lease, body=body, open=opener, may_answer=may_answer)
    work.when_committed(partial(services.own_rows.give, own))


def as_logged(packed: Packed) -> dict[str, object]:
    """What the log keeps of what we signed (R4)."""
    signed = packed.signed
    return {
        "envelope": packed.digest,
        "body": signed.body_digest,
        "signature": signed.signature_digest,
        "certificate": packed.signed_by,
    }


async def give_up(services: OutgoingServices, scope: AgencyScope, job: Job, error: GatewayError) -> None:
    """It is tried no more. What asked its recipients for something asks them no longer."""
    log.action(_log, "job.given_up", str(error), job=job.id, subject=job.subject_id, code=error.code)
    with _unless_lost(job):
        async with services.store.begin(scope) as work:
            if job.payload is None:
                await _give_up_document(services, work, job, error)
            else:
                await _give_up_answer(services, work, job, job.payload, error)
            await work.commit()
    services.wake()


async def _give_up_document(services: OutgoingServices, work: SqlWork, job: Job, error: GatewayError) -> None:
    await work.jobs.done(job.lease)
    document = await work.outgoing.get(job.subject_id)
    if document.state is not OutState.QUEUED:
        return
    deliveries = [each for each in await work.deliveries.of(document.id) if each.state != "cancelled"]
    now = services.clock.now()
    fact = Fact(
        track=Track.TRANSPORT, code="failed", at=now, reason=error.code, note=str(error), stated_at=now
    )
    known = await work.facts.of_many([each.id for each in deliveries])
    await work.facts.add_all([(each.id, fact) for each in deliveries])
    standings = {each.id: fold_delivery([*known[each.id], fact]) for each in deliveries}
    states = {id: (standing.word, standing.marks) for id, standing in standings.items()}
    await work.deliveries.save_states(states, now)
    await requests.withdraw_requests(services, work, document)
    await work.outgoing.save(replace(document, state_reason=f"{error.code}: {error}"))
    why = {"code": error.code, "detail": str(error)}
    told = [
        (EventKind.DELIVERY_FAILED, {"to": each.recipient.code, "delivery": each.id, **why})
        for each in deliveries
    ]
    await work.events.append_many(document.id, now, told)


async def _give_up_answer(
    services: OutgoingServices, work: SqlWork, job: Job, packet: StatusPacket, error: GatewayError
) -> None:
    await work.jobs.fail(job, f"{error.code}: {error}")
    told = {"to": packet.to_code, "delivery": packet.delivery_id, "code": error.code, "detail": str(error)}
    await work.events.append(EventKind.DELIVERY_FAILED, job.subject_id, services.clock.now(), told)
    if packet.code == "13":
        await requests.withdraw_request(
            services, work, await work.deliveries.get(job.subject_id), packet.packet_id
        )
