"""News for open lists: how many documents came, or left, since the page was made. In: a side and a moment. Out: server-sent
events, or one number for a script that asks now and then. Neither keeps a session alive, and no row is moved."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime

from aiohttp import web

from gateway.errors import Denied, NotFound, StoreFailure
from gateway.office.accounts import sessions
from gateway.office.domain.listing import Side
from gateway.office.domain.right import Right
from gateway.office.ports.lists import Wanted
from gateway.office.web.listing import sees
from gateway.office.web.listing.live import BETWEEN_S, LONGEST_S, LOOK_S, STILL_S
from gateway.office.web.pages.lists import SEE
from gateway.office.web.routes import get
from gateway.office.web.visit import Visit


async def stream(visit: Visit) -> web.StreamResponse:
    """Until the page goes, the session is over, another person needs the place, the node stops, or minutes have passed:
    then the browser asks anew."""
    wanted, live = _wanted(visit), visit.deps.live
    async with live.place(visit.person.person.id) as given_up:
        if given_up is None:
            return web.Response(status=503, headers={"Retry-After": "30", "Cache-Control": "no-store"})
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        await response.prepare(visit.request)
        if visit.request.method == "HEAD":
            return response
        # The page may be closed at any moment; a database that is away is asked again by the next stream.
        with contextlib.suppress(ConnectionResetError, StoreFailure):
            await response.write(b"retry: 5000\n\n")
            over = asyncio.Event()
            await live.first(
                _tell(visit, response, wanted), _watch(visit, over), given_up.wait(), live.pause(LONGEST_S)
            )
            if over.is_set() or given_up.is_set():
                await response.write(b"event: over\ndata: \n\n")
        return response


async def _tell(visit: Visit, response: web.StreamResponse, wanted: Wanted) -> None:
    live, said = visit.deps.live, 0
    while True:
        found = await _count(visit, wanted)
        if found != said:
            said = found
            await response.write(f"event: news\ndata: {found}\n\n".encode())
        else:
            await response.write(b": \n\n")
        await live.rung(visit.deps.store.wait_events, LOOK_S)
        await live.pause(BETWEEN_S)


async def _watch(visit: Visit, over: asyncio.Event) -> None:
    """Ends with the page, with the session, and with what the person may see here."""
    while not over.is_set() and not _is_gone(visit.request):
        await visit.deps.live.pause(STILL_S)
        try:
            acting = await sessions.look(visit.deps.accounts, visit.token)
            seen = acting.require(Right.SEE_CONTENT)
        except Denied:
            over.set()
        else:
            if acting.session.agency_id != visit.here.id or seen != visit.person.require(Right.SEE_CONTENT):
                over.set()


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


async def number(visit: Visit) -> web.StreamResponse:
    found = await _count(visit, _wanted(visit))
    return web.json_response({"count": found}, headers={"Cache-Control": "no-store"})


async def _count(visit: Visit, wanted: Wanted) -> int:
    async with visit.deps.store.read(visit.scope()) as work:
        return (await work.office.lists.count(wanted)).n


def _wanted(visit: Visit) -> Wanted:
    try:
        side, since = Side(visit.ask("phia")), datetime.fromisoformat(visit.ask("tu"))
    except ValueError as why:
        raise NotFound("news are of one side, since a moment") from why
    if since.tzinfo is None:
        raise NotFound("news are of one side, since a moment")
    seen = sees.of(visit)
    if visit.person.duties:
        raise Denied("something is owed first", code="GW-DUTY")
    return Wanted(side=side, since=since, viewer=seen.viewer(side))


ROUTES = (
    get("/su-kien", "news", stream, needs=SEE, quiet=True),
    get("/su-kien/so", "news_number", number, needs=SEE, quiet=True),
)
