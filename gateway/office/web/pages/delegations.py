"""Delegations (R95): what one person lends another, from when to when, and who agreed. In: the delegations of the
agency, all for heads and administrators, one's own for everybody else. Out: the list, a new one, approved or ended ones."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial

from aiohttp import web

from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, NotFound
from gateway.office.accounts import posts
from gateway.office.domain.roles import Delegation, Manner, Right
from gateway.office.web import dates
from gateway.office.web.forms import Problems
from gateway.office.web.routes import Needs, get, post
from gateway.office.web.visits import Visit, where

HOME = "/tai-khoan/uy-quyen"
_LENDS = (Needs(right=Right.DELEGATE),)
_APPROVES = (Needs(right=Right.APPROVE_DELEGATION),)
_FIELDS = {
    "GW-DELEGATE-SELF": "to",
    "GW-DELEGATE-PERIOD": "until",
    "GW-DELEGATE-SCOPE": "rights",
    "GW-DELEGATE-ACT": "act",
}


async def listed(visit: Visit) -> web.StreamResponse:
    found = await posts.delegations_seen(visit.deps.accounts, visit.person)
    approves = visit.may(Right.APPROVE_DELEGATION)
    return await visit.page(
        "account/delegations.html",
        title=visit.say("lending.title"),
        rows=[(each, state(each, visit.person.at)) for each in found],
        names=await posts.names_in_delegations(visit.deps.accounts, found),
        may_make=visit.may(Right.DELEGATE),
        may_approve={each.id for each in found if approves and each.from_id != visit.person.person.id},
        may_end={each.id for each in found if _may_end(visit, each)},
    )


async def made(visit: Visit) -> web.StreamResponse:
    form, today = visit.form, local(visit.person.at).date()
    starts, ends = dates.typed_day(form.text("from"), today), dates.typed_day(form.text("until"), today)
    problems = _missing(visit, starts, ends)
    if starts is None or ends is None or problems:
        return await asked(visit, problems)
    wanted = posts.WantedDelegation(
        to_login=form.text("to"),
        rights=[each for each in Right if each in form.all("rights")],
        starts_at=max(dates.midnight(starts), visit.person.at),
        ends_at=dates.midnight(ends + timedelta(days=1)),
        reason=form.text("reason"),
        act_number=form.text("act"),
    )
    try:
        await posts.delegate(visit.deps.accounts, visit.person, wanted)
    except (Clash, Denied, NotFound) as why:
        if isinstance(why, Denied) and why.code not in _FIELDS:
            raise
        return await asked(visit, [(_FIELDS.get(why.code, "to"), visit.why(why))])
    return visit.said(HOME, "lending.made")


async def approved(visit: Visit) -> web.StreamResponse:
    await posts.approve_delegation(visit.deps.accounts, visit.person, visit.path("id"))
    return visit.said(HOME, "lending.approved")


async def ended(visit: Visit) -> web.StreamResponse:
    await _one(visit)
    await posts.end_delegation(visit.deps.accounts, visit.person, visit.path("id"))
    return visit.said(HOME, "lending.ended")


def state(one: Delegation, at: datetime) -> str:
    """How it stands, as a word of the labels."""
    if one.ended_at is not None:
        return "ended"
    if at >= one.ends_at:
        return "over"
    if not one.is_agreed:
        return "waiting"
    return "in_force" if one.holds(at) else "agreed"


async def asked(visit: Visit, problems: Problems | None = None) -> web.Response:
    desk, form = visit.deps.accounts, visit.form
    others = await posts.possible_borrowers(desk, visit.person)
    return await visit.form_page(
        "account/delegate.html",
        problems,
        title=visit.say("lending.new"),
        people=[
            ("", visit.say("lending.choose")),
            *((each.login or each.name, each.name) for each in others),
        ],
        rights=posts.lendable_rights(visit.person),
        ticked=set(form.all("rights")),
        is_head=visit.may(Right.DELEGATE, Manner.RECORDED),
        values=form.flat(),
    )


def _missing(visit: Visit, starts: date | None, ends: date | None) -> list[tuple[str, str]]:
    form = visit.form
    found = [
        (name, visit.say("lending.day_unreadable"))
        for name, day in (("from", starts), ("until", ends))
        if day is None
    ]
    if not form.text("to"):
        found.append(visit.missing("to", "lending.to"))
    if not form.all("rights"):
        found.append(visit.missing("rights", "lending.scope"))
    return found + visit.short_reason()


async def act_asked(visit: Visit, act: str) -> web.Response:
    one = await _one(visit)
    return await visit.page(
        "account/delegation_act.html",
        title=visit.say(f"lending.{act}.title"),
        act=act,
        one=one,
        names=await posts.names_in_delegations(visit.deps.accounts, [one]),
        path=where(visit.request.path),
    )


async def _one(visit: Visit) -> Delegation:
    """Of those that the person may see; NotFound for any other."""
    found = await posts.delegations_seen(visit.deps.accounts, visit.person)
    one = next((each for each in found if each.id == visit.path("id")), None)
    if one is None:
        raise NotFound("there is no such delegation")
    return one


def _may_end(visit: Visit, one: Delegation) -> bool:
    if one.ended_at is not None or visit.person.at >= one.ends_at:
        return False
    concerned = visit.person.person.id in (one.from_id, one.to_id)
    return concerned or visit.may(Right.APPROVE_DELEGATION) or visit.may(Right.ACCOUNTS)


ROUTES = (
    get(HOME, "delegations", listed),
    get(f"{HOME}/moi", "delegation_new", asked, needs=_LENDS),
    post(f"{HOME}/moi", "delegation_made", made, needs=_LENDS),
    get(f"{HOME}/{{id}}/phe-duyet", "delegation_approve", partial(act_asked, act="approve"), needs=_APPROVES),
    post(f"{HOME}/{{id}}/phe-duyet", "delegation_approved", approved, needs=_APPROVES),
    get(f"{HOME}/{{id}}/ket-thuc", "delegation_end", partial(act_asked, act="end")),
    post(f"{HOME}/{{id}}/ket-thuc", "delegation_ended", ended),
)
