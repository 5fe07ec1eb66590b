"""What open pages hear, and the bell as a page. News: how many documents came into a list since it was shown, and what the
bell says now, over a stream that ends soon after its session, or as a number for pages that got none; nothing of what
documents are about. The bell: everything that this person is told of, read or not, and of which kinds. In: a visit, of a
list its side and moment; rings as `visits` has them. Out: counts, and which letter is to be heard; the page, whole or as
the list in the frame; until when things were read; the choice of kinds, which the account page offers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import datetime

from aiohttp import web

from gateway.errors import BadForm, Denied, NotFound, StoreFailure
from gateway.office.accounts import sessions
from gateway.office.domain.listing import Side, Wanted
from gateway.office.domain.notice import RingKind
from gateway.office.domain.roles import Manner, Right
from gateway.office.web.deps import LIVE_BETWEEN_S, LIVE_LONGEST_S, LIVE_LOOK_S, LIVE_STILL_S
from gateway.office.web.listing import list_rows
from gateway.office.web.pages.account import HOME
from gateway.office.web.pages.lists import SEE
from gateway.office.web.pages.operations.state import is_operator
from gateway.office.web.routes import Needs, get, post
from gateway.office.web.visits import BELL_PATH, RINGS_IN_FRAME, Visit, bell_kinds, bell_news, bell_of


async def news_stream(visit: Visit) -> web.StreamResponse:
    """Until the page goes, the session is over, another person needs the place, the node stops, or minutes have passed:
    then the browser asks anew."""
    wanted, live = _wanted_news(visit), visit.deps.live
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
        # The page may be closed at any moment; a database that is away is asked again by the next stream.
        with contextlib.suppress(ConnectionResetError, StoreFailure):
            await response.prepare(visit.request)
            if visit.request.method == "HEAD":
                return response
            await response.write(b"retry: 5000\n\n")
            over = asyncio.Event()
            await live.first(
                _tell_news(visit, response, wanted),
                _watch_stream(visit, over),
                given_up.wait(),
                live.pause(LIVE_LONGEST_S),
            )
            if over.is_set() or given_up.is_set():
                await response.write(b"event: over\ndata: \n\n")
        return response


async def _tell_news(visit: Visit, response: web.StreamResponse, wanted: Wanted | None) -> None:
    live, said, rung = visit.deps.live, 0, ""
    while True:
        found = await _count_news(visit, wanted)
        rings = await _rings(visit)
        if found != said:
            said = found
            await response.write(f"event: news\ndata: {found}\n\n".encode())
        if rings != rung:
            rung = rings
            await response.write(f"event: bell\ndata: {rings}\n\n".encode())
        await response.write(b": \n\n")
        await live.rung(visit.deps.store.wait_events, LIVE_LOOK_S)
        await live.pause(LIVE_BETWEEN_S)


async def _watch_stream(visit: Visit, over: asyncio.Event) -> None:
    """Ends with the page, with the session, and with what the person may see here."""
    while not over.is_set() and (line := visit.request.transport) is not None and not line.is_closing():
        await visit.deps.live.pause(LIVE_STILL_S)
        try:
            acting = await sessions.look(visit.deps.accounts, visit.token)
            seen = acting.require(Right.SEE_CONTENT)
        except Denied:
            over.set()
        else:
            if acting.session.agency_id != visit.here.id or seen != visit.person.require(Right.SEE_CONTENT):
                over.set()


async def _rings(visit: Visit) -> str:
    """What the bell says now, as JSON; empty for who has none."""
    if RingKind.URGENT in bell_kinds(visit):
        await visit.deps.rings.look(visit.scope())
    found = await bell_of(visit)
    return json.dumps(bell_news(visit, found)) if found is not None else ""


async def news_number(visit: Visit) -> web.StreamResponse:
    told: dict[str, object] = {"count": await _count_news(visit, _wanted_news(visit))}
    if rings := await _rings(visit):
        told["bell"] = json.loads(rings)
    return web.json_response(told, headers={"Cache-Control": "no-store"})


async def _count_news(visit: Visit, wanted: Wanted | None) -> int:
    if wanted is None:
        return 0
    async with visit.deps.store.read(visit.scope()) as work:
        return (await work.office.lists.count(wanted)).n


def _wanted_news(visit: Visit) -> Wanted | None:
    """None for a page without a list, which hears the bell alone."""
    if visit.person.duties:
        raise Denied("something is owed first", code="GW-DUTY")
    if not visit.ask("phia"):
        return None
    try:
        side, since = Side(visit.ask("phia")), datetime.fromisoformat(visit.ask("tu"))
    except ValueError as why:
        raise NotFound("news are of one side, since a moment") from why
    if since.tzinfo is None:
        raise NotFound("news are of one side, since a moment")
    seen = list_rows.seen_by(visit)
    return Wanted(side=side, since=since, viewer=seen.viewer(side))


HEARS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)


async def rings_shown(visit: Visit) -> web.StreamResponse:
    found = await bell_of(visit, anew=True)
    if found is None:
        raise Denied("there is nothing to be told of here", code="GW-RIGHT")
    if visit.is_piece:
        return visit.piece("bell/_list.html", bell=found, rings=found.rings[:RINGS_IN_FRAME])
    return await visit.page(
        "bell/page.html",
        title=visit.say("bell.title"),
        told_rings=found.rings,
        newest=found.rings[0].ring.at if found.rings else None,
        examines=is_operator(visit),
    )


async def rings_read(visit: Visit) -> web.StreamResponse:
    """Until the newest that the page showed: what came since stays unread."""
    try:
        until = datetime.fromisoformat(visit.form.text("until"))
    except ValueError as why:
        raise BadForm("this is no moment") from why
    if until.tzinfo is None:
        raise BadForm("a moment has its zone")
    await visit.deps.rings.read(visit.scope(), until)
    return visit.said(BELL_PATH, "bell.read")


async def ring_kinds_chosen(visit: Visit) -> web.StreamResponse:
    kinds, wanted = bell_kinds(visit), visit.form.all("kind")
    muted = frozenset(each for each in kinds if each.value not in wanted)
    await visit.deps.rings.choose(visit.scope(), muted)
    return visit.said(HOME, "bell.chosen")


ROUTES = (
    get("/su-kien", "news", news_stream, needs=SEE, quiet=True),
    get("/su-kien/so", "news_number", news_number, needs=SEE, quiet=True),
    get(BELL_PATH, "bell", rings_shown, needs=HEARS, key="bell"),
    post(f"{BELL_PATH}/da-doc", "bell_read", rings_read, needs=HEARS, key="bell"),
    post("/tai-khoan/thong-bao", "bell_kinds", ring_kinds_chosen, needs=HEARS),
)
