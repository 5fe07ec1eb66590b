"""The agency's own labels on the rows of a list, and on one document's page. In: who looks, which documents. Out: labels by
document; none for whoever sees metadata alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.office.domain.listing import Line, Side
from gateway.office.domain.right import Manner, Right
from gateway.office.domain.tag import Tag
from gateway.office.web.listing import sees
from gateway.office.web.listing.asking import PATHS
from gateway.office.web.visit import Visit

PUTS: Mapping[Side, Right] = {Side.OUT: Right.ISSUE, Side.IN: Right.TAKE_IN}


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPage:
    """What the page of one document shows of them."""

    shown: bool
    id: str
    path: str
    on: Sequence[Tag] = ()
    may_put: bool = False


async def of_lines(visit: Visit, lines: Sequence[Line]) -> Mapping[str, Sequence[Tag]]:
    if not lines or not sees.of(visit).tags:
        return {}
    async with visit.deps.store.read(visit.scope()) as work:
        return await work.office.tags.of([each.id for each in lines])


async def known(visit: Visit) -> Sequence[Tag]:
    """All that this person may see, by name."""
    if not sees.of(visit).tags:
        return ()
    async with visit.deps.store.read(visit.scope()) as work:
        return await work.office.tags.all()


async def of_page(visit: Visit, side: Side, id: str) -> OnPage:
    if not sees.of(visit).tags:
        return OnPage(shown=False, id=id, path=PATHS[side])
    async with visit.deps.store.read(visit.scope()) as work:
        on = (await work.office.tags.of([id])).get(id, ())
    may_put = visit.may(PUTS[side], Manner.YES)
    return OnPage(shown=bool(on) or may_put, id=id, path=PATHS[side], on=on, may_put=may_put)
