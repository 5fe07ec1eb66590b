"""Accounts and rights: the accounts of an agency, one account with its posts, sessions, limits and history, and a new one.
In: an administrator. Out: pages; the one-time link of a new account is shown once, on the answer itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta

from aiohttp import web

from gateway.domain.person import Person, Standing
from gateway.domain.text import fold
from gateway.domain.wall_clock import local
from gateway.errors import Clash, NotFound
from gateway.office.accounts import admin, looking
from gateway.office.accounts.looking import Line
from gateway.office.accounts.posts import Wanted
from gateway.office.domain.post import NODE, Post, PostRole
from gateway.office.policy import account_clocks, login_names
from gateway.office.policy.account_clocks import Runs
from gateway.office.web import dates
from gateway.office.web.failing import of_error
from gateway.office.web.frame import ADMINISTERS
from gateway.office.web.pages.administration import place
from gateway.office.web.pages.administration.place import HOME
from gateway.office.web.routes import Who, get, post
from gateway.office.web.visit import Visit, where
from gateway.words import labels

_MOST = 100
NEW, IDLE = "chua-nhan", "lau-khong-dung"
_LEAST_NAME = 2


async def listed(visit: Visit) -> web.StreamResponse:
    places = await place.open_to(visit)
    here = place.chosen(visit, places)
    page = visit.number("trang", 1, tuple(range(1, 1000)))
    found, total = await looking.lines(
        visit.deps.accounts, place.by(visit), here.agency_id, _wanted(visit), (page - 1) * _MOST, _MOST
    )
    return await visit.page(
        "admin/accounts.html",
        title=visit.say("menu.administration"),
        rows=[(each, next(iter(limits(visit, each)), None)) for each in found],
        names=await agency_names(visit),
        places=[(each.key, each.name) for each in places],
        here=here,
        roles=[("", visit.say("admin.any")), *_roles(visit, everywhere=place.is_everywhere(visit))],
        states=_states(visit),
        asked={each: visit.ask(each) for each in ("q", "vai-tro", "trang-thai")},
        total=total,
        page=page,
        pages=-(-total // _MOST),
        path=lambda number: where(HOME, **{**visit.request.query, "trang": str(number)}),
    )


async def shown(visit: Visit) -> web.StreamResponse:
    seen = await looking.one(visit.deps.accounts, place.by(visit), visit.path("id"))
    return await visit.page(
        "admin/account.html",
        title=seen.person.name,
        seen=seen,
        limits=limits(visit, seen),
        names=await agency_names(visit),
        names_key={NODE: place.OF_NODE, **{each.id: each.code for each in await visit.deps.store.hosted()}},
        has=labels.has,
        is_self=seen.person.id == visit.person.person.id,
    )


async def asked(visit: Visit) -> web.StreamResponse:
    return await _form(visit, {}, [])


async def added(visit: Visit) -> web.StreamResponse:
    """With `suggest` the form comes back with a name to sign in with after the local rule, and nothing is added."""
    form, values = visit.form, visit.form.flat()
    if "suggest" in form or not form.text("login"):
        taken = await looking.logins(visit.deps.accounts)
        style = login_names.Style(visit.deps.options.login_style)
        values["login"] = login_names.of_person(
            form.text("name"), style, taken, visit.deps.options.login_tail
        )
    if "suggest" in form:
        return await _form(visit, values, [])
    wanted, problems = await post_of_form(visit)
    if len(form.text("name")) < _LEAST_NAME:
        problems.insert(0, ("name", visit.say("form.missing", field=visit.say("admin.name"))))
    if problems or wanted is None:
        return await _form(visit, values, problems)
    account = admin.NewAccount(
        login=values["login"],
        name=form.text("name"),
        title=form.text("title"),
        email=form.text("email") or None,
        posts=(wanted,),
        request=form.text("request"),
    )
    try:
        person, code = await admin.add(visit.deps.accounts, place.by(visit), account)
    except Clash as why:
        field = "login" if why.code == "GW-LOGIN" else "role"
        return await _form(visit, values, [(field, of_error(why, visit.lang).title)])
    return await link_page(visit, person, code)


async def link_page(visit: Visit, person: Person, code: str) -> web.Response:
    """The one page that shows a one-time link."""
    own = f"{visit.request.scheme}://{visit.request.host}"
    address = (visit.deps.options.address or own).rstrip("/")
    return await visit.page(
        "admin/link.html",
        title=visit.say("admin.link.title"),
        person=person,
        link=f"{address}/lien-ket/{code}",
        code=code,
        until=visit.person.at + visit.deps.accounts.rules.link,
    )


def limits(visit: Visit, line: Line) -> Sequence[Runs]:
    rules = visit.deps.accounts.rules
    return account_clocks.of(
        line.person,
        rules.passwords,
        rules.idle,
        link_until=line.link_until,
        posts_until=[each.until for each in line.posts if each.until is not None],
    )


async def agency_names(visit: Visit) -> dict[str, str]:
    hosted = await visit.deps.store.hosted()
    return {NODE: visit.say("admin.node"), **{each.id: each.name for each in hosted}}


async def post_choice(visit: Visit) -> dict[str, object]:
    """What the fields of a post offer."""
    everywhere = place.is_everywhere(visit)
    places = await place.open_to(visit, together=False)
    return {
        "roles": [("", visit.say("admin.choose")), *_roles(visit, everywhere=everywhere)],
        "places": [(each.key, each.name) for each in places],
        "here": place.chosen(visit, places, "").key if visit.agency is not None else places[0].key,
    }


async def post_of_form(visit: Visit) -> tuple[Wanted | None, list[tuple[str, str]]]:
    """The post that a form gives: role, agency, unit and term; or what is wrong with it."""
    form, problems = visit.form, list[tuple[str, str]]()
    role = next((each for each in PostRole if each == form.text("role")), None)
    if role is None:
        return None, [("role", visit.say("form.missing", field=visit.say("admin.role")))]
    places = await place.open_to(visit, together=False)
    agency = NODE if role.is_of_node else place.chosen(visit, places, form.text("place")).agency_id
    if not role.is_of_node and not agency:
        problems.append(("place", visit.say("admin.post.needs_agency")))
    until = None
    if form.text("until"):
        day = dates.day(form.text("until"), local(visit.person.at).date())
        until = dates.moment(day + timedelta(days=1), time()) if day is not None else None
        if until is None or until <= visit.person.at:
            problems.append(("until", visit.say("admin.until.wrong")))
    wanted = Wanted(role=role, agency_id=agency or NODE, unit=form.text("unit"), until=until)
    return (None if problems else wanted), problems


async def _form(visit: Visit, values: dict[str, str], problems: list[tuple[str, str]]) -> web.Response:
    return await visit.page(
        "admin/new.html",
        422 if problems else 200,
        title=visit.say("admin.add"),
        values=values,
        problems=problems,
        **await post_choice(visit),
    )


def _wanted(visit: Visit) -> Callable[[Person, tuple[Post, ...]], bool]:
    words, role, state = fold(visit.ask("q")), visit.ask("vai-tro"), visit.ask("trang-thai")
    warn, now = visit.deps.accounts.rules.idle.warn or timedelta(days=60), visit.person.at

    def fits(person: Person, posts: tuple[Post, ...]) -> bool:
        text = fold(f"{person.login} {person.name} {person.title}")
        return (
            all(each in text for each in words.split())
            and (not role or any(each.role == role and each.holds(now) for each in posts))
            and (not state or _stands(person, state, now - warn))
        )

    return fits


def _stands(person: Person, state: str, idle_since: datetime) -> bool:
    if state == NEW:
        return person.enrolled_at is None
    if state == IDLE:
        return person.standing is Standing.ACTIVE and person.used_at <= idle_since
    return person.standing == state


def _states(visit: Visit) -> list[tuple[str, str]]:
    return [
        ("", visit.say("admin.any")),
        *((each.value, visit.say(f"standing.{each}")) for each in admin.states()),
        (NEW, visit.say("admin.state.new")),
        (IDLE, visit.say("standing.idle")),
    ]


def _roles(visit: Visit, *, everywhere: bool) -> list[tuple[str, str]]:
    return [
        (each.value, visit.say(f"post.{each}"))
        for each in PostRole
        if each is not PostRole.SYSTEM and (everywhere or not each.is_of_node)
    ]


async def seen_person(visit: Visit) -> Person:
    """Whom an act is about; NotFound for whoever this administrator does not see."""
    return (await looking.one(visit.deps.accounts, place.by(visit), visit.path("id"))).person


def path_of(person: Person) -> str:
    return where(f"{HOME}/tai-khoan/{person.id}")


def name_of(person: Person) -> str:
    """What the flows find the person by."""
    if person.login is None and not person.name:
        raise NotFound("there is no such person")
    return person.login or person.name


_AT = {"who": Who.READY, "needs": ADMINISTERS, "key": "administration"}
ROUTES = (
    get(HOME, "accounts", listed, **_AT),
    get(f"{HOME}/tai-khoan/moi", "account_new", asked, **_AT),
    post(f"{HOME}/tai-khoan/moi", "account_added", added, **_AT),
    get(f"{HOME}/tai-khoan/{{id}}", "account_shown", shown, **_AT),
)
