"""Packets whose document has not come yet: given up after the profile's days. In: the store's overdue waiting rows.
Out: each in quarantine with that reason, visible to the clerk. Arrivals reopen the others (`admit`)."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.errors import Clash, StaleLease
from gateway.incoming.desk import InDesk


async def give_up_overdue(desk: InDesk) -> int:
    """Moves packets that waited too long to quarantine; how many."""
    now = desk.clock.now()
    moved = 0
    for item in await desk.store.overdue_waiting(now - desk.profile.waiting_for):
        scope = AgencyScope(agency_id=item.agency_id, principal_id="node")
        needs = item.needs[1] if item.needs else "its document"
        row = replace(
            item, state="quarantined", code="WAITING-OVER", reason=f"the document {needs} never came"
        )
        try:
            async with desk.store.begin(scope) as work:
                await work.inbox.settle(row, None)
                await work.events.append(
                    EventKind.INBOX_INVALID, item.id, now, {"state": "quarantined", "code": "WAITING-OVER"}
                )
                await work.commit()
        except (Clash, StaleLease):
            continue
        moved += 1
    return moved
