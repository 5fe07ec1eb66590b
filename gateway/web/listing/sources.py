"""How outgoing documents came to the node: by hand on a page, by a program, or at the machine. In: lines of a page. Out: a
word for each who handed one in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.domain.listing import Line
from gateway.errors import NotFound
from gateway.web.visit import Visit

_PRINCIPAL = "prn_"


async def of(visit: Visit, lines: Sequence[Line]) -> Mapping[str, str]:
    """`hand`, `program` or `machine`, by who it was."""
    named = {each.card.source for each in lines if each.card.source}
    async with visit.deps.accounts.accounts.read() as view:
        found = {}
        for who in sorted(named):
            if not who.startswith(_PRINCIPAL):
                found[who] = "machine"
                continue
            try:
                await view.people.get(who)
                found[who] = "hand"
            except NotFound:
                found[who] = "program"
    return found
