"""What a person reads whose act came too late: somebody else has just done something to the document. In: the document and
the error. Out: a page that says who and when, with the way back to how it stands now; nothing was done."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.wall_clock import local
from gateway.errors import Clash, StaleVersion
from gateway.web.pages.incoming import found as seen
from gateway.web.pages.incoming.found import Found
from gateway.web.visit import Visit

LATE = (StaleVersion, Clash)


async def page(visit: Visit, found: Found) -> web.StreamResponse:
    return await visit.page(
        "incoming/conflict.html",
        409,
        title=visit.say("incoming.conflict.title"),
        found=found,
        sentence=await words(visit, found.whole.id),
    )


async def words(visit: Visit, id: str) -> str:
    """The last act of a person, else that it changed by itself."""
    async with visit.deps.store.read(visit.scope()) as work:
        events = await work.events.of(id)
    last = max(events, key=lambda each: (each.at, each.id), default=None)
    if last is None or last.principal_id == seen.NODE:
        return visit.say("incoming.conflict.node")
    who = (await seen.names(visit, [last.principal_id]))[last.principal_id]
    at, today = local(last.at), local(visit.deps.clock.now()).date()
    time = at.strftime("%H:%M" if at.date() == today else "%H:%M %d/%m/%Y")
    return visit.say("incoming.conflict", person=who, time=time)


def version(visit: Visit) -> int:
    """Of the document as the page showed it; one that no document has where the form names none."""
    given = visit.form.text("version")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else -1
