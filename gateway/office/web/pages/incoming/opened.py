"""/van-ban-den/{id}: opens one incoming document for a person. In: a visit. Out: its page, or the locked one of what is
sealed; whoever opens it for the agency has read it."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.document import InState
from gateway.office.domain.right import Manner
from gateway.office.web.pages.incoming import detail, sealing
from gateway.office.web.pages.incoming import found as seen
from gateway.office.web.visit import Visit


async def shown(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    if found.document.target_id is not None:
        return visit.go(found.path)
    if found.whole.state is InState.SEALED:
        return await sealing.locked(visit, found)
    found = await seen.by_order(visit, found)
    known = await detail.look(visit, found.whole)
    if known.unread and found.manner in (Manner.YES, Manner.OWN):
        await _mark_read(visit, found.whole.id)
    return await detail.page(visit, found, known)


async def _mark_read(visit: Visit, id: str) -> None:
    async with visit.deps.store.begin(visit.scope()) as work:
        await work.office.lists.mark_read([id])
        await work.commit()
