"""Writes a packet's inbox row to the database. In: a packet with its bytes as the content store has them. Out: row,
reference and event, either in a unit of work that only lands the packet, or in the one that settles it."""

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
from gateway.store.blob_refs import KeptContent

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

T = TypeVar("T")
_log = logging.getLogger(__name__)


async def bring_to_end(
    services: IncomingServices, leased: LeasedInbox, end: Callable[[SqlWork], Awaitable[T]]
) -> T:
    """Run `end` in the unit of work that settles the packet, and return its result after the commit. A packet that has
    just arrived also lands in this unit; Clash where its bytes were here before."""

    async def unit(work: SqlWork) -> T:
        if not leased.has_landed:
            await _land_to_settle(services, work, leased)
        return await end(work)

    return await services.store.share(AgencyScope(agency_id=leased.item.agency_id, principal_id="node"), unit)


async def _land_to_settle(services: IncomingServices, work: SqlWork, leased: LeasedInbox) -> None:
    """Land the packet in the unit of work that will also settle it."""
    packet = leased.item
    if not await stays(work):
        raise LandsFirst("its agency has left")
    work.inbox.land_to_settle(packet, leased.lease)
    blob = KeptContent(digest=packet.file_digest, size=packet.size)
    if leased.body is not None:
        blob = services.blobs.keep_small(packet.file_digest, leased.body)
    await record_landing(work, packet, blob)


async def stays(work: SqlWork) -> bool:
    """Tell whether the agency is still hosted, and keep it so until the commit: the cached list may be a second old."""
    try:
        await work.agency()
    except NotFound:
        return False
    return True


async def record_landing(work: SqlWork, packet: InboxPacket, blob: KeptContent) -> None:
    """Record the packet's bytes and the event of its landing."""
    await work.blobs.keep(blob, "inbox", packet.id)
    await tell(work, packet)


async def tell(work: SqlWork, packet: InboxPacket) -> None:
    await work.events.append(EventKind.INBOX_LANDED, packet.id, packet.received_at, settle.landed(packet))
    if packet.state != "landed":
        log.action(_log, f"inbox.{packet.state}", packet.reason or "", inbox=packet.id, code=packet.code)
        details = {"state": packet.state, "code": packet.code}
        await work.events.append(EventKind.INBOX_INVALID, packet.id, packet.received_at, details)
