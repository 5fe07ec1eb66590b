"""Entry of a person: signing in and out, the one-time link of an account, the first page by the person's rights, the
language, the choice of agency, a longer session, and help. A failed sign-in always reads the same sentence, and a session
planted in the browser before is worthless afterwards. Help is one printable page, made of labels alone: the daily work, the
meaning of each state, the time for each step."""

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
from gateway.office.web.routes import Access, FormBody, get, post
from gateway.office.web.visits import Visit, inside
from gateway.words import labels


async def first_page(visit: Visit) -> web.StreamResponse:
    """Redirect to the first entry of the menu."""
    if visit.acting is None:
        return visit.go(SIGN_IN)
    message = {"told": visit.ask("told")} if visit.ask("told") else {}
    entries = visits.menu(visit)
    if not entries and visit.agencies:
        return visit.go("/chon-co-quan")
    return visit.go(entries[0].path if entries else "/tai-khoan", **message)


async def choose_language(visit: Visit) -> web.StreamResponse:
    """Show pages in that language from now on."""
    answer = visit.go_back(visit.ask("next"))
    lang = visit.ask("lang")
    if lang in labels.LANGUAGES:
        keep_choice(answer, visit.request, LANG_COOKIE, lang)
    return answer


async def ask_agency(visit: Visit) -> web.StreamResponse:
    return await visit.page(
        "choose_agency.html", title=visit.say("page.choose_agency"), back=inside(visit.ask("next"))
    )


async def choose_agency(visit: Visit) -> web.StreamResponse:
    token = await sessions.choose_agency(visit.deps.accounts, visit.token, visit.form.text("agency"))
    return keep_session(visit.go_back(visit.form.text("next")), visit.request, token)


async def extend_session(visit: Visit) -> web.StreamResponse:
    """Extend the session, by using it; a script reads its end."""
    if "application/json" in visit.request.headers.get("Accept", ""):
        return web.json_response(
            {"ends_at": visit.person.ends_at.isoformat()}, headers={"Cache-Control": "no-store"}
        )
    return visit.go("/")


_WAITS = frozenset({"GW-LOCKED", "GW-SLOW-DOWN"})
_ANSWERED = _WAITS | {"GW-SIGN-IN", "GW-ACCOUNT"}


async def ask_sign_in(visit: Visit) -> web.StreamResponse:
    if visit.acting is not None:
        return visit.go_back(visit.ask("next"))
    return await _sign_in_page(visit, visit.ask("next"))


async def signed_in(visit: Visit) -> web.StreamResponse:
    """Sign in. The form has no token of a session: there is none yet. The door has checked its origin."""
    form = await forms.read(visit.request, None, forms.FORM_BYTES)
    login, back = form.text("login"), form.text("next")
    credentials_typed = TypedSignIn(
        login=login, password=form.text("password"), code=form.text("code").replace(" ", "")
    )
    try:
        session = await sign_in.run(
            visit.deps.accounts, credentials_typed, visit.origin, _earlier_token(visit)
        )
    except Denied as error:
        if error.code not in _ANSWERED:
            raise
        return await _sign_in_page(visit, back, login, error)
    return _enter(visit, session, back)


async def sign_out(visit: Visit) -> web.StreamResponse:
    if visit.token:
        await sessions.sign_out(visit.deps.accounts, visit.token)
    return forget_session(visit.confirm(SIGN_IN, "entry.left"), visit.request)


async def take_up_account(visit: Visit) -> web.StreamResponse:
    """Set the person's own password, and sign in with it."""
    if problems := account.typed_twice(visit):
        return await open_link(visit, problems)
    desk, new = visit.deps.accounts, visit.form.text("new")
    try:
        person = await credentials.take_up(desk, visit.path("code"), new, visit.origin)
    except NotTaken as error:
        return await open_link(visit, account.password_problems(visit, error))
    sign_in_typed = TypedSignIn(login=person.login or person.name, password=new)
    return _enter(visit, await sign_in.run(desk, sign_in_typed, visit.origin, _earlier_token(visit)), "/")


async def _sign_in_page(
    visit: Visit, back: str, login: str = "", error: Denied | None = None
) -> web.Response:
    status = 200 if error is None else 429 if error.code in _WAITS else 422
    answer = await visit.page(
        "entry/sign_in.html",
        status,
        title=visit.say("entry.title"),
        problems=[("login", _denial_text(visit, error))] if error is not None else [],
        login=login,
        back=inside(back),
    )
    return forget_session(answer, visit.request) if visit.request.cookies.get(COOKIE) else answer


async def open_link(visit: Visit, problems: Problems | None = None) -> web.Response:
    person = await credentials.owner_of_code(visit.deps.accounts, visit.path("code"), visit.origin)
    return await visit.form_page(
        "entry/link.html",
        problems,
        title=visit.say("entry.link.title"),
        person=person,
        rules=account.password_rules(visit),
    )


def _enter(visit: Visit, session: OpenedSession, back: str) -> web.Response:
    """Redirect to the wished page; the door shows open duties first."""
    path, message = urlsplit(inside(back)), _entry_message(session)
    address = f"{path.path}?{path.query}" if path.query else path.path
    if message:
        address += ("&" if path.query else "?") + urlencode({"told": message})
    return keep_session(visit.go_back(address), visit.request, session.token)


def _entry_message(session: OpenedSession) -> str:
    """Return the most urgent message on coming in: R94, T19 (notices at sign-in)."""
    if session.reminder == 1:
        return "account.password.1"
    if session.others:
        return "entry.others"
    return f"account.password.{session.reminder}" if session.reminder is not None else ""


def _denial_text(visit: Visit, error: Denied) -> str:
    seconds = re.search(r"\d+", error.hint) if error.code in _WAITS else None
    if seconds is None:
        return visit.why(error)
    return visit.say(f"entry.wait.{error.code}", minutes=-(-int(seconds[0]) // 60))


def _earlier_token(visit: Visit) -> str | None:
    return visit.request.cookies.get(COOKIE) or None


HELP_PARTS = {"send": 4, "receive": 4, "recall": 2, "book": 2, "admin": 3}
HELP_STATES = tuple(state for state in STATES[Side.OUT] if state != "unknown")
HELP_TIMES = ("take_in", "assign", "issue", "recall")


async def show_help(visit: Visit) -> web.StreamResponse:
    return await visit.page(
        "help/page.html", title=visit.say("menu.help"), parts=HELP_PARTS, states=HELP_STATES, times=HELP_TIMES
    )


ROUTES = (
    get("/", "home", first_page, access=Access.ANYBODY),
    get("/ngon-ngu", "language", choose_language, access=Access.ANYBODY),
    get("/chon-co-quan", "choose_agency", ask_agency, access=Access.READY),
    post("/chon-co-quan", "agency_chosen", choose_agency, access=Access.READY),
    post("/phien/gia-han", "extend", extend_session, access=Access.PERSON, body=FormBody.FORM),
    get(SIGN_IN, "sign_in", ask_sign_in, access=Access.ANYBODY),
    post(SIGN_IN, "signed_in", signed_in, access=Access.ANYBODY, body=FormBody.NONE),
    post("/dang-xuat", "sign_out", sign_out, access=Access.ANYBODY),
    get("/lien-ket/{code}", "one_time_link", open_link, access=Access.ANYBODY),
    post("/lien-ket/{code}", "account_taken_up", take_up_account, access=Access.ANYBODY),
    get("/tro-giup", "help", show_help, access=Access.ANYBODY, key="help"),
)
