"""What the own account signs in with: a new password, a second factor on the person's device, recovery codes. Each act asks
for the password once more; recovery codes are shown once, on the answer itself, and never again."""

from __future__ import annotations

import re
from dataclasses import replace

from aiohttp import web

from gateway.errors import BadForm, Clash, Denied
from gateway.office.accounts import password, second_factor
from gateway.office.accounts.password import NotTaken
from gateway.office.domain.session import Duty, Factor
from gateway.office.web import new_password
from gateway.office.web.cookies import keep_session
from gateway.office.web.door import FACTOR, PASSWORD
from gateway.office.web.failing import of_error
from gateway.office.web.pages.account import HOME
from gateway.office.web.routes import Who, get, post
from gateway.office.web.visit import Visit
from gateway.trust import qr

CODES = "/tai-khoan/ma-khoi-phuc"
_SECRET = re.compile(r"[A-Z2-7]{16,64}")
_WRONG = frozenset({"GW-SIGN-IN", "GW-LOCKED", "GW-SLOW-DOWN"})
_Problems = list[tuple[str, str]]


async def password_asked(visit: Visit) -> web.StreamResponse:
    return await _password(visit)


async def password_changed(visit: Visit) -> web.StreamResponse:
    if problems := new_password.typed_twice(visit):
        return await _password(visit, problems)
    old, new = visit.form.text("old"), visit.form.text("new")
    try:
        token = await password.change(visit.deps.accounts, visit.person, old, new, visit.origin)
    except NotTaken as why:
        return await _password(visit, new_password.faults(visit, why))
    except Denied as why:
        return await _password(visit, _not_proved(visit, why, "old"))
    return keep_session(visit.said(HOME, "account.password_changed"), visit.request, token)


async def factor_asked(visit: Visit) -> web.StreamResponse:
    totp, _ = second_factor.begin(visit.deps.accounts, visit.person)
    return await _factor(visit, totp)


async def factor_set_up(visit: Visit) -> web.StreamResponse:
    totp = visit.form.text("totp")
    if _SECRET.fullmatch(totp) is None:
        raise BadForm("this is no secret of a second factor")
    typed = visit.form.text("password"), totp, visit.form.text("first")
    try:
        token, codes = await second_factor.set_up(visit.deps.accounts, visit.person, *typed, visit.origin)
    except Clash as why:
        return await _factor(visit, totp, [("first", of_error(why, visit.lang).title)])
    except Denied as why:
        return await _factor(visit, totp, _not_proved(visit, why, "password"))
    renewed = replace(visit, token=token)
    return keep_session(await _codes(renewed, codes, "account.factor.done"), visit.request, token)


async def codes_asked(visit: Visit) -> web.StreamResponse:
    return await _codes_form(visit)


async def codes_made(visit: Visit) -> web.StreamResponse:
    try:
        codes = await second_factor.new_codes(
            visit.deps.accounts, visit.person, visit.form.text("password"), visit.origin
        )
    except Denied as why:
        return await _codes_form(visit, _not_proved(visit, why, "password"))
    return await _codes(visit, codes, "account.codes.done")


async def _password(visit: Visit, problems: _Problems | None = None) -> web.Response:
    return await visit.page(
        "account/password.html",
        422 if problems else 200,
        title=visit.say("account.password.change"),
        owed=Duty.CHANGE_PASSWORD in visit.person.duties,
        rules=new_password.rules(visit),
        problems=problems or [],
    )


async def _factor(visit: Visit, totp: str, problems: _Problems | None = None) -> web.Response:
    desk, person = visit.deps.accounts, visit.person.person
    address = desk.secrets.uri(totp, person.login or person.name)
    return await visit.page(
        "account/factor.html",
        422 if problems else 200,
        title=visit.say("account.factor.set_up"),
        owed=Duty.SET_UP_FACTOR in visit.person.duties,
        has_factor=visit.person.session.factor is not Factor.NONE,
        totp=totp,
        spelled=" ".join(totp[n : n + 4] for n in range(0, len(totp), 4)),
        address=address,
        drawing=qr.path(address),
        problems=problems or [],
    )


async def _codes_form(visit: Visit, problems: _Problems | None = None) -> web.Response:
    return await visit.page(
        "account/codes_form.html",
        422 if problems else 200,
        title=visit.say("account.codes.new"),
        problems=problems or [],
    )


async def _codes(visit: Visit, codes: tuple[str, ...], title: str) -> web.Response:
    return await visit.page("account/codes.html", title=visit.say(title), codes=codes)


def _not_proved(visit: Visit, why: Denied, field: str) -> _Problems:
    """The wrong password, said at its field; every other denial is a page of its own."""
    if why.code not in _WRONG:
        raise why
    wrong = visit.say("account.password.wrong") if why.code == "GW-SIGN-IN" else None
    return [(field, wrong or of_error(why, visit.lang).title)]


ROUTES = (
    get(PASSWORD, "password", password_asked, who=Who.PERSON),
    post(PASSWORD, "password_change", password_changed, who=Who.PERSON),
    get(FACTOR, "factor", factor_asked, who=Who.PERSON),
    post(FACTOR, "factor_set_up", factor_set_up, who=Who.PERSON),
    get(CODES, "recovery_codes", codes_asked, who=Who.READY),
    post(CODES, "recovery_codes_made", codes_made, who=Who.READY),
)
