"""Saved views of lists. In: a person at work for an agency, a list's address. Out: the view, kept under a name until the
person removes it; nobody else sees it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.domain.account import AgencyScope
from gateway.domain.text import bare_words, fold
from gateway.errors import Clash, NotFound
from gateway.office.domain.listing import Side
from gateway.office.domain.saved_view import LONGEST_NAME, LONGEST_QUERY, MOST_VIEWS, SavedView
from gateway.office.ports.store import OfficeStore


async def of(store: OfficeStore, scope: AgencyScope, side: Side) -> Sequence[SavedView]:
    """The person's own, by name."""
    async with store.read(scope) as work:
        return await work.office.views.of(scope.principal_id, side)


async def save(
    store: OfficeStore,
    scope: AgencyScope,
    side: Side,
    name: str,
    query: str,
    at: datetime,
    *,
    is_first: bool = False,
) -> SavedView:
    """In place of the one of that name. Clash (`GW-VIEW`) when the name is none, or there are too many."""
    title = " ".join(name.split())
    if not bare_words(title) or len(title) > LONGEST_NAME or len(query) > LONGEST_QUERY:
        raise Clash(f"a view needs a name of at most {LONGEST_NAME} letters", code="GW-VIEW")
    view = SavedView(
        person_id=scope.principal_id, side=side, name=title, query=query, saved_at=at, is_first=is_first
    )
    async with store.begin(scope) as work:
        known = await work.office.views.of(scope.principal_id, side)
        if len(known) >= MOST_VIEWS and fold(title) not in {fold(each.name) for each in known}:
            raise Clash(f"a person keeps at most {MOST_VIEWS} views; remove one first", code="GW-VIEW")
        await work.office.views.save(view)
        await work.commit()
    return view


async def remove(store: OfficeStore, scope: AgencyScope, side: Side, name: str) -> None:
    """NotFound when there is none of that name."""
    async with store.begin(scope) as work:
        if not await work.office.views.remove(scope.principal_id, side, name):
            raise NotFound("there is no view of that name")
        await work.commit()
