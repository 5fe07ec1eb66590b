"""Names of principals and agencies, as pages show them. In: ids or codes. Out: the name of each: a person's own, the label
of a program or of the node itself, an agency's in the registry, or that shortened for a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from gateway.domain.queues import InboxPacket
from gateway.errors import NotFound
from gateway.words import labels
from gateway_office.web.request_context import RequestContext

NODE_ITSELF = "node"


@lru_cache(maxsize=4_096)
def short_name(name: str | None) -> str:
    """Shorten the words for a kind of agency in a name, as offices abbreviate them: one table of the labels has them."""
    for words, abbreviation in _abbreviations():
        name = (name or "").replace(words, abbreviation)
    return name or ""


@lru_cache(maxsize=1)
def _abbreviations() -> tuple[tuple[str, str], ...]:
    pairs = (line.split("=") for line in labels.say("agencies.short", "vi").split(";"))
    return tuple((words.strip(), short.strip()) for words, short in pairs)


async def names_of(request: RequestContext, principals: Iterable[str], other: str) -> Mapping[str, str]:
    """Return names; `other` begins the labels of principals that are no persons: `{other}.node` and `{other}.program`."""
    names: dict[str, str] = {}
    async with request.deps.accounts.accounts.read_few() as view:
        for principal in sorted(set(principals)):
            try:
                names[principal] = (await view.people.get(principal)).name
            except NotFound:
                names[principal] = request.say(f"{other}.{'node' if principal == NODE_ITSELF else 'program'}")
    return names


async def agency_names(request: RequestContext, codes: Iterable[str]) -> dict[str, str]:
    """Return the names that the registry has today, by code; a code without an entry is left out."""
    directory, today = request.deps.inn.directory, request.today
    entries = {code: await directory.find(code, today) for code in sorted(set(codes) - {""})}
    return {code: entry.name for code, entry in entries.items() if entry is not None}


async def claimed_sender(request: RequestContext, item: InboxPacket) -> str:
    """Return the name of the agency that a packet says it comes from, or its code where the registry has no name."""
    code = item.sender_code or item.transport_sender
    entry = await request.deps.inn.directory.find(code, request.today)
    return entry.name if entry is not None else code
