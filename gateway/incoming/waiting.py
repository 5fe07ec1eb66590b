"""Packets whose document has not come yet: given up after the profile's days. In: the store's overdue waiting rows.
Out: each in quarantine with that reason, visible to the clerk. Arrivals reopen the others (`admit`)."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.errors import Clash
from gateway.incoming.desk import InDesk
from gateway.ports import InboxItem

# What is in memory at a time, however many wait.
AT_ONCE = 200


async def give_up_overdue(desk: InDesk) -> int:
    """Moves packets that waited too long to quarantine; how many."""
    before, over = desk.clock.now() - desk.profile.waiting_for, 0
    while True:
        found = await desk.store.overdue_waiting(before, AT_ONCE)
        ended = sum([await give_up(desk, item) for item in found])
        over += ended
        if len(found) < AT_ONCE or not ended:  # what somebody is at is looked at again ten minutes later
            return over


async def give_up(desk: InDesk, found: InboxItem) -> bool:
    """Moves one to quarantine, unless its document came, or a person decided, since it was found."""
    scope = AgencyScope(agency_id=found.agency_id, principal_id="node")
    try:
        async with desk.store.begin(scope) as work:
            item = await work.inbox.get(found.id)
            if item.state != "waiting":
                return False
            needs = item.needs[1] if item.needs else "its document"
            over = replace(
                item, state="quarantined", code="WAITING-OVER", reason=f"the document {needs} never came"
            )
            await work.inbox.settle(over, None)
            told = {"state": "quarantined", "code": "WAITING-OVER", "needs": needs}
            await work.events.append(EventKind.INBOX_INVALID, item.id, desk.clock.now(), told)
            await work.commit()
    except Clash:
        return False
    return True
