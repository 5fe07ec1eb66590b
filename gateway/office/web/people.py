"""Persons by the names that pages show. In: principals of events. Out: a name for each; what is no person is a program or
the node itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.errors import NotFound
from gateway.office.web.visit import Visit

NODE = "node"


async def names(visit: Visit, principals: Iterable[str], other: str) -> Mapping[str, str]:
    """`other` begins the labels of what is no person: `{other}.node` and `{other}.program`."""
    found: dict[str, str] = {}
    async with visit.deps.accounts.accounts.read() as view:
        for each in sorted(set(principals)):
            try:
                found[each] = (await view.people.get(each)).name
            except NotFound:
                found[each] = visit.say(f"{other}.{'node' if each == NODE else 'program'}")
    return found
