"""What waits under a key that may sign no more is signed again before it leaves (W9, K5); what was once published is
published again byte for byte. In: a packet that is about to leave, and the certificate that it was signed under. Out: the
same packet, or one of the same content under a key of now, committed in its place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import BinaryIO

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.certificates import KeyUse
from gateway.domain.document import Kind
from gateway.domain.event import EventKind
from gateway.domain.proof import SignedEnvelope
from gateway.domain.queues import LeasedOutbox, OutboxItem
from gateway.edxml import attachment, canonical
from gateway.edxml.envelope import Envelope
from gateway.errors import GatewayError, StoreFailure
from gateway.outgoing import files, package
from gateway.outgoing.services import OutgoingServices, signing_keys
from gateway.store.blobs import FileScratch
from gateway.store.work import SqlWork

_log = logging.getLogger(__name__)
Opener = Callable[[], BinaryIO]


@dataclass(slots=True)
class KeyFaults:
    """What one pass found of keys: each is asked about once, also for packets side by side."""

    services: OutgoingServices
    _found: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, code: str, signed_by: str, now: datetime) -> str | None:
        """Why that certificate may sign no more for that code. NotFound when none may."""
        if (code, signed_by) in self._found:
            return self._found[code, signed_by]
        async with self._turn:
            if (code, signed_by) not in self._found:
                allowed = await signing_keys(self.services, code, now)
                self._found[code, signed_by] = self.services.keys.fault(code, signed_by, now, allowed)
        return self._found[code, signed_by]


async def under_current_key(
    services: OutgoingServices, scope: AgencyScope, leased: LeasedOutbox, opener: Opener, faults: KeyFaults
) -> tuple[LeasedOutbox, Opener]:
    """The row and its bytes as they may be published now. NotFound or SignerDown when its key may sign no more and no other
    one can, Clash when it was sealed meanwhile."""
    item, now = leased.item, services.clock.now()
    fault = None if item.signed_by is None else await faults.of(item.sender_code, item.signed_by, now)
    if fault is None:
        return leased, opener
    async with services.store.read(scope) as work:
        if await _was_published(work, item):
            return leased, opener
    log.action(_log, "outbox.signed_again", fault, outbox=item.id)
    allowed = await signing_keys(services, item.sender_code, now)
    with services.blobs.scratch() as scratch:
        signed = await services.pool.run(
            lambda: _write_signed_again(services, item, opener, allowed, scratch, now)
        )
        made = await package.keep(services, scratch, signed)
    try:
        fresh = await _commit_signed_again(services, scope, leased, made, now)
    except GatewayError:
        await services.blobs.forget([made.digest])  # of a sealed document nothing may stay
        raise
    async with services.store.read(scope) as work:
        return fresh, await services.blobs.open(work, made.digest)


async def _was_published(work: SqlWork, item: OutboxItem) -> bool:
    """Whether any recipient has these bytes: then every one gets them."""
    if item.kind is Kind.STATUS:
        return False  # it has one recipient, and still waits for that one
    deliveries = [each.id for each in await work.deliveries.of(item.subject_id)]
    known = await work.facts.of_many(deliveries)
    return any(fact.code == "sent" for facts in known.values() for fact in facts)


def _write_signed_again(
    services: OutgoingServices,
    item: OutboxItem,
    opener: Opener,
    allowed: KeyUse,
    scratch: FileScratch,
    now: datetime,
) -> SignedEnvelope[Envelope]:
    """Sync: one pass to read what is there, one to write it anew, one to prove it (W10)."""
    fast = canonical.read_fast(attachment.pieces(opener), item.envelope_size, services.xml)
    if fast is None:
        raise StoreFailure(
            f"packet {item.packet_id}: the stored envelope cannot be read; it is not signed again"
        )
    signer = services.keys.signer(item.sender_code, now, allowed)
    for piece in canonical.resigned_pieces(fast, attachment.pieces(opener), signer, now):
        scratch.file.write(piece)
    scratch.file.flush()
    signed = package.proved(
        services, lambda: scratch.path.open("rb"), scratch.file.tell(), signer, fast.signature.packet_id, now
    )
    if signed.body_digest != fast.body_digest:
        raise StoreFailure(f"packet {item.packet_id}: signing again changed the content; it is not sent")
    return signed


async def _commit_signed_again(
    services: OutgoingServices, scope: AgencyScope, leased: LeasedOutbox, made: package.Packed, now: datetime
) -> LeasedOutbox:
    """The old file keeps its reference: it may have been on its way when its courier died."""
    item = leased.item
    fresh = replace(item, envelope_digest=made.digest, envelope_size=made.size, signed_by=made.signed_by)
    async with services.store.begin(scope) as work:
        await work.outbox.signed_again(leased.lease, fresh)
        if item.kind is Kind.STATUS:
            await work.blobs.keep(made.content, "status", item.packet_id)
        else:
            await work.blobs.keep(made.content, "envelope", item.subject_id)
            document = await work.outgoing.get(item.subject_id)
            files.refuse_sealed(document)
            await work.outgoing.save(
                replace(document, envelope_digest=made.digest, envelope_size=made.size, packed_at=now)
            )
        told: dict[str, object] = {
            "was": item.envelope_digest,
            "packet": item.packet_id,
            "was_signed_by": item.signed_by,
        }
        told |= package.as_logged(made)
        await work.events.append(EventKind.MESSAGE_RESIGNED, item.subject_id, now, told)
        await work.commit()
    return LeasedOutbox(item=fresh, lease=leased.lease)
