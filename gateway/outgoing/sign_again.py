"""Signs again what waits under a key that may sign no more (W9, K5). In: a leased outbox row. Out: the row with an envelope
of the same content and packet id under the key of today. What was once published is published again byte for byte."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import BinaryIO

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind
from gateway.domain.event import EventKind
from gateway.domain.key_use import KeyUse
from gateway.edxml import canonical, resign
from gateway.errors import StoreFailure
from gateway.outgoing import enqueue, keys, package
from gateway.outgoing.desk import OutDesk
from gateway.ports import LeasedOutbox, OutboxItem, Scratch, Work

_log = logging.getLogger(__name__)


async def current(desk: OutDesk, scope: AgencyScope, leased: LeasedOutbox) -> LeasedOutbox:
    """The row as it may be published now. NotFound or SignerDown when its key may sign no more and no other one can."""
    item, now = leased.item, desk.clock.now()
    if item.signed_by is None:
        return leased
    allowed = await keys.usable(desk, item.sender_code, now)
    fault = desk.keys.fault(item.sender_code, item.signed_by, now, allowed)
    if fault is None:
        return leased
    async with desk.store.read(scope) as work:
        if await _was_published(work, item):
            return leased
        opener = await desk.blobs.open(work, item.envelope_digest)
    log.action(_log, "outbox.signed_again", fault, outbox=item.id)
    return await _signed_again(desk, scope, leased, opener, allowed, now)


async def _was_published(work: Work, item: OutboxItem) -> bool:
    """Whether any recipient has these bytes: then every one gets them."""
    if item.kind is Kind.STATUS:
        return False  # it has one recipient, and still waits for that one
    deliveries = [each.id for each in await work.deliveries.of(item.subject_id)]
    known = await work.facts.of_many(deliveries)
    return any(fact.code == "sent" for facts in known.values() for fact in facts)


async def _signed_again(
    desk: OutDesk,
    scope: AgencyScope,
    leased: LeasedOutbox,
    opener: Callable[[], BinaryIO],
    allowed: KeyUse,
    now: datetime,
) -> LeasedOutbox:
    with desk.blobs.scratch() as scratch:
        made = await desk.pool.run(lambda: _write(desk, leased.item, opener, allowed, scratch, now))
        await made.keep(desk, scratch)
    return await _commit(desk, scope, leased, made, now)


def _write(
    desk: OutDesk,
    item: OutboxItem,
    opener: Callable[[], BinaryIO],
    allowed: KeyUse,
    scratch: Scratch,
    now: datetime,
) -> package.Packed:
    """Sync: one pass to read what is there, one to write it anew, one to prove it (W10)."""
    fast = canonical.read_fast(package.pieces(opener), item.envelope_size, desk.xml)
    if fast is None:
        raise StoreFailure(
            f"packet {item.packet_id}: the stored envelope cannot be read; it is not signed again"
        )
    signer = desk.keys.signer(item.sender_code, now, allowed)
    for piece in resign.pieces(fast, package.pieces(opener), signer, now):
        scratch.file.write(piece)
    scratch.file.flush()
    packed = package.proved(desk, scratch, scratch.file.tell(), signer, fast.signature.packet_id, now)
    if packed.signed.body_digest != fast.body_digest:
        raise StoreFailure(f"packet {item.packet_id}: signing again changed the content; it is not sent")
    return packed


async def _commit(
    desk: OutDesk, scope: AgencyScope, leased: LeasedOutbox, made: package.Packed, now: datetime
) -> LeasedOutbox:
    """The old file keeps its reference: it may have been on its way when its courier died."""
    item = leased.item
    fresh = replace(
        item, envelope_digest=made.digest, envelope_size=made.size, signed_by=enqueue.signed_by(made)
    )
    async with desk.store.begin(scope) as work:
        await work.outbox.signed_again(leased.lease, fresh)
        if item.kind is Kind.STATUS:
            await work.blobs.keep(made.content, "status", item.packet_id)
        else:
            await work.blobs.keep(made.content, "envelope", item.subject_id)
            document = await work.outgoing.get(item.subject_id)
            await work.outgoing.save(
                replace(document, envelope_digest=made.digest, envelope_size=made.size, packed_at=now)
            )
        told = {"was": item.envelope_digest, "packet": item.packet_id, "was_signed_by": item.signed_by}
        await work.events.append(EventKind.MESSAGE_RESIGNED, item.subject_id, now, told | enqueue.proof(made))
        await work.commit()
    return LeasedOutbox(item=fresh, lease=leased.lease)
