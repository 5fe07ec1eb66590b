"""Keeps the quarantine from filling the disk (threat 122): whoever can reach the axis can send what nobody can prove. In:
the limit for such packets at this node. Out: the oldest of them let go, bytes and all; row, digest and event stay, and the
same bytes coming again are looked at from the start. What a proved sender sent is never let go."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.errors import Clash
from gateway.incoming.desk import InDesk
from gateway.ports import InboxItem

DROPPED = "dropped"
_AT_ONCE = 100
_UNPROVED = ("quarantined", "malformed")


async def keep(desk: InDesk) -> int:
    """Lets go of the oldest until the rest is within the limit; how many."""
    over = await desk.store.unproved_bytes() - desk.profile.max_quarantine_bytes
    dropped = 0
    while over > 0 and (oldest := await desk.store.oldest_unproved(_AT_ONCE)):
        before = over
        for item in oldest:
            if over <= 0:
                break
            if await _drop(desk, item):
                dropped, over = dropped + 1, over - item.size
        if over == before:
            break  # workers or persons have all of them in hand
    return dropped


async def _drop(desk: InDesk, found: InboxItem) -> bool:
    scope = AgencyScope(agency_id=found.agency_id, principal_id="node")
    try:
        async with desk.store.begin(scope) as work:
            item = await work.inbox.get(found.id)
            if item.state not in _UNPROVED or item.sender_code is not None:
                return False
            await work.inbox.settle(replace(item, state=DROPPED), None)
            await work.blobs.drop("inbox", item.id)
            told = {"file": item.file_digest, "size": item.size, "code": item.code}
            await work.events.append(EventKind.INBOX_DROPPED, item.id, desk.clock.now(), told)
            await work.commit()
    except Clash:
        return False
    await desk.blobs.forget([found.file_digest])
    return True
