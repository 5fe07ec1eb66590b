"""Where a person begins: the first page by what the person may see, the language, the agency to work for, and a longer
session."""

from __future__ import annotations

from aiohttp import web

from gateway.office.accounts import sessions
from gateway.office.web import frame
from gateway.office.web.cookies import keep, keep_session
from gateway.office.web.door import LANG_COOKIE, SIGN_IN
from gateway.office.web.routes import Body, Route, Who, get, post
from gateway.office.web.visit import Visit, inside
from gateway.words import labels


async def home(visit: Visit) -> web.StreamResponse:
    """The first entry of the menu."""
    if visit.acting is None:
        return visit.go(SIGN_IN)
    told = {"told": visit.ask("told")} if visit.ask("told") else {}
    shown = frame.menu(visit)
    if not shown and visit.agencies:
        return visit.go("/chon-co-quan")
    return visit.go(shown[0].path if shown else "/tai-khoan", **told)


async def language(visit: Visit) -> web.StreamResponse:
    """Pages are in that language from now on."""
    answer = visit.go_back(visit.ask("next"))
    wanted = visit.ask("lang")
    if wanted in labels.LANGUAGES:
        keep(answer, visit.request, LANG_COOKIE, wanted)
    return answer


async def choose(visit: Visit) -> web.StreamResponse:
    return await visit.page(
        "choose_agency.html", title=visit.say("page.choose_agency"), back=inside(visit.ask("next"))
    )


async def chosen(visit: Visit) -> web.StreamResponse:
    token = await sessions.choose_agency(visit.deps.accounts, visit.token, visit.form.text("agency"))
    return keep_session(visit.go_back(visit.form.text("next")), visit.request, token)


async def extend(visit: Visit) -> web.StreamResponse:
    """The session was just used, which is what extends it; a script reads until when."""
    if "application/json" in visit.request.headers.get("Accept", ""):
        return web.json_response(
            {"ends_at": visit.person.ends_at.isoformat()}, headers={"Cache-Control": "no-store"}
        )
    return visit.go("/")


ROUTES: tuple[Route, ...] = (
    get("/", "home", home, who=Who.ANYBODY),
    get("/ngon-ngu", "language", language, who=Who.ANYBODY),
    get("/chon-co-quan", "choose_agency", choose, who=Who.READY),
    post("/chon-co-quan", "agency_chosen", chosen, who=Who.READY),
    post("/phien/gia-han", "extend", extend, who=Who.PERSON, body=Body.FORM),
)
