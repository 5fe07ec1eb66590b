"""The agency's own labels, as its clerks keep them: which there are, how many documents carry each, one deleted with all
its marks. They are put on documents and taken off by the lists' acts on many rows."""

from __future__ import annotations

from aiohttp import web

from gateway.errors import NotFound
from gateway.office.accounts import list_tags
from gateway.office.domain.listing import Side
from gateway.office.domain.right import Manner, Right
from gateway.office.domain.tag import Tag
from gateway.office.web.routes import Needs, get, post
from gateway.office.web.visit import Visit

KEEPS = (
    Needs(right=Right.ISSUE, manners=(Manner.YES,)),
    Needs(right=Right.TAKE_IN, manners=(Manner.YES,)),
)


async def shown(visit: Visit) -> web.StreamResponse:
    async with visit.deps.store.read(visit.scope()) as work:
        tags, counts = await work.office.tags.all(), await work.office.tags.counts()
    return await visit.page(
        "lists/tags.html",
        title=visit.say("tags.title"),
        tags=[(each, counts.get((each.id, Side.OUT), 0), counts.get((each.id, Side.IN), 0)) for each in tags],
    )


async def remove(visit: Visit) -> web.StreamResponse:
    tag, count = await _found(visit)
    return await visit.page("lists/tag_remove.html", title=visit.say("tags.remove"), tag=tag, carried=count)


async def removed(visit: Visit) -> web.StreamResponse:
    tag, _ = await _found(visit)
    await list_tags.remove(visit.deps.store, visit.scope(), tag.id)
    return visit.said("/danh-sach/nhan", "tags.removed")


async def _found(visit: Visit) -> tuple[Tag, int]:
    async with visit.deps.store.read(visit.scope()) as work:
        tags, counts = await work.office.tags.all(), await work.office.tags.counts()
    tag = next((each for each in tags if each.id == visit.path("id")), None)
    if tag is None:
        raise NotFound("this agency has no such label")
    return tag, sum(n for (id, _), n in counts.items() if id == tag.id)


ROUTES = (
    get("/danh-sach/nhan", "tags", shown, needs=KEEPS),
    get("/danh-sach/nhan/{id}/xoa", "tag_remove", remove, needs=KEEPS),
    post("/danh-sach/nhan/{id}/xoa", "tag_removed", removed, needs=KEEPS),
)
