"""What an administrator does to one account: lock, suspend, withdraw, open; a new one-time link; posts given and taken;
tries forgiven, sessions ended, a new password asked for. Each act says first what will happen, and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from gateway.domain.person import Standing
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, NotFound
from gateway.office.accounts import admin, looking, posts
from gateway.office.accounts.acting import refused
from gateway.office.accounts.posts import Wanted
from gateway.office.domain.post import NODE, PostRole
from gateway.office.domain.right import Right
from gateway.office.web import dates
from gateway.office.web.failing import of_error
from gateway.office.web.frame import ADMINISTERS
from gateway.office.web.pages.administration import accounts, place
from gateway.office.web.pages.administration.place import HOME
from gateway.office.web.routes import Who, get, post
from gateway.office.web.visit import Visit

_ONE = f"{HOME}/tai-khoan/{{id}}"
_LEAST_REASON = 10
# T17: so many days after the decision the withdrawal is asked for at the latest.
_LEAVER_DAYS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that can be done with an account as a whole. `standing` needs a reason."""

    key: str
    standing: Standing | None = None
    grave: bool = False


ACTS: Mapping[str, Act] = {
    "khoa": Act(key="lock", standing=Standing.LOCKED, grave=True),
    "tam-dung": Act(key="suspend", standing=Standing.SUSPENDED, grave=True),
    "thu-hoi": Act(key="withdraw", standing=Standing.WITHDRAWN, grave=True),
    "mo-lai": Act(key="open", standing=Standing.ACTIVE),
    "duong-dan": Act(key="link"),
    "thu-lai": Act(key="unlock"),
    "dang-xuat": Act(key="sign_out"),
    "doi-mat-khau": Act(key="must_change"),
}
_PATTERN = "|".join(ACTS)


async def asked(visit: Visit) -> web.StreamResponse:
    return await _form(visit, [])


async def done(visit: Visit) -> web.StreamResponse:
    act, person = ACTS[visit.path("act")], await accounts.seen_person(visit)
    desk, by, name = visit.deps.accounts, place.by(visit), accounts.name_of(person)
    if act.standing is not None:
        return await _stand(visit, act.standing, name)
    match act.key:
        case "link":
            return await accounts.link_page(visit, *await admin.link(desk, by, name))
        case "unlock":
            await admin.unlock(desk, by, name)
        case "sign_out":
            await admin.sign_out(desk, by, name)
        case _:
            await admin.must_change(desk, by, name)
    return visit.said(accounts.path_of(person), f"admin.{act.key}")


async def post_asked(visit: Visit) -> web.StreamResponse:
    return await _post_form(visit, [])


async def post_given(visit: Visit) -> web.StreamResponse:
    person = await accounts.seen_person(visit)
    wanted, problems = await accounts.post_of_form(visit)
    if wanted is None:
        return await _post_form(visit, problems)
    try:
        await posts.give(visit.deps.accounts, place.by(visit), accounts.name_of(person), wanted)
    except Clash as why:
        return await _post_form(visit, [("role", of_error(why, visit.lang).title)])
    return visit.said(accounts.path_of(person), "admin.post_given")


async def take_asked(visit: Visit) -> web.StreamResponse:
    person = await accounts.seen_person(visit)
    wanted = await _named_post(visit, visit.ask("vai-tro"), visit.ask("co-quan"))
    names = await accounts.agency_names(visit)
    return await visit.page(
        "admin/take_post.html",
        title=visit.say("admin.post.take"),
        person=person,
        role=wanted.role,
        place=names[wanted.agency_id],
        key=visit.ask("co-quan"),
        back=accounts.path_of(person),
    )


async def taken(visit: Visit) -> web.StreamResponse:
    person = await accounts.seen_person(visit)
    wanted = await _named_post(visit, visit.form.text("role"), visit.form.text("place"))
    name = accounts.name_of(person)
    await posts.take(visit.deps.accounts, place.by(visit), name, wanted.role, wanted.agency_id)
    # Whoever had the last post here is not seen from here any more.
    try:
        await accounts.seen_person(visit)
    except NotFound:
        return visit.said(HOME, "admin.post_taken")
    return visit.said(accounts.path_of(person), "admin.post_taken")


async def _stand(visit: Visit, standing: Standing, name: str) -> web.StreamResponse:
    reason, decided = visit.form.text("reason"), visit.form.text("decided")
    problems = [] if len(reason) >= _LEAST_REASON else [("reason", visit.say("form.reason.short"))]
    if decided:
        today = local(visit.person.at).date()
        day = dates.day(decided, today)
        if day is None or day > today:
            problems.append(("decided", visit.say("admin.decided.wrong")))
        else:
            late = "admin.decided.late" if (today - day).days > _LEAVER_DAYS else "admin.decided.kept"
            reason = f"{reason} {visit.say(late, day=day.strftime('%d/%m/%Y'))}"
    if problems:
        return await _form(visit, problems)
    try:
        person = await admin.stand(visit.deps.accounts, place.by(visit), name, standing, reason)
    except Clash as why:
        return await _form(visit, [("reason", of_error(why, visit.lang).title)])
    return visit.said(accounts.path_of(person), f"admin.stands.{standing}")


async def _form(visit: Visit, problems: list[tuple[str, str]]) -> web.Response:
    act = ACTS[visit.path("act")]
    seen = await looking.one(visit.deps.accounts, place.by(visit), visit.path("id"))
    person = seen.person
    if person.id == visit.person.person.id:
        raise Denied("nobody changes the own account in this way", code="GW-OWN-RIGHTS")
    if not seen.is_ours:
        raise refused(Right.ACCOUNTS)
    return await visit.page(
        "admin/act.html",
        422 if problems else 200,
        title=visit.say(f"admin.{act.key}.title"),
        act=act,
        person=person,
        values=visit.form.flat(),
        problems=problems,
        back=accounts.path_of(person),
    )


async def _post_form(visit: Visit, problems: list[tuple[str, str]]) -> web.Response:
    person = await accounts.seen_person(visit)
    return await visit.page(
        "admin/give_post.html",
        422 if problems else 200,
        title=visit.say("admin.post.give"),
        person=person,
        values=visit.form.flat(),
        problems=problems,
        back=accounts.path_of(person),
        **await accounts.post_choice(visit),
    )


async def _named_post(visit: Visit, role: str, key: str) -> Wanted:
    found = next((each for each in PostRole if each == role), None)
    if found is None:
        raise NotFound("there is no such post")
    if found.is_of_node:
        return Wanted(role=found)
    chosen = place.chosen(visit, await place.open_to(visit, together=False), key)
    return Wanted(role=found, agency_id=chosen.agency_id or NODE)


_AT = {"who": Who.READY, "needs": ADMINISTERS, "key": "administration"}
ROUTES = (
    get(f"{_ONE}/vai-tro", "account_post", post_asked, **_AT),
    post(f"{_ONE}/vai-tro", "account_post_given", post_given, **_AT),
    get(f"{_ONE}/thoi-vai-tro", "account_post_take", take_asked, **_AT),
    post(f"{_ONE}/thoi-vai-tro", "account_post_taken", taken, **_AT),
    get(f"{_ONE}/{{act:{_PATTERN}}}", "account_act", asked, **_AT),
    post(f"{_ONE}/{{act:{_PATTERN}}}", "account_act_done", done, **_AT),
)
