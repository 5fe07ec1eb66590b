"""Hands incoming documents over to a document system. In: a client, a document. Out, committed: documents leased to the
client for some seconds; documents that it has stored, each with an event. A document that was leased and not stored is
offered again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument
from gateway.domain.event import EventKind
from gateway.incoming.services import IncomingServices

_PAGE_SIZE = 200


async def lease(
    services: IncomingServices, scope: AgencyScope, client: str, limit: int, seconds: int
) -> Sequence[IncomingDocument]:
    """Lease to this client documents that are not yet handed over, for so many seconds, and return them."""
    ends_at = services.clock.now() + timedelta(seconds=seconds)
    async with services.store.changing(scope) as work:
        rows = await work.handovers.lease(client, limit, ends_at)
    # The documents are read in a second unit of work: a writing one would lock each of them for the people who work on
    # it.
    async with services.store.read(scope) as work:
        return [await work.incoming.get(row.incoming_id) for row in rows]


async def ack(services: IncomingServices, scope: AgencyScope, incoming_id: str, client: str) -> bool:
    """Record that the client has stored the document; return False when this was recorded before."""
    now = services.clock.now()
    async with services.store.changing(scope) as work:
        is_first = await work.handovers.ack(incoming_id, client, now)
        if is_first:
            await work.events.append(EventKind.INBOX_ACKED, incoming_id, now, {"client": client})
    return is_first


async def hand_over_before(
    services: IncomingServices, scope: AgencyScope, client: str, cutoff: datetime
) -> int:
    """Record every document offered before the cutoff as stored by this client, which starts with later ones; return how
    many. Each page is a transaction of its own, so that others do not wait, and an interrupted run can continue."""
    count = 0
    while True:
        async with services.store.read(scope) as work:
            ids = await work.handovers.waiting_since_before(cutoff, _PAGE_SIZE)
        if not ids:
            return count
        now = services.clock.now()
        async with services.store.changing(scope) as work:
            for id in ids:
                if await work.handovers.ack(id, client, now):
                    await work.events.append(EventKind.INBOX_ACKED, id, now, {"client": client})
                    count += 1
