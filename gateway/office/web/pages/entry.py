"""Signing in and out, and the one-time link of an account. Whoever fails reads the same sentence whatever was wrong, and
whatever was planted in the browser before is worth nothing afterwards."""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from gateway.errors import Denied
from gateway.office.accounts import one_time, sessions, sign_in
from gateway.office.accounts.password import NotTaken
from gateway.office.accounts.sign_in import Entered, Typed
from gateway.office.web import forms, new_password
from gateway.office.web.cookies import forget_session, keep_session
from gateway.office.web.door import COOKIE, SIGN_IN
from gateway.office.web.failing import of_error
from gateway.office.web.routes import Body, Who, get, post
from gateway.office.web.visit import Visit, inside

_WAITS = frozenset({"GW-LOCKED", "GW-SLOW-DOWN"})
_ANSWERED = _WAITS | {"GW-SIGN-IN", "GW-ACCOUNT"}


async def asked(visit: Visit) -> web.StreamResponse:
    if visit.acting is not None:
        return visit.go_back(visit.ask("next"))
    return await _ask(visit, visit.ask("next"))


async def entered(visit: Visit) -> web.StreamResponse:
    """The form brings no token of a session: there is none yet. That it comes from here the door has seen."""
    form = await forms.read(visit.request, None, visit.deps.options.form_bytes)
    login, back = form.text("login"), form.text("next")
    typed = Typed(login=login, password=form.text("password"), code=form.text("code").replace(" ", ""))
    try:
        found = await sign_in.run(visit.deps.accounts, typed, visit.origin, _before(visit))
    except Denied as why:
        if why.code not in _ANSWERED:
            raise
        return await _ask(visit, back, login, why)
    return _enter(visit, found, back)


async def left(visit: Visit) -> web.StreamResponse:
    if visit.token:
        await sessions.sign_out(visit.deps.accounts, visit.token)
    return forget_session(visit.said(SIGN_IN, "entry.left"), visit.request)


async def greeted(visit: Visit) -> web.StreamResponse:
    return await _greet(visit)


async def taken_up(visit: Visit) -> web.StreamResponse:
    """The password is the person's own from now on, and the person is signed in with it."""
    if problems := new_password.typed_twice(visit):
        return await _greet(visit, problems)
    desk, new = visit.deps.accounts, visit.form.text("new")
    try:
        person = await one_time.take_up(desk, visit.path("code"), new, visit.origin)
    except NotTaken as why:
        return await _greet(visit, new_password.faults(visit, why))
    typed = Typed(login=person.login or person.name, password=new)
    return _enter(visit, await sign_in.run(desk, typed, visit.origin, _before(visit)), "/")


async def _ask(visit: Visit, back: str, login: str = "", why: Denied | None = None) -> web.Response:
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


async def _greet(visit: Visit, problems: list[tuple[str, str]] | None = None) -> web.Response:
    person = await one_time.look(visit.deps.accounts, visit.path("code"), visit.origin)
    return await visit.page(
        "entry/link.html",
        422 if problems else 200,
        title=visit.say("entry.link.title"),
        person=person,
        rules=new_password.rules(visit),
        problems=problems or [],
    )


def _enter(visit: Visit, found: Entered, back: str) -> web.Response:
    """On to where the person wanted to go; what is owed the door asks for first."""
    path, told = urlsplit(inside(back)), _to_say(found)
    address = f"{path.path}?{path.query}" if path.query else path.path
    if told:
        address += ("&" if path.query else "?") + urlencode({"told": told})
    return keep_session(visit.go_back(address), visit.request, found.token)


def _to_say(found: Entered) -> str:
    """The most pressing of what a person should know on coming in (R94, T19)."""
    if found.reminder == 1:
        return "account.password.1"
    if found.others:
        return "entry.others"
    return f"account.password.{found.reminder}" if found.reminder is not None else ""


def _told(visit: Visit, why: Denied) -> str:
    seconds = re.search(r"\d+", why.hint) if why.code in _WAITS else None
    if seconds is None:
        return of_error(why, visit.lang).title
    return visit.say(f"entry.wait.{why.code}", minutes=-(-int(seconds[0]) // 60))


def _before(visit: Visit) -> str | None:
    return visit.request.cookies.get(COOKIE) or None


ROUTES = (
    get(SIGN_IN, "sign_in", asked, who=Who.ANYBODY),
    post(SIGN_IN, "signed_in", entered, who=Who.ANYBODY, body=Body.NONE),
    post("/dang-xuat", "sign_out", left, who=Who.ANYBODY),
    get("/lien-ket/{code}", "one_time_link", greeted, who=Who.ANYBODY),
    post("/lien-ket/{code}", "account_taken_up", taken_up, who=Who.ANYBODY),
)
