"""News for open lists: how many documents came, or left, since the page was made. In: a side and a moment. Out: server-sent
events, or one number for a script that asks now and then. Neither keeps a session alive, and no row is moved."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime

from aiohttp import web

from gateway.domain.listing import Side
from gateway.errors import Denied, NotFound
from gateway.ports.lists import Wanted
from gateway.web.listing import sees
from gateway.web.listing.live import BETWEEN_S, LONGEST_S, LOOK_S
from gateway.web.pages.lists import SEE
from gateway.web.routes import get
from gateway.web.visit import Visit


async def stream(visit: Visit) -> web.StreamResponse:
    """Until the page goes, the session is over, the node stops, or minutes have passed: then the browser asks anew."""
    wanted, live = _wanted(visit), visit.deps.live
    async with live.place() as is_free:
        if not is_free:
            return web.Response(status=503, headers={"Retry-After": "30", "Cache-Control": "no-store"})
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        await response.prepare(visit.request)
        # The page may be closed at any moment.
        with contextlib.suppress(ConnectionResetError):
            await _tell(visit, response, wanted)
        return response


async def _tell(visit: Visit, response: web.StreamResponse, wanted: Wanted) -> None:
    live, said = visit.deps.live, 0
    await response.write(b"retry: 5000\n\n")
    running = asyncio.get_running_loop()
    until = running.time() + LONGEST_S
    while not live.is_stopping and running.time() < until:
        if visit.deps.clock.now() >= visit.person.ends_at:
            await response.write(b"event: over\ndata: \n\n")
            return
        found = await _count(visit, wanted)
        if found != said:
            said = found
            await response.write(f"event: news\ndata: {found}\n\n".encode())
        else:
            await response.write(b": \n\n")
        await live.rung(visit.deps.store.wait_events, LOOK_S)
        await live.pause(BETWEEN_S)


async def number(visit: Visit) -> web.StreamResponse:
    found = await _count(visit, _wanted(visit))
    return web.json_response({"count": found}, headers={"Cache-Control": "no-store"})


async def _count(visit: Visit, wanted: Wanted) -> int:
    async with visit.deps.store.read(visit.scope()) as work:
        return (await work.lists.count(wanted)).n


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
