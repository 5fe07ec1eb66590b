"""The bell as a page: everything that this person is told of, read or not, and of which kinds. In: rings as
`office.web.bell` has them. Out: the page, whole or as the list in the frame; until when things were read; the choice of
kinds, which the account page offers."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web

from gateway.errors import BadForm, Denied
from gateway.office.domain.roles import Manner, Right
from gateway.office.web import bell
from gateway.office.web.bell import Bell
from gateway.office.web.pages.account import HOME
from gateway.office.web.pages.operations.state import is_operator
from gateway.office.web.routes import Needs, get, post
from gateway.office.web.visits import Visit

HEARS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)


async def shown(visit: Visit) -> web.StreamResponse:
    found = await _of(visit)
    if visit.is_piece:
        return visit.piece("bell/_list.html", bell=found, rings=found.rings[: bell.IN_FRAME])
    return await visit.page(
        "bell/page.html",
        title=visit.say("bell.title"),
        told_rings=found.rings,
        newest=found.rings[0].ring.at if found.rings else None,
        examines=is_operator(visit),
    )


async def read(visit: Visit) -> web.StreamResponse:
    """Until the newest that the page showed: what came since stays unread."""
    try:
        until = datetime.fromisoformat(visit.form.text("until"))
    except ValueError as why:
        raise BadForm("this is no moment") from why
    if until.tzinfo is None:
        raise BadForm("a moment has its zone")
    await visit.deps.rings.read(visit.scope(), until)
    return visit.said(bell.PATH, "bell.read")


async def chosen(visit: Visit) -> web.StreamResponse:
    kinds, wanted = bell.kinds_of(visit), visit.form.all("kind")
    muted = frozenset(each for each in kinds if each.value not in wanted)
    await visit.deps.rings.choose(visit.scope(), muted)
    return visit.said(HOME, "bell.chosen")


async def _of(visit: Visit) -> Bell:
    found = await bell.of(visit, anew=True)
    if found is None:
        raise Denied("there is nothing to be told of here", code="GW-RIGHT")
    return found


ROUTES = (
    get(bell.PATH, "bell", shown, needs=HEARS, key="bell"),
    post(f"{bell.PATH}/da-doc", "bell_read", read, needs=HEARS, key="bell"),
    post("/tai-khoan/thong-bao", "bell_kinds", chosen, needs=HEARS),
)
