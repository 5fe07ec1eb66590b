"""An agency's own labels on its documents. In: a person at work for an agency, a name, documents of its lists. Out: marks,
made and taken off one by one; a label that is new is made with its first mark. Nothing of it leaves the agency."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.domain.account import AgencyScope
from gateway.domain.text import bare_words
from gateway.errors import Clash, NotFound
from gateway.office.domain.tag import LONGEST_NAME, MOST_ON_ONE, MOST_TAGS, Tag
from gateway.office.ports.store import OfficeStore, OfficeWork
from gateway.ports import Clock


async def of(store: OfficeStore, scope: AgencyScope) -> Sequence[Tag]:
    """All of the agency's, by name."""
    async with store.read(scope) as work:
        return await work.office.tags.all()


def checked(name: str) -> str:
    """The name as it is kept. Clash (`GW-TAG`) when it is none."""
    title = " ".join(name.split())
    if not bare_words(title) or len(title) > LONGEST_NAME:
        raise Clash(f"a label needs a name of at most {LONGEST_NAME} letters", code="GW-TAG")
    return title


async def put(store: OfficeStore, clock: Clock, scope: AgencyScope, name: str, document_id: str) -> bool:
    """Whether the document did not carry it yet. NotFound for a document that no list of the agency has; Clash (`GW-TAG`)
    when there are too many labels, or too many on it."""
    title = checked(name)
    async with store.begin(scope) as work:
        await work.agency()
        line = await work.office.lists.line(document_id)
        if line is None:
            raise NotFound("no list of this agency has that document")
        tag = await work.office.tags.named(title) or await _made(work, clock, scope, title)
        on_it = (await work.office.tags.of([document_id])).get(document_id, ())
        if any(each.id == tag.id for each in on_it):
            return False
        if len(on_it) >= MOST_ON_ONE:
            raise Clash(f"a document carries at most {MOST_ON_ONE} labels", code="GW-TAG")
        await work.office.tags.mark(tag.id, line.side, document_id, clock.now(), scope.principal_id)
        await work.commit()
    return True


async def take_off(store: OfficeStore, scope: AgencyScope, id: str, document_id: str) -> bool:
    """Whether the document carried it."""
    async with store.begin(scope) as work:
        had = await work.office.tags.unmark(id, document_id)
        await work.commit()
    return had


async def remove(store: OfficeStore, scope: AgencyScope, id: str) -> None:
    """With all its marks. NotFound when there is none."""
    async with store.begin(scope) as work:
        if not await work.office.tags.remove(id):
            raise NotFound("this agency has no such label")
        await work.commit()


async def _made(work: OfficeWork, clock: Clock, scope: AgencyScope, name: str) -> Tag:
    if len(await work.office.tags.all()) >= MOST_TAGS:
        raise Clash(f"an agency has at most {MOST_TAGS} labels; remove one first", code="GW-TAG")
    tag = Tag(id=clock.new_id("tag_"), name=name, made_by=scope.principal_id, made_at=clock.now())
    await work.office.tags.add(tag)
    return tag
