"""Saved views of the lists. In: a list's address and a name. Out: the view kept for this person, or removed."""

from __future__ import annotations

from aiohttp import web

from gateway.errors import Clash
from gateway.office.accounts import list_views
from gateway.office.domain.listing import Side
from gateway.office.web.failing import of_error
from gateway.office.web.listing import choosing, sees, tags
from gateway.office.web.listing.asking import PATHS
from gateway.office.web.pages.lists import SEE, asked_of, filter_words
from gateway.office.web.routes import get, post
from gateway.office.web.visit import Visit


async def outgoing(visit: Visit) -> web.StreamResponse:
    return await _page(visit, Side.OUT, [])


async def incoming(visit: Visit) -> web.StreamResponse:
    return await _page(visit, Side.IN, [])


async def outgoing_saved(visit: Visit) -> web.StreamResponse:
    return await _saved(visit, Side.OUT)


async def incoming_saved(visit: Visit) -> web.StreamResponse:
    return await _saved(visit, Side.IN)


async def outgoing_removed(visit: Visit) -> web.StreamResponse:
    return await _removed(visit, Side.OUT)


async def incoming_removed(visit: Visit) -> web.StreamResponse:
    return await _removed(visit, Side.IN)


async def _page(visit: Visit, side: Side, problems: list[tuple[str, str]]) -> web.StreamResponse:
    asked = asked_of(visit, side, choosing.query_of(visit), sees.of(visit))
    return await visit.page(
        "lists/keep.html",
        422 if problems else 200,
        title=visit.say("listing.view.save"),
        asked=asked,
        words=filter_words(visit, asked, await tags.known(visit)),
        problems=problems,
        given=visit.form.flat(),
    )


async def _saved(visit: Visit, side: Side) -> web.StreamResponse:
    asked = asked_of(visit, side, choosing.query_of(visit), sees.of(visit))
    try:
        view = await list_views.save(
            visit.deps.store,
            visit.scope(),
            side,
            visit.form.text("name"),
            # An empty address would open the list without the view.
            asked.query or f"tab={asked.tab}",
            visit.deps.clock.now(),
            is_first=visit.form.text("first") == "1",
        )
    except Clash as why:
        return await _page(visit, side, [("name", of_error(why, visit.lang).title)])
    return visit.go_back(f"{PATHS[side]}?{view.query}&told=listing.view.saved")


async def _removed(visit: Visit, side: Side) -> web.StreamResponse:
    await list_views.remove(visit.deps.store, visit.scope(), side, visit.form.text("name"))
    return visit.said(PATHS[side], "listing.view.removed", tab="all")


ROUTES = (
    get("/danh-sach/van-ban-di/bo-loc", "outgoing_list_view", outgoing, needs=SEE, key="outgoing"),
    post(
        "/danh-sach/van-ban-di/bo-loc", "outgoing_list_view_saved", outgoing_saved, needs=SEE, key="outgoing"
    ),
    post(
        "/danh-sach/van-ban-di/bo-loc/xoa",
        "outgoing_list_view_removed",
        outgoing_removed,
        needs=SEE,
        key="outgoing",
    ),
    get("/danh-sach/van-ban-den/bo-loc", "incoming_list_view", incoming, needs=SEE, key="incoming"),
    post(
        "/danh-sach/van-ban-den/bo-loc", "incoming_list_view_saved", incoming_saved, needs=SEE, key="incoming"
    ),
    post(
        "/danh-sach/van-ban-den/bo-loc/xoa",
        "incoming_list_view_removed",
        incoming_removed,
        needs=SEE,
        key="incoming",
    ),
)
