"""Step 4 of the way out: a job becomes a signed envelope on disk. In: a leased `pack` or `answer` job. Out: an outbox
row, through `enqueue`. Streams content store → base64 → envelope; verifies the result on the fast path before it may
leave (W10). A crash before the last commit leaves only an unreferenced blob, and the job comes again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import BinaryIO

from gateway import log
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import FileItem, OutgoingDocument, OutState
from gateway.domain.identity import Digest, PacketId
from gateway.domain.proof import Binding, SignedEnvelope
from gateway.domain.receipt import StatusPacket
from gateway.edxml import build, saying, verify
from gateway.edxml.envelope import Envelope
from gateway.errors import (
    AlteredContent,
    BreaksRule,
    GatewayError,
    InvalidEnvelope,
    Refused,
    StaleLease,
    StoreFailure,
)
from gateway.outgoing import enqueue, given_up, keys, sendable, translate
from gateway.outgoing.check import hosted_agency
from gateway.outgoing.desk import OutDesk
from gateway.policy import retry
from gateway.ports import EnvelopeSigner, Job, Kept, Scratch

_log = logging.getLogger(__name__)
# Pieces in which files are read and hashed (design 6).
PIECE = 256 * 1024
# What does not have the form that its own reader wants, before any key is looked at: steps 1 to 5 of verification.md 9.
_UNREADABLE = "GW-S-002"
_FORM = 5
_WRITTEN_ANEW = 3


class Packed:
    """A signed envelope in its scratch file, taken by the content store when `keep` returned."""

    __slots__ = ("content", "digest", "signed", "size")

    def __init__(self, signed: SignedEnvelope[Envelope]) -> None:
        self.signed = signed
        self.digest: Digest = signed.file_digest
        self.size: int = signed.file_size
        self.content = Kept(digest=self.digest, size=self.size)

    async def keep(self, desk: OutDesk, scratch: Scratch) -> None:
        self.content = await desk.blobs.keep(scratch, self.digest, self.size)


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
        if _is_final(error, job):
            await given_up.run(desk, scope, job, error)
        else:
            await _put_off(desk, scope, job, error)


def _is_final(error: GatewayError, job: Job) -> bool:
    """Whether no time heals it. A key, a token or a disk that is away comes back, however long it takes; a file that is
    gone comes back from a backup. What was written and cannot be read was written so by chance, or is so each time."""
    if error.code == _UNREADABLE:
        return job.lease.attempt >= _WRITTEN_ANEW
    return isinstance(error, BreaksRule | Refused | AlteredContent)


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
        build.Content(entry_name=sendable.entry_name(document, item), open=partial(pieces, source))
        for item, source in zip(document.files, sources, strict=True)
    ]
    qualifier = sendable.qualifier(document)
    with desk.blobs.scratch() as scratch:
        packed = await _pack(desk, agency, envelope, contents, qualifier, scratch, now, document.files)
        await packed.keep(desk, scratch)
    await enqueue.document(desk, scope, job, document, packed)


def _same_files(accepted: Sequence[FileItem], written: build.Written) -> None:
    """What is signed are the bytes that were accepted."""
    for item, part in zip(accepted, written.files, strict=True):
        if part.sha256 != item.sha256:
            raise AlteredContent(
                f"file {item.n} ({item.name}) has other bytes in the content store than were accepted; it is not sent"
            )


def _open(document: OutgoingDocument) -> bool:
    return document.state is OutState.QUEUED


async def _answer(desk: OutDesk, scope: AgencyScope, job: Job, packet: StatusPacket) -> None:
    agency = await hosted_agency(desk, scope)
    envelope, qualifier = saying.status(packet, agency), saying.qualifier(packet)
    with desk.blobs.scratch() as scratch:
        packed = await _pack(desk, agency, envelope, (), qualifier, scratch, desk.clock.now())
        await packed.keep(desk, scratch)
    await enqueue.status(desk, scope, job, packet, packed)


async def _pack(
    desk: OutDesk,
    agency: HostedAgency,
    envelope: Envelope,
    contents: Sequence[build.Content],
    qualifier: build.Qualifier,
    scratch: Scratch,
    now: datetime,
    accepted: Sequence[FileItem] = (),
) -> Packed:
    use = await keys.usable(desk, agency.code, now)

    def write() -> Packed:
        signer = desk.keys.signer(agency.code, now, use)
        written = build.write(envelope, contents, scratch.file, signer, qualifier, now)
        scratch.file.flush()
        _same_files(accepted, written)
        return proved(desk, scratch, written.size, signer, qualifier.packet_id, now)

    return await desk.pool.run(write)


def proved(
    desk: OutDesk, scratch: Scratch, size: int, signer: EnvelopeSigner, packet_id: PacketId, now: datetime
) -> Packed:
    """W10: what we wrote is what our own fast path accepts; its one pass also gives the file's digest. The digests of
    the files in it were taken while they were written."""
    own = Binding(code=signer.agency_code, certificate_der=signer.certificate_der)
    source = verify.Source(size=size, open=lambda: pieces(lambda: scratch.path.open("rb")))
    try:
        signed = verify.envelope(
            source, policy=desk.xml, bindings=lambda code: (own,), at=now, transport=None, opens=False
        )
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
    return Packed(signed)


def pieces(source: Callable[[], BinaryIO]) -> Iterator[bytes]:
    """A file in pieces; opened when first asked, closed at the end."""
    with source() as file:
        while piece := file.read(PIECE):
            yield piece


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
