"""The dispatch slip: the sheet that goes with a document. In: its address. Out: one sheet for print, black on white."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.wall_clock import local
from gateway.office.web.pages.outgoing import acts, moving, seen
from gateway.office.web.visit import Visit


async def printed(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    if why := acts.no_slip(found):
        return await moving.refused(visit, found, "slip", why)
    today = local(visit.deps.clock.now())
    return await visit.page(
        "outgoing/slip.html",
        title=visit.say("outgoing.slip"),
        found=found,
        place=found.document.draft.place or "",
        day=f"{today:%d}",
        month=f"{today:%m}" if today.month < 3 else str(today.month),
        year=today.year,
        deliveries=found.deliveries,
    )
