"""Step 4 of the way out: a job becomes a signed envelope on disk. In: a leased `pack` or `answer` job. Out: an outbox
row, through `enqueue`. Streams content store → base64 → envelope; verifies the result on the fast path before it may
leave (W10). A crash before the last commit leaves only an unreferenced blob, and the job comes again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import BinaryIO
from uuid import NAMESPACE_OID, uuid5

from gateway import log
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import Kind, OutgoingDocument, OutState
from gateway.domain.identity import Digest, PacketId
from gateway.domain.proof import Binding, SignedEnvelope
from gateway.domain.receipt import StatusPacket
from gateway.edxml import attachment, build, verify
from gateway.edxml.envelope import Envelope
from gateway.errors import GatewayError, InvalidEnvelope, StaleLease, StoreFailure
from gateway.outgoing import enqueue, keys, translate
from gateway.outgoing.check import hosted_agency
from gateway.outgoing.desk import OutDesk
from gateway.policy import retry
from gateway.ports import EnvelopeSigner, Job, Scratch

_log = logging.getLogger(__name__)
# Pieces in which files are read and hashed (design 6).
PIECE = 256 * 1024


class Packed:
    """A signed envelope in its scratch file, kept in the content store by the caller."""

    __slots__ = ("digest", "signed", "size")

    def __init__(self, signed: SignedEnvelope[Envelope]) -> None:
        self.signed = signed
        self.digest: Digest = signed.file_digest
        self.size: int = signed.file_size


async def run(desk: OutDesk, job: Job) -> None:
    """Does one job. What fails is put off with its reason on the row; nothing leaves half made."""
    scope = AgencyScope(agency_id=job.agency_id, principal_id="node")
    try:
        if job.payload is not None:
            await _answer(desk, scope, job, job.payload)
        else:
            await _document(desk, scope, job)
    except StaleLease:
        log.action(_log, "job.discarded", "another worker owns this job now", job=job.id)
    except GatewayError as error:
        await _put_off(desk, scope, job, error)


async def _document(desk: OutDesk, scope: AgencyScope, job: Job) -> None:
    async with desk.store.read(scope) as work:
        document = await work.outgoing.get(job.subject_id)
        sources = (
            [await desk.blobs.open(work, item.sha256) for item in document.files] if _open(document) else []
        )
    if not _open(document):
        await enqueue.nothing_to_do(desk, scope, job)
        return
    agency = await hosted_agency(desk, scope)
    now = desk.clock.now()
    envelope = translate.document(document, agency, now)
    contents = [
        build.Content(entry_name=_entry_name(document, item.name, item.n), open=partial(pieces, source))
        for item, source in zip(document.files, sources, strict=True)
    ]
    qualifier = build.Qualifier(packet_id=document.packet_id, kind=document.kind, receipt=None)
    with desk.blobs.scratch() as scratch:
        packed = await _pack(desk, agency, envelope, contents, qualifier, scratch, now)
        await desk.blobs.keep(scratch, packed.digest, packed.size)
    await enqueue.document(desk, scope, job, document, packed)


def _open(document: OutgoingDocument) -> bool:
    return document.state is OutState.QUEUED


async def _answer(desk: OutDesk, scope: AgencyScope, job: Job, packet: StatusPacket) -> None:
    agency = await hosted_agency(desk, scope)
    envelope = translate.status(packet, agency)
    qualifier = build.Qualifier(packet_id=packet.packet_id, kind=Kind.STATUS, receipt=packet.receipt)
    with desk.blobs.scratch() as scratch:
        packed = await _pack(desk, agency, envelope, (), qualifier, scratch, desk.clock.now())
        await desk.blobs.keep(scratch, packed.digest, packed.size)
    await enqueue.status(desk, scope, job, packet, packed)


async def _pack(
    desk: OutDesk,
    agency: HostedAgency,
    envelope: Envelope,
    contents: Sequence[build.Content],
    qualifier: build.Qualifier,
    scratch: Scratch,
    now: datetime,
) -> Packed:
    use = await keys.usable(desk, agency.code, now)

    def write() -> Packed:
        signer = desk.keys.signer(agency.code, now, use)
        written = build.write(envelope, contents, scratch.file, signer, qualifier, now)
        scratch.file.flush()
        return proved(desk, scratch, written.size, signer, qualifier.packet_id, now)

    return await desk.pool.run(write)


def proved(
    desk: OutDesk, scratch: Scratch, size: int, signer: EnvelopeSigner, packet_id: PacketId, now: datetime
) -> Packed:
    """W10: what we wrote is what our own fast path accepts; its one pass also gives the file's digest."""
    own = Binding(code=signer.agency_code, certificate_der=signer.certificate_der)
    source = verify.Source(size=size, open=lambda: pieces(lambda: scratch.path.open("rb")))
    try:
        signed = verify.envelope(
            source, policy=desk.xml, bindings=lambda code: (own,), at=now, transport=None
        )
    except InvalidEnvelope as error:
        raise StoreFailure(
            f"packet {packet_id}: the envelope just written does not verify ({error.code} at step {error.step}: "
            f"{error.detail}); the disk or the key is at fault, it is not sent"
        ) from error
    if signed.path != "fast":
        raise StoreFailure(f"packet {packet_id}: the envelope just written is not in canonical form")
    return Packed(signed)


def pieces(source: Callable[[], BinaryIO]) -> Iterator[bytes]:
    """A file in pieces; opened when first asked, closed at the end."""
    with source() as file:
        while piece := file.read(PIECE):
            yield piece


def _entry_name(document: OutgoingDocument, name: str, n: int) -> str:
    """As the vendor library: a UUID and the original extension. Fixed per packet, so that a repeat is alike."""
    ending = attachment.extension(attachment.wire_name(name)) or "unk"
    return f"{uuid5(NAMESPACE_OID, f'{document.packet_id}-{n}')}.{ending}"


async def _put_off(desk: OutDesk, scope: AgencyScope, job: Job, error: GatewayError) -> None:
    """A signer that is down leaves the document queued with its reason (design 4.3)."""
    delay = retry.delay_of(job.lease.attempt)
    log.action(_log, "job.postponed", str(error), job=job.id, subject=job.subject_id, code=error.code)
    try:
        async with desk.store.begin(scope) as work:
            await work.jobs.retry(job.lease, desk.clock.now() + delay, f"{error.code}: {error}")
            await work.commit()
    except StaleLease:
        log.action(_log, "job.discarded", "another worker owns this job now", job=job.id)
