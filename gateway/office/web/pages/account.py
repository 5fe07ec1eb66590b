"""The own account: who I am here, where I am signed in, how my pages behave; and the lock that I put on the account."""

from __future__ import annotations

from aiohttp import web

from gateway.office.accounts import mailboxes, password, second_factor, sessions
from gateway.office.domain.session import Factor
from gateway.office.policy import password_rules
from gateway.office.web.cookies import forget_session, keep
from gateway.office.web.door import SIGN_IN
from gateway.office.web.routes import Who, get, post
from gateway.office.web.visit import Visit

HOME = "/tai-khoan"
_LOCKS = ("seen", "password", "device")


async def shown(visit: Visit) -> web.StreamResponse:
    desk, acting = visit.deps.accounts, visit.person
    numbers, since = desk.rules.passwords, acting.person.password_at
    has_factor = acting.session.factor is not Factor.NONE
    return await visit.page(
        "account/home.html",
        title=visit.say("page.account"),
        person=acting.person,
        posts=[each for each in acting.rights.posts if each.holds(acting.at)],
        names={each.id: each.name for each in visit.agencies},
        mailboxes=await mailboxes.mine(desk, acting),
        days=password_rules.days_left(since, numbers, acting.at) if since else None,
        has_factor=has_factor,
        codes=await second_factor.codes_left(desk, acting) if has_factor else 0,
        sessions=await sessions.listed(desk, acting),
    )


async def session_ended(visit: Visit) -> web.StreamResponse:
    await sessions.end_one(visit.deps.accounts, visit.person, visit.path("id"))
    return visit.said(HOME, "account.session_ended")


async def left_everywhere(visit: Visit) -> web.StreamResponse:
    person = visit.person.person
    await sessions.end_everywhere(visit.deps.accounts, person.id, person)
    return forget_session(visit.said(SIGN_IN, "account.left_everywhere"), visit.request)


async def lock(visit: Visit) -> web.StreamResponse:
    reasons = [(each, visit.say(f"account.lock.{each}")) for each in _LOCKS]
    return await visit.page("account/lock.html", title=visit.say("account.lock"), reasons=reasons)


async def locked(visit: Visit) -> web.StreamResponse:
    """What is kept is the sentence, in the language of the office."""
    chosen = visit.form.text("reason")
    reason = f"account.lock.{chosen if chosen in _LOCKS else _LOCKS[0]}.kept"
    await password.lock_own(visit.deps.accounts, visit.person, visit.say(reason))
    return forget_session(visit.said(SIGN_IN, "account.locked"), visit.request)


async def keys(visit: Visit) -> web.StreamResponse:
    wanted = "off" if visit.form.text("keys") == "off" else "on"
    return keep(visit.said(HOME, f"account.keys.{wanted}"), visit.request, "gw_keys", wanted)


ROUTES = (
    get(HOME, "account", shown, who=Who.READY),
    post("/tai-khoan/phien/{id}/ket-thuc", "session_end", session_ended, who=Who.READY),
    post("/tai-khoan/dang-xuat-moi-noi", "sign_out_everywhere", left_everywhere, who=Who.PERSON),
    get("/tai-khoan/khoa", "account_lock", lock, who=Who.PERSON),
    post("/tai-khoan/khoa", "account_locked", locked, who=Who.PERSON),
    post("/tai-khoan/phim", "account_keys", keys, who=Who.READY),
)
