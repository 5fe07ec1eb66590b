"""News for open pages, and the notifications as a page. News: the number of documents that came into a list since it was
shown, what became of the person's own acts, and the bell's state, over a stream that ends soon after its session; or as a
number for pages without one. No content of documents is in it, and no session is kept alive by it. The bell: all
notifications of this person, read or not, and their kinds. In: a request, of a list its side and moment; rings as
`notification_menu` has them. Out: counts, outcomes, and the latest ring; the page, whole or as the list in the frame; the
moment until which all is read; the choice of kinds."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import datetime

from aiohttp import web

from gateway.errors import BadForm, Denied, NotFound, StoreFailure
from gateway_office.accounts import sessions
from gateway_office.domain.listing import Filter, Side
from gateway_office.domain.notice import RingKind
from gateway_office.domain.roles import Manner, Right
from gateway_office.web import duty_table
from gateway_office.web.deps import LIVE_BETWEEN_S, LIVE_LONGEST_S, LIVE_LOOK_S, LIVE_STILL_S
from gateway_office.web.listing import list_rows
from gateway_office.web.notification_menu import BELL_PATH, RINGS_IN_FRAME, bell_kinds, bell_news, bell_of
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.account import HOME
from gateway_office.web.pages.lists import SEE
from gateway_office.web.pages.operations.state import is_operator
from gateway_office.web.routes import Needs, get, post
from gateway_office.web.told_acts import ToldActs

HEARS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)


async def news_stream(request: PageRequest) -> web.StreamResponse:
    """Stream until the page goes, the session is over, another person needs the place, the node stops, or minutes have
    passed: then the browser connects again."""
    news_filter, live = _news_filter(request), request.deps.live
    async with live.place(request.person.person.id) as place_lost:
        if place_lost is None:
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
            await response.prepare(request.http)
            if request.http.method == "HEAD":
                return response
            await response.write(b"retry: 5000\n\n")
            is_over = asyncio.Event()
            await live.wait_for_first(
                _send_news(request, response, news_filter),
                _watch_stream(request, is_over),
                place_lost.wait(),
                live.pause(LIVE_LONGEST_S),
            )
            if is_over.is_set() or place_lost.is_set():
                await response.write(b"event: over\ndata: \n\n")
        return response


async def _send_news(request: PageRequest, response: web.StreamResponse, news_filter: Filter | None) -> None:
    live, last_count, last_rings = request.deps.live, 0, ""
    acts = ToldActs(request=request)
    await acts.begin()
    while True:
        count = await _count_news(request, news_filter)
        rings = await _rings(request)
        if count != last_count:
            last_count = count
            await response.write(f"event: news\ndata: {count}\n\n".encode())
        if rings != last_rings:
            last_rings = rings
            await response.write(f"event: bell\ndata: {rings}\n\n".encode())
        for outcome in await acts.since():
            await response.write(f"event: act\ndata: {json.dumps(outcome)}\n\n".encode())
        # The place at which a later stream of this page goes on.
        await response.write(f"id: {acts.place}\n\n".encode())
        await live.wait_for_first(request.deps.store.wait_events(LIVE_LOOK_S))
        await live.pause(LIVE_BETWEEN_S)


async def _watch_stream(request: PageRequest, is_over: asyncio.Event) -> None:
    """End with the page, with the session, and when the person's view here changes."""
    while (
        not is_over.is_set()
        and (transport := request.http.transport) is not None
        and not transport.is_closing()
    ):
        await request.deps.live.pause(LIVE_STILL_S)
        try:
            acting = await sessions.look(request.deps.accounts, request.token)
            granted = acting.require(Right.SEE_CONTENT)
        except Denied:
            is_over.set()
        else:
            if acting.session.agency_id != request.own_agency.id or granted != request.person.require(
                Right.SEE_CONTENT
            ):
                is_over.set()


async def _rings(request: PageRequest) -> str:
    """Return the bell's state as JSON; empty for a person without one."""
    if RingKind.URGENT in bell_kinds(request):
        await request.deps.rings.look(request.scope())
    bell_now = await bell_of(request)
    return json.dumps(bell_news(request, bell_now)) if bell_now is not None else ""


async def news_number(request: PageRequest) -> web.StreamResponse:
    body: dict[str, object] = {"count": await _count_news(request, _news_filter(request))}
    if rings := await _rings(request):
        body["bell"] = json.loads(rings)
    return web.json_response(body, headers={"Cache-Control": "no-store"})


async def _count_news(request: PageRequest, news_filter: Filter | None) -> int:
    if news_filter is None:
        return 0
    async with request.deps.store.read(request.scope()) as work:
        return (await work.office.lists.count(news_filter)).n


def _news_filter(request: PageRequest) -> Filter | None:
    """Return the filter of news; None for a page without a list, which hears the bell alone."""
    if request.person.duties:
        raise Denied("something is owed first", code="GW-DUTY")
    if not request.ask("phia"):
        return None
    try:
        side, since = Side(request.ask("phia")), datetime.fromisoformat(request.ask("tu"))
    except ValueError as error:
        raise NotFound("news are of one side, since a moment") from error
    if since.tzinfo is None:
        raise NotFound("news are of one side, since a moment")
    sight = list_rows.seen_by(request)
    return Filter(side=side, since=since, viewer=sight.viewer(side))


async def show_rings(request: PageRequest) -> web.StreamResponse:
    bell_now = await bell_of(request, fresh=True)
    if bell_now is None:
        raise Denied("there is nothing to be told of here", code="GW-RIGHT")
    if request.is_piece:
        duties = await duty_table.of_person(request)
        rings = bell_now.rings[:RINGS_IN_FRAME]
        return request.piece("bell/_list.html", bell=bell_now, rings=rings, bell_duties=duties.own)
    return await request.page(
        "bell/page.html",
        title=request.say("bell.title"),
        told_rings=bell_now.rings,
        newest=bell_now.rings[0].ring.at if bell_now.rings else None,
        examines=is_operator(request),
    )


async def read_rings(request: PageRequest) -> web.StreamResponse:
    """Mark rings read until the newest that the page showed: later ones stay unread."""
    try:
        read_until = datetime.fromisoformat(request.form.text("until"))
    except ValueError as error:
        raise BadForm("this is no moment") from error
    if read_until.tzinfo is None:
        raise BadForm("a moment has its zone")
    await request.deps.rings.read(request.scope(), read_until)
    return request.confirm(BELL_PATH, "bell.read")


async def choose_ring_kinds(request: PageRequest) -> web.StreamResponse:
    kinds, chosen_kinds = bell_kinds(request), request.form.all("kind")
    muted = frozenset(kind for kind in kinds if kind.value not in chosen_kinds)
    await request.deps.rings.choose(request.scope(), muted)
    return request.confirm(HOME, "bell.chosen")


ROUTES = (
    get("/su-kien", "news", news_stream, needs=SEE, quiet=True),
    get("/su-kien/so", "news_number", news_number, needs=SEE, quiet=True),
    get(BELL_PATH, "bell", show_rings, needs=HEARS, key="bell"),
    post(f"{BELL_PATH}/da-doc", "bell_read", read_rings, needs=HEARS, key="bell"),
    post("/tai-khoan/thong-bao", "bell_kinds", choose_ring_kinds, needs=HEARS),
)
