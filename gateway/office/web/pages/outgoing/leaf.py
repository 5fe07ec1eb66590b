"""An outgoing document, or a draft of one, in front of whoever works on it: its files for the leaf that both sides share.
In: the document, the page that shows it. Out: the leaf, or nothing; a page as a picture."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.document import FileRole, OutgoingDocument
from gateway.errors import NotFound
from gateway.office.web.pages import leaf
from gateway.office.web.pages.leaf import Leaf, LeafDesk
from gateway.office.web.pages.outgoing import seen
from gateway.office.web.visits import Visit, merged, where
from gateway.outgoing import files


async def leaf_of(visit: Visit, document: OutgoingDocument, path: str) -> Leaf | None:
    """As the page at that address shows it; None where there is nothing to see. Who calls has asked the right."""
    if document.is_sealed or not document.files:
        return None
    return await leaf.leaf_of(visit, _desk(visit, document, path))


async def page_given(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    files.refuse_sealed(found.document)
    desk = _desk(visit, found.document, found.path) if found.document.files else None
    item = next((each for each in desk.files if str(each.n) == visit.path("n")), None) if desk else None
    if desk is None or item is None:
        raise NotFound(f"{found.document.id} has no such file")
    return await leaf.picture_given(visit, desk, item)


def _desk(visit: Visit, document: OutgoingDocument, path: str) -> LeafDesk:
    """Of a document with files."""
    looked = tuple(visit.deps.looking.outgoing(document, each) for each in document.files)
    leads = [each.n for each in document.files if each.role is FileRole.LEAD]

    def way(rest: str, **query: str) -> str:
        return where(f"/van-ban-di/{document.id}/{rest}", **merged({**query, "lenh": visit.ask("lenh")}))

    async def note(name: str) -> None:
        await seen.note_read(visit, document, name)

    return LeafDesk(
        id=document.id,
        path=path,
        files=looked,
        lead=next((each for each in looked if each.n in leads), looked[0]),
        keep=lambda n: way(f"tep/{n}"),
        original=lambda n: way(f"tep/{n}/xem"),
        picture=lambda n, page, query: way(f"trang/{n}/{page}", **query),
        note=note,
        kept=("ds", "lenh"),
        reader=visit.ask("lenh"),
    )
