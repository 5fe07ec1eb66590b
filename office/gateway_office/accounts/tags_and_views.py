"""Labels and views of lists: an agency's own labels on its documents, and the views of a list that one person saved. In: a
person at work for an agency; a name and documents of its lists, or a list's address. Out: marks, made and removed one by
one, where a new label is made with its first mark; a view, kept under a name until the person removes it, and visible to
that person alone. All of it stays in the agency."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.domain.account import AgencyScope
from gateway.domain.text import bare_words, fold
from gateway.errors import Clash, NotFound
from gateway.ports.services import Clock
from gateway_office.domain.listing import (
    LONGEST_TAG,
    LONGEST_VIEW_NAME,
    LONGEST_VIEW_QUERY,
    MOST_ON_ONE,
    MOST_TAGS,
    MOST_VIEWS,
    SavedView,
    Side,
    Tag,
)
from gateway_office.store.store import OfficeWork, SqlOfficeStore


async def tags_of(store: SqlOfficeStore, scope: AgencyScope) -> Sequence[Tag]:
    """List the agency's labels by name."""
    async with store.read(scope) as work:
        return await work.office.tags.all()


def checked_tag(name: str) -> str:
    """Return the name in its stored form. Raise Clash (`GW-TAG`) when it is none."""
    title = " ".join(name.split())
    if not bare_words(title) or len(title) > LONGEST_TAG:
        raise Clash(f"a label needs a name of at most {LONGEST_TAG} letters", code="GW-TAG")
    return title


async def put_tag(
    store: SqlOfficeStore, clock: Clock, scope: AgencyScope, name: str, document_id: str
) -> bool:
    """Put a label on a document; True when the document did not carry it yet. Raise NotFound for a document that no list of
    the agency has; Clash (`GW-TAG`) when there are too many labels, or too many on it."""
    title = checked_tag(name)
    async with store.begin(scope) as work:
        await work.agency()
        line = await work.office.lists.line(document_id)
        if line is None:
            raise NotFound("no list of this agency has that document")
        tag = await work.office.tags.find(title) or await _make_tag(work, clock, scope, title)
        on_it = (await work.office.tags.of_documents([document_id])).get(document_id, ())
        if any(t.id == tag.id for t in on_it):
            return False
        if len(on_it) >= MOST_ON_ONE:
            raise Clash(f"a document carries at most {MOST_ON_ONE} labels", code="GW-TAG")
        await work.office.tags.mark(tag.id, line.side, document_id, clock.now(), scope.principal_id)
        await work.commit()
    return True


async def take_off_tag(store: SqlOfficeStore, scope: AgencyScope, id: str, document_id: str) -> bool:
    """Take a label off; True when the document carried it."""
    async with store.changing(scope) as work:
        return await work.office.tags.unmark(id, document_id)


async def remove_tag(store: SqlOfficeStore, scope: AgencyScope, id: str) -> None:
    """Remove a label with all its marks. Raise NotFound when there is none."""
    async with store.changing(scope) as work:
        if not await work.office.tags.remove(id):
            raise NotFound("this agency has no such label")


async def _make_tag(work: OfficeWork, clock: Clock, scope: AgencyScope, name: str) -> Tag:
    if len(await work.office.tags.all()) >= MOST_TAGS:
        raise Clash(f"an agency has at most {MOST_TAGS} labels; remove one first", code="GW-TAG")
    tag = Tag(id=clock.new_id("tag_"), name=name, made_by=scope.principal_id, made_at=clock.now())
    await work.office.tags.add(tag)
    return tag


async def views_of(store: SqlOfficeStore, scope: AgencyScope, side: Side) -> Sequence[SavedView]:
    """List the person's own views by name."""
    async with store.read(scope) as work:
        return await work.office.views.of_person(scope.principal_id, side)


async def save_view(
    store: SqlOfficeStore, scope: AgencyScope, side: Side, name: str, query: str, at: datetime
) -> SavedView:
    """Save a view in place of the one of that name. Raise Clash (`GW-VIEW`) when the name is none, or there are too
    many."""
    title = " ".join(name.split())
    if not bare_words(title) or len(title) > LONGEST_VIEW_NAME or len(query) > LONGEST_VIEW_QUERY:
        raise Clash(f"a view needs a name of at most {LONGEST_VIEW_NAME} letters", code="GW-VIEW")
    view = SavedView(person_id=scope.principal_id, side=side, name=title, query=query, saved_at=at)
    async with store.changing(scope) as work:
        views = await work.office.views.of_person(scope.principal_id, side)
        if len(views) >= MOST_VIEWS and fold(title) not in {fold(v.name) for v in views}:
            raise Clash(f"a person keeps at most {MOST_VIEWS} views; remove one first", code="GW-VIEW")
        await work.office.views.save(view)
    return view


async def remove_view(store: SqlOfficeStore, scope: AgencyScope, side: Side, name: str) -> None:
    """Remove a view. Raise NotFound when there is none of that name."""
    async with store.changing(scope) as work:
        if not await work.office.views.remove(scope.principal_id, side, name):
            raise NotFound("there is no view of that name")
