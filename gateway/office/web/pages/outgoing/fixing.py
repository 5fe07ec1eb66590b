"""What is wrong with a document that was sent: one page that names the faults as a clerk knows them, says what each cure
does, and leads to its form. And which acts stand as buttons on the document's own page: two at most, what is needed
now before what may be wanted; the others stand under one word. In: the document, the acts of the person's rights. Out:
the page; the acts in two parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from gateway.domain.document import OutState
from gateway.office.web.pages.outgoing import seen
from gateway.office.web.pages.outgoing.seen import DocumentAct, SeenOutgoing
from gateway.office.web.visits import Visit

MOST_BUTTONS = 2
_WANTED = ("fix", "slip", "further")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """`needed`: the first button does what the document waits for."""

    buttons: tuple[DocumentAct, ...]
    rest: tuple[DocumentAct, ...]
    needed: bool


def offered(found: SeenOutgoing, acts: Sequence[DocumentAct], taken: int) -> Offered:
    """`taken` buttons stand there already: to call it back, to open the draft."""
    can = {each.key: each for each in acts if not each.why}
    needed = [key for key in _needed(found) if key in can]
    order = [*needed, *(key for key in _WANTED if key in can)]
    buttons = tuple(can[key] for key in order[: max(0, MOST_BUTTONS - taken)])
    rest = [each for each in acts if each not in buttons]
    rest.sort(key=lambda each: bool(each.why))
    return Offered(buttons=buttons, rest=tuple(rest), needed=bool(needed) and not taken)


def _needed(found: SeenOutgoing) -> Sequence[str]:
    """What somebody waits for, the worst first."""
    if found.document.state in (OutState.DRAFT, OutState.BLOCKED):
        return ("discard", "cancel")
    failed = any(each.state == "failed" for each in found.deliveries)
    return ("anew", *(("resend",) if failed else ()), "urge")


async def choosing(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    return await visit.page(
        "outgoing/fix.html",
        title=seen.heading(visit, "outgoing.act.fix"),
        found=found,
        fixes=seen.fixes_of(found),
    )
