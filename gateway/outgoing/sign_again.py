"""Signs a waiting packet again whose key may sign no more (W9, usable keys; K5, roll-over). A packet that was published
once is never changed, but published again byte for byte. In: a packet that is about to leave, and the certificate that it
was signed under. Out: the same packet, or one of the same content under a present key, committed in its place."""

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
from gateway.domain.states import State
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
    """Cache of faults of keys for one pass, so that each key is checked once, also for packets side by side."""

    services: OutgoingServices
    _faults: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find_fault(self, code: str, signed_by: str, now: datetime) -> str | None:
        """Return why that certificate may no longer sign for that code, or None where it may. NotFound when no key
        may."""
        if (code, signed_by) in self._faults:
            return self._faults[code, signed_by]
        async with self._turn:
            if (code, signed_by) not in self._faults:
                allowed = await signing_keys(self.services, code, now)
                self._faults[code, signed_by] = self.services.keys.fault(code, signed_by, now, allowed)
        return self._faults[code, signed_by]


async def under_current_key(
    services: OutgoingServices, scope: AgencyScope, leased: LeasedOutbox, opener: Opener, faults: KeyFaults
) -> tuple[LeasedOutbox, Opener]:
    """Return the row and its bytes as they may be published now, signed again if need be. Raises NotFound or SignerDown
    when no key can sign, and Clash when the document was sealed meanwhile."""
    item, now = leased.item, services.clock.now()
    fault = None if item.signed_by is None else await faults.find_fault(item.sender_code, item.signed_by, now)
    if fault is None:
        return leased, opener
    async with services.store.read(scope) as work:
        if await _was_published(work, item):
            return leased, opener
    log.action(_log, "outbox.signed_again", fault, outbox=item.id)
    allowed = await signing_keys(services, item.sender_code, now)
    with services.blobs.scratch() as scratch:
        signed = await services.pool.run(
            lambda: _write_resigned(services, item, opener, allowed, scratch, now)
        )
        new = await package.keep(services, scratch, signed)
    try:
        fresh = await _commit_resigned(services, scope, leased, new, now)
    except GatewayError:
        await services.blobs.forget([new.digest])  # nothing may stay of a sealed document
        raise
    async with services.store.read(scope) as work:
        return fresh, await services.blobs.open(work, new.digest)


async def _was_published(work: SqlWork, item: OutboxItem) -> bool:
    """Tell whether a recipient has these bytes already: then every other recipient gets the same."""
    if item.kind is Kind.STATUS:
        return False  # a status has one recipient, which does not have it yet
    deliveries = [d.id for d in await work.deliveries.of_document(item.subject_id)]
    facts_by_delivery = await work.facts.of_subjects(deliveries)
    return any(fact.code == State.SENT for facts in facts_by_delivery.values() for fact in facts)


def _write_resigned(
    services: OutgoingServices,
    item: OutboxItem,
    opener: Opener,
    allowed: KeyUse,
    scratch: FileScratch,
    now: datetime,
) -> SignedEnvelope[Envelope]:
    """Write the stored envelope with a new signature, and verify the result (W10, verified before leaving). Blocks: it
    reads the envelope twice and the result once."""
    fast = canonical.read_fast(attachment.pieces(opener), item.envelope_size, services.xml)
    if fast is None:
        raise StoreFailure(
            f"packet {item.packet_id}: the stored envelope cannot be read; it is not signed again"
        )
    signer = services.keys.signer(item.sender_code, now, allowed)
    for piece in canonical.resigned_pieces(fast, attachment.pieces(opener), signer, now):
        scratch.file.write(piece)
    scratch.file.flush()
    signed = package.verify_written(
        services, lambda: scratch.path.open("rb"), scratch.file.tell(), signer, fast.signature.packet_id, now
    )
    if signed.body_digest != fast.body_digest:
        raise StoreFailure(f"packet {item.packet_id}: signing again changed the content; it is not sent")
    return signed


async def _commit_resigned(
    services: OutgoingServices, scope: AgencyScope, leased: LeasedOutbox, new: package.Packed, now: datetime
) -> LeasedOutbox:
    """Commit the new envelope in place of the old, if the lease still holds. The old file keeps its reference, since a
    courier may have published it before it died."""
    item = leased.item
    fresh = replace(item, envelope_digest=new.digest, envelope_size=new.size, signed_by=new.signed_by)
    async with services.store.changing(scope) as work:
        await work.outbox.replace_envelope(leased.lease, fresh)
        if item.kind is Kind.STATUS:
            await work.blobs.keep(new.content, "status", item.packet_id)
        else:
            await work.blobs.keep(new.content, "envelope", item.subject_id)
            document = await work.outgoing.get(item.subject_id)
            files.refuse_sealed(document)
            await work.outgoing.save(
                replace(document, envelope_digest=new.digest, envelope_size=new.size, packed_at=now)
            )
        facts: dict[str, object] = {
            "was": item.envelope_digest,
            "packet": item.packet_id,
            "was_signed_by": item.signed_by,
        }
        facts |= package.as_logged(new)
        await work.events.append(EventKind.MESSAGE_RESIGNED, item.subject_id, now, facts)
    return LeasedOutbox(item=fresh, lease=leased.lease)
