"""The own account: its data, its sessions, the choices about pages; its credentials: a new password, a second factor on a
device, recovery codes; and the lock that a person puts on it. Each act on credentials asks for the password once more;
recovery codes are shown once, on the answer itself, and never again. Pages name the rules of a new password beforehand, and
every fault at once afterwards; the flows decide. And delegations, R95 (delegation of rights): the rights that one person
lends another, their period, and who agreed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial

from aiohttp import web

from gateway.domain.wall_clock import local
from gateway.errors import BadForm, Clash, Denied, NotFound
from gateway.trust import qr
from gateway_office.accounts import credentials, posts, sessions
from gateway_office.accounts.credentials import PasswordRefused
from gateway_office.domain.device import name_device
from gateway_office.domain.roles import Delegation, Manner, Right
from gateway_office.domain.session import Factor, SignInDuty
from gateway_office.policy import signing_in
from gateway_office.web import dates
from gateway_office.web.forms import Problems
from gateway_office.web.frame import COMFORTABLE, COMPACT, DENSITY
from gateway_office.web.notification_menu import bell_choice
from gateway_office.web.page_handling import (
    FACTOR,
    PASSWORD,
    SIGN_IN,
    forget_session,
    keep_choice,
    keep_session,
)
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.routes import Access, Needs, both, get, post

_RULE_KEYS = ("length", "kinds", "words", "past")
HOME = "/tai-khoan"
_LOCKS = ("seen", "password", "device")
_ask = partial(PageRequest.question, back=HOME, part="account/_questions.html", look="enter")
CODES = "/tai-khoan/ma-khoi-phuc"
_SECRET = re.compile(r"[A-Z2-7]{16,64}")
_WRONG = frozenset({"GW-SIGN-IN", "GW-LOCKED", "GW-SLOW-DOWN"})
LENDING = "/tai-khoan/uy-quyen"
_LENDS = (Needs(right=Right.DELEGATE),)
_APPROVES = (Needs(right=Right.APPROVE_DELEGATION),)
_DELEGATION_FIELDS = {
    "GW-DELEGATE-SELF": "to",
    "GW-DELEGATE-PERIOD": "until",
    "GW-DELEGATE-SCOPE": "rights",
    "GW-DELEGATE-ACT": "act",
}


def password_rules(request: PageRequest) -> Sequence[str]:
    """Write one sentence for each rule, with this node's numbers."""
    numbers = request.deps.accounts.rules.passwords
    params = {"least": numbers.least, "remembered": numbers.remembered}
    sentences = [request.say(f"new_password.{rule}", **params) for rule in _RULE_KEYS]
    if numbers.age is not None:
        sentences.append(request.say("new_password.age", days=numbers.age.days))
    return sentences


def typed_twice(request: PageRequest) -> Problems:
    """List the problems of the two fields themselves."""
    if request.form.text("new") != request.form.text("again"):
        return [("again", request.say("new_password.differ"))]
    return []


def password_problems(request: PageRequest, error: PasswordRefused) -> Problems:
    least = request.deps.accounts.rules.passwords.least
    return [("new", request.say(f"password.{fault}", least=least)) for fault in error.faults]


async def show_account(request: PageRequest) -> web.StreamResponse:
    services, acting = request.deps.accounts, request.person
    numbers, changed_at = services.rules.passwords, acting.person.password_at
    has_factor = acting.session.factor is not Factor.NONE
    return await request.page(
        "account/home.html",
        title=request.say("page.account"),
        person=acting.person,
        posts=[p for p in acting.rights.posts if p.holds(acting.at)],
        names={a.id: a.name for a in request.agencies},
        mailboxes=await posts.own_mailboxes(services, acting),
        days=signing_in.password_days_left(changed_at, numbers, acting.at) if changed_at else None,
        has_factor=has_factor,
        codes=await credentials.recovery_codes_left(services, acting) if has_factor else 0,
        sessions=[(s, name_device(s.agent)) for s in await sessions.open_of(services, acting.person)],
        bell_kinds=await bell_choice(request),
    )


async def end_session(request: PageRequest) -> web.StreamResponse:
    await sessions.end_one(request.deps.accounts, request.person, request.path("id"))
    return request.confirm(HOME, "account.session_ended")


async def sign_out_everywhere(request: PageRequest) -> web.StreamResponse:
    await sessions.end_everywhere(request.deps.accounts, request.person.person)
    return forget_session(request.confirm(SIGN_IN, "account.left_everywhere"), request.http)


async def lock_account(request: PageRequest) -> web.StreamResponse:
    """Lock the own account; the reason is kept in the language of the office."""
    if not request.is_act:
        reasons = [(key, request.say(f"account.lock.{key}")) for key in _LOCKS]
        words = ("account.lock", "", "account.lock")
        return await _ask(request, None, *words, which="lock", grave=True, reasons=reasons)
    reason_key = request.form.text("reason")
    reason = f"account.lock.{reason_key if reason_key in _LOCKS else _LOCKS[0]}.kept"
    await credentials.lock_own_account(request.deps.accounts, request.person, request.say(reason))
    return forget_session(request.confirm(SIGN_IN, "account.locked"), request.http)


async def switch_keys(request: PageRequest) -> web.StreamResponse:
    choice = "off" if request.form.text("keys") == "off" else "on"
    return keep_choice(request.confirm(HOME, f"account.keys.{choice}"), request.http, "gw_keys", choice)


async def choose_density(request: PageRequest) -> web.StreamResponse:
    choice = COMPACT if request.form.text("density") == COMPACT else COMFORTABLE
    return keep_choice(request.confirm(HOME, f"account.density.{choice}"), request.http, DENSITY, choice)


async def change_password(request: PageRequest) -> web.StreamResponse:
    old, new = request.form.text("old"), request.form.text("new")
    is_due, rules = SignInDuty.CHANGE_PASSWORD in request.person.duties, password_rules(request)

    async def repeat(problems: Problems) -> web.Response:
        words = "account.password.change"
        return await _ask(request, problems, words, which="password", owed=is_due, rules=rules)

    if (problems := typed_twice(request)) or not request.is_act:
        return await repeat(problems)
    try:
        token = await credentials.change_password(
            request.deps.accounts, request.person, old, new, request.origin
        )
    except PasswordRefused as error:
        return await repeat(password_problems(request, error))
    except Denied as error:
        return await repeat(_proof_problems(request, error, "old"))
    return keep_session(request.confirm(HOME, "account.password_changed"), request.http, token)


async def set_up_factor(request: PageRequest) -> web.StreamResponse:
    services, totp = request.deps.accounts, request.form.text("totp")
    if not request.is_act:
        return await _factor_page(request, credentials.begin_factor(services, request.person)[0])
    if _SECRET.fullmatch(totp) is None:
        raise BadForm("this is no secret of a second factor")
    proof = request.form.text("password"), totp, request.form.text("first")
    try:
        token, codes = await credentials.set_up_factor(services, request.person, *proof, request.origin)
    except Clash as error:
        return await _factor_page(request, totp, [("first", request.why(error))])
    except Denied as error:
        return await _factor_page(request, totp, _proof_problems(request, error, "password"))
    new_visit = replace(request, token=token)
    return keep_session(await _codes_page(new_visit, codes, "account.factor.done"), request.http, token)


async def make_codes(request: PageRequest) -> web.StreamResponse:
    words = ("account.codes.new", "account.codes.lead", "account.codes.new")
    if not request.is_act:
        return await _ask(request, None, *words, which="codes")
    try:
        codes = await credentials.new_recovery_codes(
            request.deps.accounts, request.person, request.form.text("password"), request.origin
        )
    except Denied as error:
        return await _ask(request, _proof_problems(request, error, "password"), *words, which="codes")
    return await _codes_page(request, codes, "account.codes.done")


async def _factor_page(request: PageRequest, totp: str, problems: Problems | None = None) -> web.Response:
    services, person = request.deps.accounts, request.person.person
    address = services.secrets.uri(totp, person.login or person.name)
    return await request.form_page(
        "account/factor.html",
        problems,
        title=request.say("account.factor.set_up"),
        owed=SignInDuty.SET_UP_FACTOR in request.person.duties,
        has_factor=request.person.session.factor is not Factor.NONE,
        totp=totp,
        spelled=" ".join(totp[n : n + 4] for n in range(0, len(totp), 4)),
        address=address,
        drawing=qr.path(address),
    )


async def _codes_page(request: PageRequest, codes: tuple[str, ...], title: str) -> web.Response:
    return await request.page("account/codes.html", title=request.say(title), codes=codes)


def _proof_problems(request: PageRequest, error: Denied, field: str) -> Problems:
    """Report a wrong password at its field; every other denial is a page of its own."""
    if error.code not in _WRONG:
        raise error
    sentence = request.say("account.password.wrong") if error.code == "GW-SIGN-IN" else request.why(error)
    return [(field, sentence)]


async def list_delegations(request: PageRequest) -> web.StreamResponse:
    delegations = await posts.list_delegations(request.deps.accounts, request.person)
    may_approve = request.may(Right.APPROVE_DELEGATION)
    return await request.page(
        "account/delegations.html",
        title=request.say("lending.title"),
        rows=[(d, delegation_state(d, request.person.at)) for d in delegations],
        names=await posts.names_in_delegations(request.deps.accounts, delegations),
        may_make=request.may(Right.DELEGATE),
        may_approve={d.id for d in delegations if may_approve and d.from_id != request.person.person.id},
        may_end={d.id for d in delegations if _may_end_delegation(request, d)},
    )


async def make_delegation(request: PageRequest) -> web.StreamResponse:
    form, today = request.form, local(request.person.at).date()
    starts, ends = dates.typed_day(form.text("from"), today), dates.typed_day(form.text("until"), today)
    problems = _missing_in_delegation(request, starts, ends)
    if starts is None or ends is None or problems:
        return await ask_delegation(request, problems)
    wish = posts.WantedDelegation(
        to_login=form.text("to"),
        rights=[right for right in Right if right in form.all("rights")],
        starts_at=max(dates.midnight(starts), request.person.at),
        ends_at=dates.midnight(ends + timedelta(days=1)),
        reason=form.text("reason"),
        act_number=form.text("act"),
    )
    try:
        await posts.delegate(request.deps.accounts, request.person, wish)
    except (Clash, Denied, NotFound) as error:
        if isinstance(error, Denied) and error.code not in _DELEGATION_FIELDS:
            raise
        return await ask_delegation(request, [(_DELEGATION_FIELDS.get(error.code, "to"), request.why(error))])
    return request.confirm(LENDING, "lending.made")


async def approve_delegation(request: PageRequest) -> web.StreamResponse:
    if not request.is_act:
        return await _delegation_page(request, "approve")
    await posts.approve_delegation(request.deps.accounts, request.person, request.path("id"))
    return request.confirm(LENDING, "lending.approved")


async def end_delegation(request: PageRequest) -> web.StreamResponse:
    if not request.is_act:
        return await _delegation_page(request, "end", grave=True)
    await _load_delegation(request)
    await posts.end_delegation(request.deps.accounts, request.person, request.path("id"))
    return request.confirm(LENDING, "lending.ended")


async def _delegation_page(request: PageRequest, act: str, *, grave: bool = False) -> web.Response:
    delegation = await _load_delegation(request)
    names = await posts.names_in_delegations(request.deps.accounts, [delegation])
    return await _ask(
        request,
        None,
        f"lending.{act}",
        back=LENDING,
        which="delegation",
        look="",
        grave=grave,
        one=delegation,
        giver=names.get(delegation.from_id, ""),
        taker=names.get(delegation.to_id, ""),
    )


def delegation_state(delegation: Delegation, now: datetime) -> str:
    """Return its state, as a word of the labels."""
    if delegation.ended_at is not None:
        return "ended"
    if now >= delegation.ends_at:
        return "over"
    if not delegation.is_agreed:
        return "waiting"
    return "in_force" if delegation.holds(now) else "agreed"


async def ask_delegation(request: PageRequest, problems: Problems | None = None) -> web.Response:
    services, form = request.deps.accounts, request.form
    people = await posts.possible_borrowers(services, request.person)
    return await request.form_page(
        "account/delegate.html",
        problems,
        title=request.say("lending.new"),
        people=[
            ("", request.say("lending.choose")),
            *((person.login or person.name, person.name) for person in people),
        ],
        rights=posts.lendable_rights(request.person),
        ticked=set(form.all("rights")),
        is_head=request.may(Right.DELEGATE, Manner.RECORDED),
        values=form.flat(),
    )


def _missing_in_delegation(
    request: PageRequest, starts: date | None, ends: date | None
) -> list[tuple[str, str]]:
    form = request.form
    problems = [
        (name, request.say("lending.day_unreadable"))
        for name, day in (("from", starts), ("until", ends))
        if day is None
    ]
    if not form.text("to"):
        problems.append(request.missing("to", "lending.to"))
    if not form.all("rights"):
        problems.append(request.missing("rights", "lending.scope"))
    return problems + request.short_reason()


async def _load_delegation(request: PageRequest) -> Delegation:
    """Load a delegation that the person may see. Raise NotFound for any other."""
    delegations = await posts.list_delegations(request.deps.accounts, request.person)
    delegation = next((d for d in delegations if d.id == request.path("id")), None)
    if delegation is None:
        raise NotFound("there is no such delegation")
    return delegation


def _may_end_delegation(request: PageRequest, delegation: Delegation) -> bool:
    if delegation.ended_at is not None or request.person.at >= delegation.ends_at:
        return False
    is_party = request.person.person.id in (delegation.from_id, delegation.to_id)
    return is_party or request.may(Right.APPROVE_DELEGATION) or request.may(Right.ACCOUNTS)


ROUTES = (
    get(HOME, "account", show_account, access=Access.READY),
    post("/tai-khoan/phien/{id}/ket-thuc", "session_end", end_session, access=Access.READY),
    post("/tai-khoan/dang-xuat-moi-noi", "sign_out_everywhere", sign_out_everywhere, access=Access.PERSON),
    *both("/tai-khoan/khoa", "account_lock", "account_locked", lock_account, access=Access.PERSON),
    post("/tai-khoan/phim", "account_keys", switch_keys, access=Access.READY),
    post("/tai-khoan/mat-do", "account_density", choose_density, access=Access.READY),
    *both(PASSWORD, "password", "password_change", change_password, access=Access.PERSON),
    *both(FACTOR, "factor", "factor_set_up", set_up_factor, access=Access.PERSON),
    *both(CODES, "recovery_codes", "recovery_codes_made", make_codes, access=Access.READY),
    get(LENDING, "delegations", list_delegations),
    get(f"{LENDING}/moi", "delegation_new", ask_delegation, needs=_LENDS),
    post(f"{LENDING}/moi", "delegation_made", make_delegation, needs=_LENDS),
    *both(
        f"{LENDING}/{{id}}/phe-duyet",
        "delegation_approve",
        "delegation_approved",
        approve_delegation,
        needs=_APPROVES,
    ),
    *both(f"{LENDING}/{{id}}/ket-thuc", "delegation_end", "delegation_ended", end_delegation),
)
