"""Where a person begins: signing in and out, the one-time link of an account, the first page by what the person may
see, the language, the agency to work for, a longer session, and help. Whoever fails to sign in reads the same
sentence whatever was wrong, and whatever was planted in the browser before is worth nothing afterwards. Help is one
page that can be printed, made of nothing but the labels: how the daily work is done, what each state means, how long
each step may take."""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from gateway.errors import Denied
from gateway.office.accounts import credentials, sessions, sign_in
from gateway.office.accounts.credentials import NotTaken
from gateway.office.accounts.sign_in import OpenedSession, TypedSignIn
from gateway.office.domain.listing import Side
from gateway.office.web import forms, visits
from gateway.office.web.door import COOKIE, LANG_COOKIE, SIGN_IN, forget_session, keep_choice, keep_session
from gateway.office.web.forms import Problems
from gateway.office.web.listing.asking import STATES
from gateway.office.web.pages import account
from gateway.office.web.routes import FormBody, Who, get, post
from gateway.office.web.visits import Visit, inside
from gateway.words import labels


async def first_page(visit: Visit) -> web.StreamResponse:
    """The first entry of the menu."""
    if visit.acting is None:
        return visit.go(SIGN_IN)
    told = {"told": visit.ask("told")} if visit.ask("told") else {}
    shown = visits.menu(visit)
    if not shown and visit.agencies:
        return visit.go("/chon-co-quan")
    return visit.go(shown[0].path if shown else "/tai-khoan", **told)


async def language_chosen(visit: Visit) -> web.StreamResponse:
    """Pages are in that language from now on."""
    answer = visit.go_back(visit.ask("next"))
    wanted = visit.ask("lang")
    if wanted in labels.LANGUAGES:
        keep_choice(answer, visit.request, LANG_COOKIE, wanted)
    return answer


async def agency_asked(visit: Visit) -> web.StreamResponse:
    return await visit.page(
        "choose_agency.html", title=visit.say("page.choose_agency"), back=inside(visit.ask("next"))
    )


async def agency_chosen(visit: Visit) -> web.StreamResponse:
    token = await sessions.choose_agency(visit.deps.accounts, visit.token, visit.form.text("agency"))
    return keep_session(visit.go_back(visit.form.text("next")), visit.request, token)


async def session_extended(visit: Visit) -> web.StreamResponse:
    """The session was just used, which is what extends it; a script reads until when."""
    if "application/json" in visit.request.headers.get("Accept", ""):
        return web.json_response(
            {"ends_at": visit.person.ends_at.isoformat()}, headers={"Cache-Control": "no-store"}
        )
    return visit.go("/")


_WAITS = frozenset({"GW-LOCKED", "GW-SLOW-DOWN"})
_ANSWERED = _WAITS | {"GW-SIGN-IN", "GW-ACCOUNT"}


async def sign_in_asked(visit: Visit) -> web.StreamResponse:
    if visit.acting is not None:
        return visit.go_back(visit.ask("next"))
    return await _sign_in_page(visit, visit.ask("next"))


async def signed_in(visit: Visit) -> web.StreamResponse:
    """The form brings no token of a session: there is none yet. That it comes from here the door has seen."""
    form = await forms.read(visit.request, None, forms.FORM_BYTES)
    login, back = form.text("login"), form.text("next")
    typed = TypedSignIn(login=login, password=form.text("password"), code=form.text("code").replace(" ", ""))
    try:
        found = await sign_in.run(visit.deps.accounts, typed, visit.origin, _before(visit))
    except Denied as why:
        if why.code not in _ANSWERED:
            raise
        return await _sign_in_page(visit, back, login, why)
    return _enter(visit, found, back)


async def signed_out(visit: Visit) -> web.StreamResponse:
    if visit.token:
        await sessions.sign_out(visit.deps.accounts, visit.token)
    return forget_session(visit.said(SIGN_IN, "entry.left"), visit.request)


async def taken_up(visit: Visit) -> web.StreamResponse:
    """The password is the person's own from now on, and the person is signed in with it."""
    if problems := account.typed_twice(visit):
        return await link_opened(visit, problems)
    desk, new = visit.deps.accounts, visit.form.text("new")
    try:
        person = await credentials.take_up(desk, visit.path("code"), new, visit.origin)
    except NotTaken as why:
        return await link_opened(visit, account.password_problems(visit, why))
    typed = TypedSignIn(login=person.login or person.name, password=new)
    return _enter(visit, await sign_in.run(desk, typed, visit.origin, _before(visit)), "/")


async def _sign_in_page(visit: Visit, back: str, login: str = "", why: Denied | None = None) -> web.Response:
    status = 200 if why is None else 429 if why.code in _WAITS else 422
    answer = await visit.page(
        "entry/sign_in.html",
        status,
        title=visit.say("entry.title"),
        problems=[("login", _told(visit, why))] if why is not None else [],
        login=login,
        back=inside(back),
    )
    return forget_session(answer, visit.request) if visit.request.cookies.get(COOKIE) else answer


async def link_opened(visit: Visit, problems: Problems | None = None) -> web.Response:
    person = await credentials.owner_of_code(visit.deps.accounts, visit.path("code"), visit.origin)
    return await visit.form_page(
        "entry/link.html",
        problems,
        title=visit.say("entry.link.title"),
        person=person,
        rules=account.password_rules(visit),
    )


def _enter(visit: Visit, found: OpenedSession, back: str) -> web.Response:
    """On to where the person wanted to go; what is owed the door asks for first."""
    path, told = urlsplit(inside(back)), _to_say(found)
    address = f"{path.path}?{path.query}" if path.query else path.path
    if told:
        address += ("&" if path.query else "?") + urlencode({"told": told})
    return keep_session(visit.go_back(address), visit.request, found.token)


def _to_say(found: OpenedSession) -> str:
    """The most pressing of what a person should know on coming in (R94, T19)."""
    if found.reminder == 1:
        return "account.password.1"
    if found.others:
        return "entry.others"
    return f"account.password.{found.reminder}" if found.reminder is not None else ""


def _told(visit: Visit, why: Denied) -> str:
    seconds = re.search(r"\d+", why.hint) if why.code in _WAITS else None
    if seconds is None:
        return visit.why(why)
    return visit.say(f"entry.wait.{why.code}", minutes=-(-int(seconds[0]) // 60))


def _before(visit: Visit) -> str | None:
    return visit.request.cookies.get(COOKIE) or None


HELP_PARTS = {"send": 4, "receive": 4, "recall": 2, "book": 2, "admin": 3}
HELP_STATES = tuple(each for each in STATES[Side.OUT] if each != "unknown")
HELP_TIMES = ("take_in", "assign", "issue", "recall")


async def help_shown(visit: Visit) -> web.StreamResponse:
    return await visit.page(
        "help/page.html", title=visit.say("menu.help"), parts=HELP_PARTS, states=HELP_STATES, times=HELP_TIMES
    )


ROUTES = (
    get("/", "home", first_page, who=Who.ANYBODY),
    get("/ngon-ngu", "language", language_chosen, who=Who.ANYBODY),
    get("/chon-co-quan", "choose_agency", agency_asked, who=Who.READY),
    post("/chon-co-quan", "agency_chosen", agency_chosen, who=Who.READY),
    post("/phien/gia-han", "extend", session_extended, who=Who.PERSON, body=FormBody.FORM),
    get(SIGN_IN, "sign_in", sign_in_asked, who=Who.ANYBODY),
    post(SIGN_IN, "signed_in", signed_in, who=Who.ANYBODY, body=FormBody.NONE),
    post("/dang-xuat", "sign_out", signed_out, who=Who.ANYBODY),
    get("/lien-ket/{code}", "one_time_link", link_opened, who=Who.ANYBODY),
    post("/lien-ket/{code}", "account_taken_up", taken_up, who=Who.ANYBODY),
    get("/tro-giup", "help", help_shown, who=Who.ANYBODY, key="help"),
)
