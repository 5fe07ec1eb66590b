"""Steps 4 and 5 of the way out: a document or a status becomes a signed envelope, and the envelope an outbox row. In: a
leased `pack` or `answer` job, or a document or status that is about to be committed (`sign_document`, `sign_status`).
Out: one transaction that stores the envelope's reference and outbox row, drops the source references and finishes the
job, so that a worker that lost its lease changes nothing; after a permanent error, every recipient failed with the
reason. Files are streamed from the content store through base64 into the envelope, which our fast reader must accept
before it may leave (W10, verified before leaving). A crash before the commit leaves only an unreferenced blob, and the
job runs again."""

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
from gateway.domain.states import State, Track
from gateway.domain.status import Fact, fold_delivery
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
from gateway.outgoing.check import hosted_agency, name_ended_sender
from gateway.outgoing.intake import Received
from gateway.outgoing.services import OutgoingServices, signing_keys
from gateway.policy import upkeep
from gateway.ports.services import EnvelopeSigner, Readable
from gateway.store.blob_refs import KeptContent
from gateway.store.blobs import FileScratch
from gateway.store.work import PutStatus, SqlWork

_log = logging.getLogger(__name__)
# Code of an envelope that our own reader rejects for its form: it fails in steps 1 to 5 of `docs/verification.md`,
# before any key is used.
_UNREADABLE = "GW-S-002"
_FORM = 5
_MOST_REWRITES = 3
# An envelope with at most this many recipients and files together is written in a millisecond or two.
_FEW = 32
# Up to this total size of its files a document is signed while its sender waits: signing takes about as long as
# inspecting them.
AT_ONCE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Packed:
    """Signed envelope with its place in the content store. `signed_by` is the SHA-256 of its key's certificate."""

    signed: SignedEnvelope[Envelope]
    content: KeptContent
    digest: Digest
    size: int
    signed_by: str

    @classmethod
    def from_signed(cls, signed: SignedEnvelope[Envelope], content: KeptContent) -> Packed:
        """Combine a signed envelope with its stored content, and with the values of both that are read often."""
        certificate = hashlib.sha256(signed.certificate_der).hexdigest()
        return cls(signed, content, content.digest, content.size, certificate)


async def keep(services: OutgoingServices, scratch: FileScratch, signed: SignedEnvelope[Envelope]) -> Packed:
    """Hand the envelope in this scratch file to the content store, and return it as packed."""
    return Packed.from_signed(
        signed, await services.blobs.keep(scratch, signed.file_digest, signed.file_size)
    )


async def run(services: OutgoingServices, job: Job) -> None:
    """Run one leased job: pack a document, or sign an answer. A job that fails is postponed, or given up after a
    permanent error, with the reason on its row; nothing is left half done."""
    scope = AgencyScope(agency_id=job.agency_id, principal_id="node")
    with _unless_lost(job):
        try:
            await (
                _pack_document(services, scope, job)
                if job.payload is None
                else _pack_answer(services, scope, job, job.payload)
            )
        except StaleLease:
            raise
        except Exception as error:  # reason: an unforeseen error counts as an attempt, up to the limit
            if not isinstance(error, GatewayError):
                log.log_unforeseen(_log, "job.broke", error, job=job.id, subject=job.subject_id)
            failure = await _name_ended_sender(services, scope, job, as_gateway_error(error))
            if _is_final(failure, job):
                await give_up(services, scope, job, failure)
            else:
                await _postpone(services, scope, job, failure)


async def _name_ended_sender(
    services: OutgoingServices, scope: AgencyScope, job: Job, error: GatewayError
) -> GatewayError:
    try:
        signing = await _answering_agency(services, scope, job.payload)
    except GatewayError:
        return error
    return await name_ended_sender(services, signing.code, error)


@contextmanager
def _unless_lost(job: Job) -> Iterator[None]:
    try:
        yield
    except StaleLease:
        log.action(_log, "job.discarded", "another worker owns this job now", job=job.id)


def _is_final(error: GatewayError, job: Job) -> bool:
    """Tell whether retrying the job is pointless after this error. A missing key, token, disk or file may come back at
    any time, so those are retried without end. An envelope that cannot be read after writing, and an unforeseen error,
    are retried a limited number of times."""
    if error.code == _UNREADABLE:
        return job.lease.attempt >= _MOST_REWRITES
    if error.code == GatewayError.code:
        return job.lease.attempt >= upkeep.MOST_UNFORESEEN
    return isinstance(error, BreaksRule | Refused | AlteredContent)


async def _pack_document(services: OutgoingServices, scope: AgencyScope, job: Job) -> None:
    """Write and sign the envelope of a queued document; finish the job of any other without work."""
    async with services.store.read(scope) as work:
        document = await work.outgoing.get(job.subject_id)
        waits = document.state is OutState.QUEUED
        sources = [await services.blobs.open(work, file.sha256) for file in document.files if waits]
    if not waits:
        # It was packed before, or will never be sent: the job is over.
        async with services.store.changing(scope) as work:
            await work.jobs.finish(job.lease)
        return
    agency = await hosted_agency(services, scope)
    contents = [
        _make_content(document, file, source) for file, source in zip(document.files, sources, strict=True)
    ]
    task = _document_task(agency, document, contents, services.clock.now())
    packed = await _sign(services, task, await _open_signer(services, task))
    await enqueue_document(services, scope, job, document, packed)


async def _pack_answer(
    services: OutgoingServices, scope: AgencyScope, job: Job, packet: StatusPacket
) -> None:
    agency = await _answering_agency(services, scope, packet)
    packet = replace(packet, sender_code=agency.code)
    task = _status_task(agency, packet, services.clock.now())
    packed = await _sign(services, task, await _open_signer(services, task))
    async with services.store.changing(scope) as work:
        await work.jobs.finish(job.lease)
        await put_status(services, work, scope.agency_id, job.subject_id, packet, packed)


async def _answering_agency(
    services: OutgoingServices, scope: AgencyScope, packet: StatusPacket | None
) -> HostedAgency:
    """Return the agency that signs: for an answer the heir, where the code has ended and the heir is hosted here."""
    agency, today = await hosted_agency(services, scope), services.today()
    if (
        packet is None
        or packet.receipt is None
        or await services.directory.find(agency.code, today) is not None
    ):
        return agency
    heir = (await services.directory.resolve(agency.code, today)).successor
    return next((a for a in await services.store.hosted() if a.code == heir), agency)


async def sign_document(
    services: OutgoingServices, agency: HostedAgency, document: OutgoingDocument, files: Sequence[Received]
) -> Packed | None:
    """Sign a document before it is accepted; the transaction that accepts it also puts its envelope into the outbox.
    Returns None where a job has to sign it."""
    is_due = document.state is OutState.QUEUED and document.kind.is_whole and document.leaves_at is None
    if not is_due:
        return None
    received = {r.item.sha256: r.scratch for r in files}
    contents = [_make_received_content(document, file, received[file.sha256]) for file in document.files]
    return await _sign_at_once(services, _document_task(agency, document, contents, services.clock.now()))


def _make_received_content(
    document: OutgoingDocument, file: FileItem, scratch: FileScratch
) -> build.AttachmentContent:
    """Make the content of a file that has just been received: its digest was made while its bytes passed."""
    body, source = scratch.body, partial(_open_file, scratch.content)
    return build.AttachmentContent(
        entry_name=translate.entry_name(document, file),
        open=partial(attachment.pieces, source) if body is None else lambda: (body,),
        size_and_digest=(file.size, file.sha256),
    )


def _make_content(
    document: OutgoingDocument, file: FileItem, source: Callable[[], BinaryIO]
) -> build.AttachmentContent:
    entry_name = translate.entry_name(document, file)
    return build.AttachmentContent(entry_name=entry_name, open=partial(attachment.pieces, source))


def _open_file(file: Readable) -> BinaryIO:
    return file.open("rb")


async def sign_status(
    services: OutgoingServices, agency: HostedAgency, packet: StatusPacket, subject_id: str
) -> PutStatus | None:
    """Sign a status before the change that it reports is committed. Returns a function that puts it into the outbox in
    that transaction, or None where a job has to sign it."""
    packed = await _sign_at_once(services, _status_task(agency, packet, services.clock.now()))
    if packed is None:
        return None

    async def put_packet(work: SqlWork) -> None:
        await put_status(services, work, agency.id, subject_id, packet, packed)

    return put_packet


@dataclass(frozen=True, slots=True, kw_only=True)
class _SigningTask:
    """Envelope to sign, with its qualifier and the contents of its files."""

    agency: HostedAgency
    envelope: Envelope
    qualifier: build.Qualifier
    at: datetime
    files: Sequence[FileItem] = ()
    contents: Sequence[build.AttachmentContent] = ()
    size: int = 0
    """Total size of the files."""

    @property
    def is_small(self) -> bool:
        return self.size <= SMALL // 2


def _document_task(
    agency: HostedAgency,
    document: OutgoingDocument,
    contents: Sequence[build.AttachmentContent],
    at: datetime,
) -> _SigningTask:
    return _SigningTask(
        agency=agency,
        envelope=translate.envelope_of(document, agency, at),
        qualifier=translate.qualifier(document),
        at=at,
        files=document.files,
        contents=contents,
        size=sum([file.size for file in document.files]),
    )


def _status_task(agency: HostedAgency, packet: StatusPacket, at: datetime) -> _SigningTask:
    envelope, qualifier = build.status_envelope(packet, agency), build.status_qualifier(packet)
    return _SigningTask(agency=agency, envelope=envelope, qualifier=qualifier, at=at)


async def _sign_at_once(services: OutgoingServices, task: _SigningTask) -> Packed | None:
    """Sign while the sender waits. Returns None where the files are large, many other envelopes are being signed, or the
    key is slow or fails: then a job signs the envelope, meets the same error and reports it."""
    if task.size > AT_ONCE:
        return None
    try:
        signer = await _open_signer(services, task)
        if not signer.at_hand:
            return None
        if task.is_small:
            return await _sign_small(services, task, signer)
        with services.signed_at_once.reserve(task.size) as fits:
            return await _sign_large(services, task, signer) if fits else None
    except Exception as error:  # reason: no sender is refused for this error, which the job meets again
        code = error.code if isinstance(error, GatewayError) else type(error).__name__
        log.action(_log, "packet.signed_later", str(error), packet=task.qualifier.packet_id, code=code)
        return None


async def _open_signer(services: OutgoingServices, task: _SigningTask) -> EnvelopeSigner:
    use = await signing_keys(services, task.agency.code, task.at)
    opened = services.keys.opened(task.agency.code, task.at, use)
    if opened is not None:
        return opened
    return await services.pool.run(partial(services.keys.signer, task.agency.code, task.at, use))


async def _sign(services: OutgoingServices, task: _SigningTask, signer: EnvelopeSigner) -> Packed:
    return await (_sign_small if task.is_small else _sign_large)(services, task, signer)


async def _sign_large(services: OutgoingServices, task: _SigningTask, signer: EnvelopeSigner) -> Packed:
    """Write and sign the envelope in a scratch file and sync it, all in one thread."""
    with services.blobs.scratch() as scratch:

        def write() -> SignedEnvelope[Envelope]:
            signed = _write_and_verify(
                services, task, signer, scratch.file, partial(_open_file, scratch.content)
            )
            scratch.make_durable()
            return signed

        return await keep(services, scratch, await services.pool.run(write))


async def _sign_small(services: OutgoingServices, task: _SigningTask, signer: EnvelopeSigner) -> Packed:
    """Write and sign the envelope in memory."""
    file = BytesIO()
    write = partial(_write_and_verify, services, task, signer, file, lambda: BytesIO(file.getvalue()))
    # Writing takes a millisecond or two. It takes longer for a circular to a whole province, or with a key on another
    # device.
    is_brief = signer.at_hand and len(task.envelope.to) + len(task.files) <= _FEW
    signed = await (services.pool.brief if is_brief else services.pool.run)(write)
    if signed.file_size <= SMALL:
        return Packed.from_signed(signed, services.blobs.keep_small(signed.file_digest, file.getvalue()))
    with services.blobs.scratch() as scratch:  # small files, but an envelope large by its recipients
        await services.pool.run(lambda: scratch.file.write(file.getbuffer()))
        return await keep(services, scratch, signed)


def _write_and_verify(
    services: OutgoingServices,
    task: _SigningTask,
    signer: EnvelopeSigner,
    file: BinaryIO,
    reopen: Callable[[], BinaryIO],
) -> SignedEnvelope[Envelope]:
    """Write and sign the envelope, then read it back: StoreFailure unless it says exactly what was meant."""
    written_envelope = build.write(task.envelope, task.contents, file, signer, task.qualifier, task.at)
    file.flush()
    _check_files(task.files, written_envelope)
    signed = verify_written(
        services, reopen, written_envelope.size, signer, task.qualifier.packet_id, task.at
    )
    if signed.model != task.envelope or signed.packet_id != task.qualifier.packet_id:
        raise StoreFailure(
            f"packet {task.qualifier.packet_id}: the envelope just written reads otherwise than it was meant",
            code=_UNREADABLE,
        )
    return signed


def _check_files(accepted: Sequence[FileItem], written_envelope: build.WrittenEnvelope) -> None:
    """Check that the files in the written envelope have the digests that were accepted."""
    for file, part in zip(accepted, written_envelope.files, strict=True):
        if part.sha256 != file.sha256:
            raise AlteredContent(
                f"file {file.n} ({file.name}) has other bytes in the content store than were accepted; it is not sent"
            )


def verify_written(
    services: OutgoingServices,
    reopen: Callable[[], BinaryIO],
    size: int,
    signer: EnvelopeSigner,
    packet_id: PacketId,
    now: datetime,
) -> SignedEnvelope[Envelope]:
    """Verify an envelope that was just written by reading it again on the fast path (W10, verified before leaving), and
    return it with the digest of its file. Files inside were hashed when written, so they are not decoded again."""
    own = Binding(code=signer.agency_code, certificate_der=signer.certificate_der)
    source = verify.EnvelopeSource(size=size, open=lambda: attachment.pieces(reopen))
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


async def _postpone(services: OutgoingServices, scope: AgencyScope, job: Job, error: GatewayError) -> None:
    """Put the job off with the error on its row; its document stays queued, for example while the signer is down."""
    delay = upkeep.retry_delay(job.lease.attempt)
    log.action(_log, "job.postponed", str(error), job=job.id, subject=job.subject_id, code=error.code)
    async with services.store.changing(scope) as work:
        await work.jobs.retry(job.lease, services.clock.now() + delay, f"{error.code}: {error}")


async def enqueue_document(
    services: OutgoingServices, scope: AgencyScope, job: Job, document: OutgoingDocument, packed: Packed
) -> None:
    """Finish the job: mark the document as packed and put it into the outbox, unless it was cancelled meanwhile."""
    agency = await hosted_agency(services, scope)
    async with services.store.changing(scope) as work:
        await work.jobs.finish(job.lease)
        latest = await work.outgoing.get(document.id)
        if latest.state is OutState.QUEUED:
            await work.outgoing.save(as_packed(latest, packed, services.clock.now()))
            await work.blobs.drop("source", document.id)
            deliveries = await work.deliveries.of_document(document.id)
            await put_document(services, work, agency, document, deliveries, packed)
    if latest.state is not OutState.QUEUED:
        # The document will never be sent, and nothing may stay of it if it was sealed.
        await services.blobs.forget([packed.digest])


def as_packed(document: OutgoingDocument, packed: Packed, at: datetime) -> OutgoingDocument:
    """Return the document as packed in this envelope at this time."""
    return replace(
        document,
        state=OutState.PACKED,
        state_reason=None,
        envelope_digest=packed.digest,
        body_digest=packed.signed.body_digest,
        envelope_size=packed.size,
        packed_at=at,
    )


async def put_document(
    services: OutgoingServices,
    work: SqlWork,
    agency: HostedAgency,
    document: OutgoingDocument,
    deliveries: Sequence[Delivery],
    packed: Packed,
) -> None:
    """Keep the document's envelope, and add an outbox row for every recipient whose delivery is not cancelled."""
    now = services.clock.now()
    await work.blobs.keep(packed.content, "envelope", document.id)
    targets = tuple(
        OutboxTarget(code=delivery.recipient.code, delivery_id=delivery.id)
        for delivery in deliveries
        if delivery.state != State.CANCELLED
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
        await _put_in_outbox(services, work, item, packed, may_answer=bool(document.draft.replies_to))
    facts = as_logged(packed) | {"size": packed.size, "files": [file.sha256 for file in document.files]}
    await work.events.append(EventKind.MESSAGE_QUEUED, document.id, now, facts)


async def put_status(
    services: OutgoingServices,
    work: SqlWork,
    agency_id: str,
    subject_id: str,
    packet: StatusPacket,
    packed: Packed,
) -> None:
    """Keep the envelope of a signed status, and add its outbox row."""
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
    await _put_in_outbox(services, work, item, packed, may_answer=False)
    if packet.receipt is not None:
        facts = {"to": packet.to_code, "code": packet.code, "packet": packet.packet_id} | as_logged(packed)
        await work.events.append(EventKind.RECEIPT_SIGNED, subject_id, now, facts)


async def _put_in_outbox(
    services: OutgoingServices, work: SqlWork, item: OutboxItem, packed: Packed, *, may_answer: bool
) -> None:
    """Add the outbox row. After the commit the courier of this process sends it under a lease; where this process has
    none to spare, any courier may claim it."""
    body = packed.content.body
    lease = services.own_rows.lease(item.id, large=body is None)
    await work.outbox.add(item, lease)
    if lease is None:
        work.when_committed(services.wake_couriers)
        return
    opener = packed.content.open if body is None else None
    own = LeasedOutbox(item=item, lease=lease, body=body, open=opener, may_answer=may_answer)
    work.when_committed(partial(services.own_rows.give, own))


def as_logged(packed: Packed) -> dict[str, object]:
    """Return the digests and the certificate that the sealed log keeps of a signed envelope."""
    signed = packed.signed
    return {
        "envelope": packed.digest,
        "body": signed.body_digest,
        "signature": signed.signature_digest,
        "certificate": packed.signed_by,
    }


async def give_up(services: OutgoingServices, scope: AgencyScope, job: Job, error: GatewayError) -> None:
    """Give the job up after a permanent error: its recipients fail with the reason, and a request to recipients that its
    packet would have made is withdrawn."""
    log.action(_log, "job.given_up", str(error), job=job.id, subject=job.subject_id, code=error.code)
    with _unless_lost(job):
        async with services.store.changing(scope) as work:
            if job.payload is None:
                await _give_up_document(services, work, job, error)
            else:
                await _give_up_answer(services, work, job, job.payload, error)
    services.wake()


async def _give_up_document(services: OutgoingServices, work: SqlWork, job: Job, error: GatewayError) -> None:
    """Mark every delivery as failed, withdraw the document's requests, and record the reason."""
    await work.jobs.finish(job.lease)
    document = await work.outgoing.get(job.subject_id)
    if document.state is not OutState.QUEUED:
        return
    deliveries = [d for d in await work.deliveries.of_document(document.id) if d.state != State.CANCELLED]
    now = services.clock.now()
    fact = Fact(
        track=Track.TRANSPORT, code=State.FAILED, at=now, reason=error.code, note=str(error), stated_at=now
    )
    facts_by_delivery = await work.facts.of_subjects([d.id for d in deliveries])
    await work.facts.add_all([(d.id, fact) for d in deliveries])
    standings = {d.id: fold_delivery([*facts_by_delivery[d.id], fact]) for d in deliveries}
    states = {id: (standing.word, standing.marks) for id, standing in standings.items()}
    await work.deliveries.save_states(states, now)
    await requests.withdraw_requests(services, work, document)
    await work.outgoing.save(replace(document, state_reason=f"{error.code}: {error}"))
    why = {"code": error.code, "detail": str(error)}
    events = [
        (EventKind.DELIVERY_FAILED, {"to": d.recipient.code, "delivery": d.id, **why}) for d in deliveries
    ]
    await work.events.append_many(document.id, now, events)


async def _give_up_answer(
    services: OutgoingServices, work: SqlWork, job: Job, packet: StatusPacket, error: GatewayError
) -> None:
    await work.jobs.fail(job, f"{error.code}: {error}")
    facts = {"to": packet.to_code, "delivery": packet.delivery_id, "code": error.code, "detail": str(error)}
    await work.events.append(EventKind.DELIVERY_FAILED, job.subject_id, services.clock.now(), facts)
    if packet.code == "13":
        await requests.withdraw_request(
            services, work, await work.deliveries.get(job.subject_id), packet.packet_id
        )
