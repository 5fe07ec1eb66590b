"""How a packet's row comes into the database. In: a packet with its bytes as the content store took them. Out: row,
reference and event, in a unit of work that only lands it, or in the one that brings it to its end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.queues import InboxPacket, LeasedInbox
from gateway.errors import NotFound
from gateway.incoming import settle
from gateway.incoming.services import IncomingServices, LandsFirst
from gateway.store.blob_refs import Kept

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

T = TypeVar("T")
_log = logging.getLogger(__name__)


async def bring_to_end(
    services: IncomingServices, leased: LeasedInbox, end: Callable[[SqlWork], Awaitable[T]]
) -> T:
    """Run `end` in the unit of work that settles the packet; what it gives, when that is committed. A packet that just came
    lands in the same unit; Clash where its bytes were here before."""

    async def unit(work: SqlWork) -> T:
        if not leased.has_landed:
            await _land_to_settle(services, work, leased)
        return await end(work)

    return await services.store.share(AgencyScope(agency_id=leased.item.agency_id, principal_id="node"), unit)


async def _land_to_settle(services: IncomingServices, work: SqlWork, leased: LeasedInbox) -> None:
    item = leased.item
    if not await stays(work):
        raise LandsFirst("its agency has left")
    work.inbox.land_to_settle(item, leased.lease)
    kept = Kept(digest=item.file_digest, size=item.size)
    if leased.body is not None:
        kept = services.blobs.keep_small(item.file_digest, leased.body)
    await put(work, item, kept)


async def stays(work: SqlWork) -> bool:
    """Who is hosted is known for a second; that the agency is still here is sure from here to the commit only."""
    try:
        await work.agency()
    except NotFound:
        return False
    return True


async def put(work: SqlWork, item: InboxPacket, kept: Kept) -> None:
    """Its bytes, and the word that it landed."""
    await work.blobs.keep(kept, "inbox", item.id)
    await tell(work, item)


async def tell(work: SqlWork, item: InboxPacket) -> None:
    await work.events.append(EventKind.INBOX_LANDED, item.id, item.received_at, settle.landed(item))
    if item.state != "landed":
        log.action(_log, f"inbox.{item.state}", item.reason or "", inbox=item.id, code=item.code)
        kept_out = {"state": item.state, "code": item.code}
        await work.events.append(EventKind.INBOX_INVALID, item.id, item.received_at, kept_out)
