"""The documents before and after one, in the list that it was opened from. In: a visit whose address says which list
(`ds`). Out: their addresses, and the way back. Details show them as links with the keys [ and ]."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from gateway.office.domain.listing import Side
from gateway.office.web.listing import sees
from gateway.office.web.listing.asking import PATHS
from gateway.office.web.pages.lists import asked_of
from gateway.office.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Empty where there is none. `back` is the list itself."""

    back: str
    previous: str = ""
    next: str = ""


async def of(visit: Visit, side: Side, id: str) -> Neighbours:
    given = dict(parse_qsl(visit.ask("ds")[:4_000], max_num_fields=50)) if visit.ask("ds") else {}
    asked = asked_of(visit, side, given, sees.of(visit))
    if not given:
        return Neighbours(back=PATHS[side])
    async with visit.deps.store.read(visit.scope()) as work:
        before, after = await work.office.lists.beside(asked.wanted, id)

    def path(other: str | None) -> str:
        return f"{PATHS[side]}/{other}?{urlencode({'ds': asked.query})}" if other else ""

    return Neighbours(back=asked.address(), previous=path(before), next=path(after))
