"""What people keep on the lists. The agency's own labels: which there are, how many documents carry each, one deleted
with all its marks; they are put on documents and taken off by the lists' acts on many rows. The views that one
person saved. In: a label; a list's address and a name. Out: the labels; the view kept for this person, or removed."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from gateway.errors import Clash, NotFound
from gateway.office.accounts import tags_and_views
from gateway.office.domain.listing import Side, Tag
from gateway.office.domain.roles import Manner, Right
from gateway.office.web.forms import Problems
from gateway.office.web.listing import choosing, list_rows
from gateway.office.web.listing.asking import PATHS
from gateway.office.web.pages.lists import MENU, SEE, asked_of, filter_words
from gateway.office.web.routes import Needs, get, post
from gateway.office.web.visits import Visit


async def view_page(visit: Visit, side: Side, problems: Problems | None = None) -> web.StreamResponse:
    asked = asked_of(visit, side, choosing.query_of(visit), list_rows.seen_by(visit))
    return await visit.form_page(
        "lists/keep.html",
        problems,
        title=visit.say("listing.view.save"),
        asked=asked,
        words=filter_words(visit, asked, await list_rows.known_tags(visit)),
    )


async def view_saved(visit: Visit, side: Side) -> web.StreamResponse:
    asked = asked_of(visit, side, choosing.query_of(visit), list_rows.seen_by(visit))
    try:
        view = await tags_and_views.save_view(
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
        return await view_page(visit, side, [("name", visit.why(why))])
    return visit.go_back(f"{PATHS[side]}?{view.query}&told=listing.view.saved")


async def view_removed(visit: Visit, side: Side) -> web.StreamResponse:
    await tags_and_views.remove_view(visit.deps.store, visit.scope(), side, visit.form.text("name"))
    return visit.said(PATHS[side], "listing.view.removed", tab="all")


VIEW_ROUTES = tuple(
    route
    for side, key in MENU.items()
    for at, name in ((f"/danh-sach{PATHS[side]}/bo-loc", f"{key}_list_view"),)
    for route in (
        get(at, name, partial(view_page, side=side), needs=SEE, key=key),
        post(at, f"{name}_saved", partial(view_saved, side=side), needs=SEE, key=key),
        post(f"{at}/xoa", f"{name}_removed", partial(view_removed, side=side), needs=SEE, key=key),
    )
)


KEEPS = (
    Needs(right=Right.ISSUE, manners=(Manner.YES,)),
    Needs(right=Right.TAKE_IN, manners=(Manner.YES,)),
)


async def tags_shown(visit: Visit) -> web.StreamResponse:
    return await visit.page("lists/tags.html", title=visit.say("tags.title"), tags=await _tags_counted(visit))


async def tag_removal_asked(visit: Visit) -> web.StreamResponse:
    tag, count = await _tag_found(visit)
    return await visit.page("lists/tag_remove.html", title=visit.say("tags.remove"), tag=tag, carried=count)


async def tag_removed(visit: Visit) -> web.StreamResponse:
    tag, _ = await _tag_found(visit)
    await tags_and_views.remove_tag(visit.deps.store, visit.scope(), tag.id)
    return visit.said("/danh-sach/nhan", "tags.removed")


async def _tags_counted(visit: Visit) -> list[tuple[Tag, int, int]]:
    """Each with how many outgoing and incoming documents carry it."""
    async with visit.deps.store.read(visit.scope()) as work:
        tags, counts = await work.office.tags.all(), await work.office.tags.counts()
    return [(each, counts.get((each.id, Side.OUT), 0), counts.get((each.id, Side.IN), 0)) for each in tags]


async def _tag_found(visit: Visit) -> tuple[Tag, int]:
    for tag, outgoing, incoming in await _tags_counted(visit):
        if tag.id == visit.path("id"):
            return tag, outgoing + incoming
    raise NotFound("this agency has no such label")


TAG_ROUTES = (
    get("/danh-sach/nhan", "tags", tags_shown, needs=KEEPS),
    get("/danh-sach/nhan/{id}/xoa", "tag_remove", tag_removal_asked, needs=KEEPS),
    post("/danh-sach/nhan/{id}/xoa", "tag_removed", tag_removed, needs=KEEPS),
)
