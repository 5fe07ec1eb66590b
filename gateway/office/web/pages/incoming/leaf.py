"""An incoming document in front of whoever decides about it: its files for the leaf that both sides share. In: what was
found, and how far the person may see it. Out: the leaf, or nothing; a page as a picture."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.document import InState
from gateway.errors import Clash, NotFound
from gateway.office.domain.roles import Manner
from gateway.office.web.pages import leaf
from gateway.office.web.pages.incoming import seen
from gateway.office.web.pages.incoming.seen import SeenIncoming
from gateway.office.web.pages.leaf import Leaf, LeafDesk
from gateway.office.web.visits import Visit, merged, where

_UNREADABLE = (InState.RECALLED, InState.SEALED)
_FAULTS = {"PAGE-UNREADABLE": "incoming.leaf.unreadable"}


async def by_order(visit: Visit, found: SeenIncoming) -> SeenIncoming:
    """As `seen.by_order`, with the file that the page shows."""
    desk = _desk(visit, found)
    item = leaf.chosen(visit, desk) if desk is not None else None
    found = await seen.by_order(visit, found, item.name if item is not None else "")
    if desk is not None and item is not None and found.content and found.manner is Manner.ORDER:
        visit.deps.looking.note(leaf.reader_of(visit, desk, item.n))
    return found


async def leaf_of(visit: Visit, found: SeenIncoming) -> Leaf | None:
    """None for whoever may not read it, and where there is no file."""
    desk = _desk(visit, found)
    if desk is None or not found.content or found.whole.state in _UNREADABLE:
        return None
    return await leaf.leaf_of(visit, desk)


async def page_given(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    desk = _desk(visit, found)
    item = next((each for each in desk.files if str(each.n) == visit.path("n")), None) if desk else None
    if desk is None or item is None:
        raise NotFound(f"{found.whole.id} has no such file")
    if found.whole.state in _UNREADABLE:
        raise Clash(f"the files of {found.whole.id} cannot be read", code="GW-UNREADABLE")
    return await leaf.picture_given(visit, desk, item)


def _desk(visit: Visit, found: SeenIncoming) -> LeafDesk | None:
    """None where there is no file."""
    document, looking = found.whole, visit.deps.looking
    lead = document.lead
    if lead is None:
        return None

    def by_order(path: str, **query: str) -> str:
        return where(f"{found.path}/{path}", **merged({**query, "lenh": visit.ask("lenh")}))

    async def note(name: str) -> None:
        await seen.note_read(visit, found, name)

    return LeafDesk(
        id=document.id,
        path=found.path,
        files=tuple(looking.incoming(document, each) for each in document.files),
        lead=looking.incoming(document, lead),
        keep=lambda n: by_order(f"tep/{n}"),
        original=lambda n: by_order(f"xem/{n}"),
        picture=lambda n, page, query: by_order(f"trang/{n}/{page}", **query),
        note=note,
        kept=("ds", "lenh"),
        reader=visit.ask("lenh"),
        faults=_FAULTS,
    )
