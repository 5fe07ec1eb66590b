"""Entry of a person: signing in and out, the one-time link of an account, the first page by the person's rights, the
language, the choice of agency, a longer session, and help. A failed sign-in always reads the same sentence, and a session
planted in the browser before is worthless afterwards. Help is one printable page, made of labels alone: the daily work, the
meaning of each state, the time for each step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from gateway.domain.states import State
from gateway.errors import Denied
from gateway.words import labels
from gateway.words.legal import bases_of_rules
from gateway_office.accounts import credentials, sessions, sign_in
from gateway_office.accounts.credentials import PasswordRefused
from gateway_office.accounts.sign_in import OpenedSession, TypedSignIn
from gateway_office.domain.listing import Side
from gateway_office.web import forms, menu
from gateway_office.web.addresses import inside
from gateway_office.web.forms import Problems
from gateway_office.web.listing.asking import STATES
from gateway_office.web.page_handling import (
    COOKIE,
    LANG_COOKIE,
    SIGN_IN,
    forget_session,
    keep_choice,
    keep_session,
)
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages import account
from gateway_office.web.routes import Access, FormBody, get, post

_WAITS = frozenset({"GW-LOCKED", "GW-SLOW-DOWN"})
_ANSWERED = _WAITS | {"GW-SIGN-IN", "GW-ACCOUNT"}
HELP_PARTS = {"send": 4, "receive": 4, "recall": 2, "book": 3, "report": 2, "admin": 4}
HELP_STATES = tuple(state for state in STATES[Side.OUT] if state != State.UNKNOWN)
# Rules behind what a part, or a time limit, of the page says; their bases stand below it.
HELP_RULES: Mapping[str, Sequence[str]] = {
    "send": ("R22", "R45", "R48"),
    "receive": ("R56", "R58", "R60"),
    "recall": ("R70", "R71"),
    "book": ("R36", "R38"),
    "report": (),
    "admin": (),
}
HELP_TIMES: Mapping[str, Sequence[str]] = {
    "take_in": ("T2", "T2u"),
    "assign": ("T5", "T5u"),
    "issue": ("T1", "T1u"),
    "recall": ("T11",),
}


async def first_page(request: PageRequest) -> web.StreamResponse:
    """Redirect to the first entry of the menu."""
    if request.acting is None:
        return request.go(SIGN_IN)
    message = {"told": request.ask("told")} if request.ask("told") else {}
    entries = menu.menu(request)
    if not entries and request.agencies:
        return request.go("/chon-co-quan")
    return request.go(entries[0].path if entries else "/tai-khoan", **message)


async def choose_language(request: PageRequest) -> web.StreamResponse:
    """Show pages in that language from now on."""
    answer = request.go_back(request.ask("next"))
    lang = request.ask("lang")
    if lang in labels.LANGUAGES:
        keep_choice(answer, request.http, LANG_COOKIE, lang)
    return answer


async def ask_agency(request: PageRequest) -> web.StreamResponse:
    return await request.page(
        "choose_agency.html", title=request.say("page.choose_agency"), back=inside(request.ask("next"))
    )


async def choose_agency(request: PageRequest) -> web.StreamResponse:
    token = await sessions.choose_agency(request.deps.accounts, request.token, request.form.text("agency"))
    return keep_session(request.go_back(request.form.text("next")), request.http, token)


async def extend_session(request: PageRequest) -> web.StreamResponse:
    """Extend the session, by using it; a script reads its end."""
    if "application/json" in request.http.headers.get("Accept", ""):
        return web.json_response(
            {"ends_at": request.person.ends_at.isoformat()}, headers={"Cache-Control": "no-store"}
        )
    return request.go("/")


async def ask_sign_in(request: PageRequest) -> web.StreamResponse:
    if request.acting is not None:
        return request.go_back(request.ask("next"))
    return await _sign_in_page(request, request.ask("next"))


async def signed_in(request: PageRequest) -> web.StreamResponse:
    """Sign in. The form has no token of a session: there is none yet. The door has checked its origin."""
    form = await forms.read(request.http, None, forms.FORM_BYTES)
    login, back = form.text("login"), form.text("next")
    credentials_typed = TypedSignIn(
        login=login, password=form.text("password"), code=form.text("code").replace(" ", "")
    )
    try:
        session = await sign_in.sign_in(
            request.deps.accounts, credentials_typed, request.origin, _earlier_token(request)
        )
    except Denied as error:
        if error.code not in _ANSWERED:
            raise
        return await _sign_in_page(request, back, login, error)
    return _enter(request, session, back)


async def sign_out(request: PageRequest) -> web.StreamResponse:
    if request.token:
        await sessions.sign_out(request.deps.accounts, request.token)
    return forget_session(request.confirm(SIGN_IN, "entry.left"), request.http)


async def take_up_account(request: PageRequest) -> web.StreamResponse:
    """Set the person's own password, and sign in with it."""
    if problems := account.typed_twice(request):
        return await open_link(request, problems)
    services, new = request.deps.accounts, request.form.text("new")
    try:
        person = await credentials.take_up(services, request.path("code"), new, request.origin)
    except PasswordRefused as error:
        return await open_link(request, account.password_problems(request, error))
    sign_in_typed = TypedSignIn(login=person.login or person.name, password=new)
    return _enter(
        request, await sign_in.sign_in(services, sign_in_typed, request.origin, _earlier_token(request)), "/"
    )


async def _sign_in_page(
    request: PageRequest, back: str, login: str = "", error: Denied | None = None
) -> web.Response:
    status = 200 if error is None else 429 if error.code in _WAITS else 422
    answer = await request.page(
        "entry/sign_in.html",
        status,
        title=request.say("entry.title"),
        problems=[("login", _denial_text(request, error))] if error is not None else [],
        login=login,
        back=inside(back),
    )
    return forget_session(answer, request.http) if request.http.cookies.get(COOKIE) else answer


async def open_link(request: PageRequest, problems: Problems | None = None) -> web.Response:
    person = await credentials.owner_of_code(request.deps.accounts, request.path("code"), request.origin)
    return await request.form_page(
        "entry/link.html",
        problems,
        title=request.say("entry.link.title"),
        person=person,
        rules=account.password_rules(request),
    )


def _enter(request: PageRequest, session: OpenedSession, back: str) -> web.Response:
    """Redirect to the wished page; the door shows open duties first."""
    path, message = urlsplit(inside(back)), _entry_message(session)
    address = f"{path.path}?{path.query}" if path.query else path.path
    if message:
        address += ("&" if path.query else "?") + urlencode({"told": message})
    return keep_session(request.go_back(address), request.http, session.token)


def _entry_message(session: OpenedSession) -> str:
    """Return the most urgent message on coming in: R94, T19 (notices at sign-in)."""
    if session.reminder == 1:
        return "account.password.1"
    if session.other_sessions:
        return "entry.others"
    return f"account.password.{session.reminder}" if session.reminder is not None else ""


def _denial_text(request: PageRequest, error: Denied) -> str:
    seconds = re.search(r"\d+", error.hint) if error.code in _WAITS else None
    if seconds is None:
        return request.why(error)
    return request.say(f"entry.wait.{error.code}", minutes=-(-int(seconds[0]) // 60))


def _earlier_token(request: PageRequest) -> str | None:
    return request.http.cookies.get(COOKIE) or None


async def show_help(request: PageRequest) -> web.StreamResponse:
    return await request.page(
        "help/page.html",
        title=request.say("menu.help"),
        parts=HELP_PARTS,
        states=HELP_STATES,
        times={name: bases_of_rules(rules, request.lang) for name, rules in HELP_TIMES.items()},
        bases={part: bases_of_rules(rules, request.lang) for part, rules in HELP_RULES.items()},
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
