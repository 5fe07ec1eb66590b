"""Acts upon a document as a page showed it, and what a person reads whose act came too late: somebody else has just done
something to it. In: the document and the act. Out: what was done; or a page that says who and when, with the way back to
how it stands now: then nothing was done."""

from __future__ import annotations

from collections.abc import Awaitable

from aiohttp import web

from gateway.errors import Clash, StaleVersion
from gateway.incoming import act
from gateway.incoming.act import StatusCall, StatusDone
from gateway.office.web import people
from gateway.office.web.moments import clock
from gateway.office.web.pages.incoming import found as seen
from gateway.office.web.pages.incoming.found import Found
from gateway.office.web.visit import Visit

LATE = (StaleVersion, Clash)


async def page(visit: Visit, found: Found) -> web.StreamResponse:
    return await visit.page(
        "incoming/conflict.html",
        409,
        title=visit.say("incoming.conflict.title"),
        found=found,
        sentence=await words(visit, found.whole.id),
    )


async def done(visit: Visit, found: Found, doing: Awaitable[object], told: str) -> web.StreamResponse:
    """Does it and says so, unless somebody was quicker."""
    try:
        await doing
    except LATE:
        return await page(visit, found)
    return visit.said(found.path, told)


def status(visit: Visit, found: Found, call: StatusCall) -> Awaitable[StatusDone]:
    """The status that the other side hears of, given to the document as the page showed it."""
    return act.set_status(visit.deps.inn, visit.scope(), found.whole.id, call, expect_version=version(visit))


async def words(visit: Visit, id: str) -> str:
    """The last act of a person, else that it changed by itself."""
    async with visit.deps.store.read(visit.scope()) as work:
        events = await work.events.of(id)
    last = max(events, key=lambda each: (each.at, each.id), default=None)
    if last is None or last.principal_id == people.NODE:
        return visit.say("incoming.conflict.node")
    who = (await seen.names(visit, [last.principal_id]))[last.principal_id]
    return visit.say("incoming.conflict", person=who, time=clock(last.at, visit.deps.clock.now()))


def version(visit: Visit) -> int:
    """Of the document as the page showed it; one that no document has where the form names none."""
    given = visit.form.text("version")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else -1
