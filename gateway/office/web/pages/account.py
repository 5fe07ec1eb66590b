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
from gateway.office.accounts import credentials, posts, sessions
from gateway.office.accounts.credentials import NotTaken
from gateway.office.domain.roles import Delegation, Manner, Right
from gateway.office.domain.session import Factor, SignInDuty
from gateway.office.policy import signing_in
from gateway.office.web import dates
from gateway.office.web.door import FACTOR, PASSWORD, SIGN_IN, forget_session, keep_choice, keep_session
from gateway.office.web.forms import Problems
from gateway.office.web.routes import Access, Needs, both, get, post
from gateway.office.web.visits import COMFORTABLE, COMPACT, DENSITY, Visit, bell_choice
from gateway.trust import qr

_RULE_KEYS = ("length", "kinds", "words", "past")


def password_rules(visit: Visit) -> Sequence[str]:
    """Write one sentence for each rule, with this node's numbers."""
    numbers = visit.deps.accounts.rules.passwords
    params = {"least": numbers.least, "remembered": numbers.remembered}
    sentences = [visit.say(f"new_password.{rule}", **params) for rule in _RULE_KEYS]
    if numbers.age is not None:
        sentences.append(visit.say("new_password.age", days=numbers.age.days))
    return sentences


def typed_twice(visit: Visit) -> Problems:
    """List the problems of the two fields themselves."""
    if visit.form.text("new") != visit.form.text("again"):
        return [("again", visit.say("new_password.differ"))]
    return []


def password_problems(visit: Visit, error: NotTaken) -> Problems:
    least = visit.deps.accounts.rules.passwords.least
    return [("new", visit.say(f"password.{fault}", least=least)) for fault in error.faults]


HOME = "/tai-khoan"
_LOCKS = ("seen", "password", "device")


async def show_account(visit: Visit) -> web.StreamResponse:
    desk, acting = visit.deps.accounts, visit.person
    numbers, changed_at = desk.rules.passwords, acting.person.password_at
    has_factor = acting.session.factor is not Factor.NONE
    return await visit.page(
        "account/home.html",
        title=visit.say("page.account"),
        person=acting.person,
        posts=[p for p in acting.rights.posts if p.holds(acting.at)],
        names={a.id: a.name for a in visit.agencies},
        mailboxes=await posts.own_mailboxes(desk, acting),
        days=signing_in.password_days_left(changed_at, numbers, acting.at) if changed_at else None,
        has_factor=has_factor,
        codes=await credentials.recovery_codes_left(desk, acting) if has_factor else 0,
        sessions=await sessions.open_of(desk, acting.person),
        bell_kinds=await bell_choice(visit),
    )


async def end_session(visit: Visit) -> web.StreamResponse:
    await sessions.end_one(visit.deps.accounts, visit.person, visit.path("id"))
    return visit.confirm(HOME, "account.session_ended")


async def sign_out_everywhere(visit: Visit) -> web.StreamResponse:
    await sessions.end_everywhere(visit.deps.accounts, visit.person.person)
    return forget_session(visit.confirm(SIGN_IN, "account.left_everywhere"), visit.request)


async def lock_account(visit: Visit) -> web.StreamResponse:
    """Lock the own account; the reason is kept in the language of the office."""
    if not visit.is_act:
        reasons = [(key, visit.say(f"account.lock.{key}")) for key in _LOCKS]
        words = ("account.lock", "", "account.lock")
        return await _ask(visit, None, *words, which="lock", grave=True, reasons=reasons)
    reason_key = visit.form.text("reason")
    reason = f"account.lock.{reason_key if reason_key in _LOCKS else _LOCKS[0]}.kept"
    await credentials.lock_own_account(visit.deps.accounts, visit.person, visit.say(reason))
    return forget_session(visit.confirm(SIGN_IN, "account.locked"), visit.request)


async def switch_keys(visit: Visit) -> web.StreamResponse:
    choice = "off" if visit.form.text("keys") == "off" else "on"
    return keep_choice(visit.confirm(HOME, f"account.keys.{choice}"), visit.request, "gw_keys", choice)


async def choose_density(visit: Visit) -> web.StreamResponse:
    choice = COMPACT if visit.form.text("density") == COMPACT else COMFORTABLE
    return keep_choice(visit.confirm(HOME, f"account.density.{choice}"), visit.request, DENSITY, choice)


_ask = partial(Visit.question, back=HOME, part="account/_questions.html", look="enter")


CODES = "/tai-khoan/ma-khoi-phuc"
_SECRET = re.compile(r"[A-Z2-7]{16,64}")
_WRONG = frozenset({"GW-SIGN-IN", "GW-LOCKED", "GW-SLOW-DOWN"})


async def change_password(visit: Visit) -> web.StreamResponse:
    old, new = visit.form.text("old"), visit.form.text("new")
    words = ("account.password.change", "", "account.password.change")
    is_due, rules = SignInDuty.CHANGE_PASSWORD in visit.person.duties, password_rules(visit)

    async def repeat(problems: Problems) -> web.Response:
        return await _ask(visit, problems, *words, which="password", owed=is_due, rules=rules)

    if (problems := typed_twice(visit)) or not visit.is_act:
        return await repeat(problems)
    try:
        token = await credentials.change_password(visit.deps.accounts, visit.person, old, new, visit.origin)
    except NotTaken as error:
        return await repeat(password_problems(visit, error))
    except Denied as error:
        return await repeat(_proof_problems(visit, error, "old"))
    return keep_session(visit.confirm(HOME, "account.password_changed"), visit.request, token)


async def set_up_factor(visit: Visit) -> web.StreamResponse:
    desk, totp = visit.deps.accounts, visit.form.text("totp")
    if not visit.is_act:
        return await _factor_page(visit, credentials.begin_factor(desk, visit.person)[0])
    if _SECRET.fullmatch(totp) is None:
        raise BadForm("this is no secret of a second factor")
    proof = visit.form.text("password"), totp, visit.form.text("first")
    try:
        token, codes = await credentials.set_up_factor(desk, visit.person, *proof, visit.origin)
    except Clash as error:
        return await _factor_page(visit, totp, [("first", visit.why(error))])
    except Denied as error:
        return await _factor_page(visit, totp, _proof_problems(visit, error, "password"))
    new_visit = replace(visit, token=token)
    return keep_session(await _codes_page(new_visit, codes, "account.factor.done"), visit.request, token)


async def make_codes(visit: Visit) -> web.StreamResponse:
    words = ("account.codes.new", "account.codes.lead", "account.codes.new")
    if not visit.is_act:
        return await _ask(visit, None, *words, which="codes")
    try:
        codes = await credentials.new_recovery_codes(
            visit.deps.accounts, visit.person, visit.form.text("password"), visit.origin
        )
    except Denied as error:
        return await _ask(visit, _proof_problems(visit, error, "password"), *words, which="codes")
    return await _codes_page(visit, codes, "account.codes.done")


async def _factor_page(visit: Visit, totp: str, problems: Problems | None = None) -> web.Response:
    desk, person = visit.deps.accounts, visit.person.person
    address = desk.secrets.uri(totp, person.login or person.name)
    return await visit.form_page(
        "account/factor.html",
        problems,
        title=visit.say("account.factor.set_up"),
        owed=SignInDuty.SET_UP_FACTOR in visit.person.duties,
        has_factor=visit.person.session.factor is not Factor.NONE,
        totp=totp,
        spelled=" ".join(totp[n : n + 4] for n in range(0, len(totp), 4)),
        address=address,
        drawing=qr.path(address),
    )


async def _codes_page(visit: Visit, codes: tuple[str, ...], title: str) -> web.Response:
    return await visit.page("account/codes.html", title=visit.say(title), codes=codes)


def _proof_problems(visit: Visit, error: Denied, field: str) -> Problems:
    """Report a wrong password at its field; every other denial is a page of its own."""
    if error.code not in _WRONG:
        raise error
    sentence = visit.say("account.password.wrong") if error.code == "GW-SIGN-IN" else visit.why(error)
    return [(field, sentence)]


LENDING = "/tai-khoan/uy-quyen"
_LENDS = (Needs(right=Right.DELEGATE),)
_APPROVES = (Needs(right=Right.APPROVE_DELEGATION),)
_DELEGATION_FIELDS = {
    "GW-DELEGATE-SELF": "to",
    "GW-DELEGATE-PERIOD": "until",
    "GW-DELEGATE-SCOPE": "rights",
    "GW-DELEGATE-ACT": "act",
}


async def list_delegations(visit: Visit) -> web.StreamResponse:
    delegations = await posts.delegations_seen(visit.deps.accounts, visit.person)
    may_approve = visit.may(Right.APPROVE_DELEGATION)
    return await visit.page(
        "account/delegations.html",
        title=visit.say("lending.title"),
        rows=[(d, delegation_state(d, visit.person.at)) for d in delegations],
        names=await posts.names_in_delegations(visit.deps.accounts, delegations),
        may_make=visit.may(Right.DELEGATE),
        may_approve={d.id for d in delegations if may_approve and d.from_id != visit.person.person.id},
        may_end={d.id for d in delegations if _may_end_delegation(visit, d)},
    )


async def make_delegation(visit: Visit) -> web.StreamResponse:
    form, today = visit.form, local(visit.person.at).date()
    starts, ends = dates.typed_day(form.text("from"), today), dates.typed_day(form.text("until"), today)
    problems = _missing_in_delegation(visit, starts, ends)
    if starts is None or ends is None or problems:
        return await ask_delegation(visit, problems)
    wish = posts.WantedDelegation(
        to_login=form.text("to"),
        rights=[right for right in Right if right in form.all("rights")],
        starts_at=max(dates.midnight(starts), visit.person.at),
        ends_at=dates.midnight(ends + timedelta(days=1)),
        reason=form.text("reason"),
        act_number=form.text("act"),
    )
    try:
        await posts.delegate(visit.deps.accounts, visit.person, wish)
    except (Clash, Denied, NotFound) as error:
        if isinstance(error, Denied) and error.code not in _DELEGATION_FIELDS:
            raise
        return await ask_delegation(visit, [(_DELEGATION_FIELDS.get(error.code, "to"), visit.why(error))])
    return visit.confirm(LENDING, "lending.made")


async def approve_delegation(visit: Visit) -> web.StreamResponse:
    if not visit.is_act:
        return await _delegation_page(visit, "approve")
    await posts.approve_delegation(visit.deps.accounts, visit.person, visit.path("id"))
    return visit.confirm(LENDING, "lending.approved")


async def end_delegation(visit: Visit) -> web.StreamResponse:
    if not visit.is_act:
        return await _delegation_page(visit, "end", grave=True)
    await _load_delegation(visit)
    await posts.end_delegation(visit.deps.accounts, visit.person, visit.path("id"))
    return visit.confirm(LENDING, "lending.ended")


async def _delegation_page(visit: Visit, act: str, *, grave: bool = False) -> web.Response:
    delegation = await _load_delegation(visit)
    names = await posts.names_in_delegations(visit.deps.accounts, [delegation])
    return await _ask(
        visit,
        None,
        f"lending.{act}.title",
        f"lending.{act}.means",
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


async def ask_delegation(visit: Visit, problems: Problems | None = None) -> web.Response:
    desk, form = visit.deps.accounts, visit.form
    people = await posts.possible_borrowers(desk, visit.person)
    return await visit.form_page(
        "account/delegate.html",
        problems,
        title=visit.say("lending.new"),
        people=[
            ("", visit.say("lending.choose")),
            *((person.login or person.name, person.name) for person in people),
        ],
        rights=posts.lendable_rights(visit.person),
        ticked=set(form.all("rights")),
        is_head=visit.may(Right.DELEGATE, Manner.RECORDED),
        values=form.flat(),
    )


def _missing_in_delegation(visit: Visit, starts: date | None, ends: date | None) -> list[tuple[str, str]]:
    form = visit.form
    problems = [
        (name, visit.say("lending.day_unreadable"))
        for name, day in (("from", starts), ("until", ends))
        if day is None
    ]
    if not form.text("to"):
        problems.append(visit.missing("to", "lending.to"))
    if not form.all("rights"):
        problems.append(visit.missing("rights", "lending.scope"))
    return problems + visit.short_reason()


async def _load_delegation(visit: Visit) -> Delegation:
    """Load a delegation that the person may see. Raise NotFound for any other."""
    delegations = await posts.delegations_seen(visit.deps.accounts, visit.person)
    delegation = next((d for d in delegations if d.id == visit.path("id")), None)
    if delegation is None:
        raise NotFound("there is no such delegation")
    return delegation


def _may_end_delegation(visit: Visit, delegation: Delegation) -> bool:
    if delegation.ended_at is not None or visit.person.at >= delegation.ends_at:
        return False
    is_party = visit.person.person.id in (delegation.from_id, delegation.to_id)
    return is_party or visit.may(Right.APPROVE_DELEGATION) or visit.may(Right.ACCOUNTS)


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
