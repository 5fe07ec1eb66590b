"""Step 5 of the way out: a signed envelope becomes one outbox row per route. In: the envelope kept in the content
store, and the job's lease. Out: committed: envelope reference, outbox row, source references dropped, job done. One
transaction, so that a worker that woke late changes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind, Lane, OutgoingDocument, OutState, Urgency
from gateway.domain.event import EventKind
from gateway.domain.identity import Digest, PacketId
from gateway.domain.receipt import StatusPacket
from gateway.outgoing.check import hosted_agency
from gateway.outgoing.desk import OutDesk
from gateway.ports import Job, OutboxItem, Target, Work

if TYPE_CHECKING:
    from gateway.outgoing.package import Packed


async def document(
    desk: OutDesk, scope: AgencyScope, job: Job, document: OutgoingDocument, packed: Packed
) -> None:
    """The document is packed and waits for the courier, unless it was cancelled meanwhile."""
    agency = await hosted_agency(desk, scope)
    now = desk.clock.now()
    async with desk.store.begin(scope) as work:
        await work.jobs.done(job.lease)
        current = await work.outgoing.get(document.id)
        if current.state is OutState.QUEUED:
            await work.outgoing.save(
                replace(
                    current,
                    state=OutState.PACKED,
                    state_reason=None,
                    envelope_digest=packed.digest,
                    body_digest=packed.signed.body_digest,
                    envelope_size=packed.size,
                    packed_at=now,
                )
            )
            await work.blobs.keep(packed.content, "envelope", document.id)
            await work.blobs.drop("source", document.id)
            targets = await _targets(work, document.id)
            if targets:
                await work.outbox.put(
                    _item(
                        desk,
                        document.id,
                        scope,
                        document.packet_id,
                        document.kind,
                        agency.code,
                        packed,
                        targets,
                        urgent=document.draft.urgency > Urgency.NORMAL,
                    )
                )
            await work.events.append(
                EventKind.MESSAGE_QUEUED,
                document.id,
                now,
                proof(packed) | {"size": packed.size},
            )
        await work.commit()
    if current.state is not OutState.QUEUED:
        await desk.blobs.forget(
            [packed.digest]
        )  # it will never be sent; of a sealed document nothing may stay


async def status(desk: OutDesk, scope: AgencyScope, job: Job, packet: StatusPacket, packed: Packed) -> None:
    """A signed status waits for the courier."""
    async with desk.store.begin(scope) as work:
        await work.jobs.done(job.lease)
        await work.blobs.keep(packed.content, "status", packet.packet_id)
        target = Target(code=packet.to_code, delivery_id=packet.delivery_id)
        await work.outbox.put(
            _item(
                desk,
                job.subject_id,
                scope,
                packet.packet_id,
                Kind.STATUS,
                packet.sender_code,
                packed,
                (target,),
                urgent=packet.urgent,
            )
        )
        if packet.receipt is not None:
            told = {"to": packet.to_code, "code": packet.code, "packet": packet.packet_id} | proof(packed)
            await work.events.append(EventKind.RECEIPT_SIGNED, job.subject_id, desk.clock.now(), told)
        await work.commit()


def proof(packed: Packed) -> dict[str, object]:
    """What the log keeps of what we signed (R4)."""
    signed = packed.signed
    return {
        "envelope": packed.digest,
        "body": signed.body_digest,
        "signature": signed.signature_digest,
        "certificate": signed_by(packed),
    }


def signed_by(packed: Packed) -> str:
    """The certificate that it was signed under, by SHA-256."""
    return hashlib.sha256(packed.signed.certificate_der).hexdigest()


async def nothing_to_do(desk: OutDesk, scope: AgencyScope, job: Job) -> None:
    """The document was packed before, or will never be sent: the job is over."""
    async with desk.store.begin(scope) as work:
        await work.jobs.done(job.lease)
        await work.commit()


async def _targets(work: Work, document_id: str) -> tuple[Target, ...]:
    return tuple(
        Target(code=delivery.recipient.code, delivery_id=delivery.id)
        for delivery in await work.deliveries.of(document_id)
        if delivery.state != "cancelled"
    )


def _item(
    desk: OutDesk,
    subject_id: str,
    scope: AgencyScope,
    packet_id: PacketId,
    kind: Kind,
    sender: str,
    packed: Packed,
    targets: tuple[Target, ...],
    *,
    urgent: bool,
) -> OutboxItem:
    digest: Digest = packed.digest
    return OutboxItem(
        id=desk.clock.new_id("obx_"),
        agency_id=scope.agency_id,
        packet_id=packet_id,
        kind=kind,
        sender_code=sender,
        lane=Lane.URGENT if urgent else Lane.NORMAL,
        envelope_digest=digest,
        envelope_size=packed.size,
        targets=targets,
        created_at=desk.clock.now(),
        subject_id=subject_id,
        signed_by=signed_by(packed),
    )
