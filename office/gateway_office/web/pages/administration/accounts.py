"""Accounts and rights: the accounts of an agency, one account with its posts, sessions, limits and history, and a new one;
and mailboxes, R85 (mailboxes of desks), under which persons act in their own name. In: an administrator; and a place: the
own agency, or, for the operator, any agency, the node itself, or all of them. Out: pages; the one-time link of a new
account is shown once, on the answer itself; each mailbox with its present users, a new one, its name suggested after the
local rule, a closed one. Other agencies are not found without the right to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from aiohttp import web

from gateway.domain.account import HostedAgency
from gateway.domain.handling import unit_key
from gateway.domain.person import AccountStanding, Person, Proposal, RightsChange
from gateway.domain.text import fold
from gateway.domain.wall_clock import local
from gateway.errors import Clash, NotFound
from gateway.policy.two_people import Objection
from gateway.words import labels
from gateway_office.accounts import admin, pending_rights, posts, units
from gateway_office.accounts.acting import Administrator
from gateway_office.accounts.admin import AccountLine
from gateway_office.accounts.posts import WantedPost
from gateway_office.domain.roles import NODE, Manner, Post, PostRole, Right
from gateway_office.policy import signing_in
from gateway_office.policy.signing_in import RunningLimit
from gateway_office.web import dates, routes
from gateway_office.web.addresses import url_for
from gateway_office.web.display_names import names_of
from gateway_office.web.forms import Problems
from gateway_office.web.menu import ADMINISTERS
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.routes import Access

HOME = "/quan-tri"
ALL, OF_NODE = "tat-ca", "nut"
get, post, both = routes.sharing(access=Access.READY, needs=ADMINISTERS, key="administration")
_MOST_LISTED = 100
NEW, IDLE = "chua-nhan", "lau-khong-dung"
_LEAST_NAME = 2
_MAILBOXES = f"{HOME}/hop-thu"
_MAILBOX_ROLES = (PostRole.CLERK, PostRole.AGENCY_ADMIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Place that is administered. `key` stands in addresses; `agency_id` is None for every agency together, empty for the
    node itself."""

    key: str
    name: str
    agency_id: str | None

    @property
    def id(self) -> str:
        """Return the agency's id; empty for all together too, which have none."""
        return self.agency_id or NODE


def is_everywhere(request: PageRequest) -> bool:
    """Tell whether the person administers the accounts of every agency."""
    return request.person.rights.may(Right.ACCOUNTS, NODE, request.person.at, Manner.YES)


def administrator(request: PageRequest) -> Administrator:
    return Administrator.person(request.person.person.id)


async def list_places(request: PageRequest, *, together: bool = True, node: bool = True) -> Sequence[Place]:
    """List the places to choose from. `together` and `node` add all at once, and the node itself, for operators."""
    if not is_everywhere(request):
        return (_place_of(request.own_agency),)
    places = [Place(key=ALL, name=request.say("admin.everywhere"), agency_id=None)] if together else []
    places += [Place(key=OF_NODE, name=request.say("admin.node"), agency_id=NODE)] if node else []
    return (
        *places,
        *(_place_of(agency) for agency in await request.deps.store.hosted() if agency.left_at is None),
    )


def chosen_place(request: PageRequest, places: Sequence[Place], given_key: str | None = None) -> Place:
    """Return the place of the address or the form; else the chosen agency, else the first. Raise NotFound for another's."""
    asked_key = request.form.text("place") if request.is_act else request.ask("co-quan")
    key = asked_key if given_key is None else given_key
    if not key and request.agency is not None:
        key = request.agency.code
    place = next((p for p in places if p.key == key), None if key else places[0])
    if place is None:
        raise NotFound("there is no such agency here")
    return place


async def list_agencies(request: PageRequest) -> Sequence[Place]:
    """List agencies alone: a mailbox and a key belong to an agency."""
    return await list_places(request, together=False, node=False)


async def chosen_agency(request: PageRequest) -> Place:
    return chosen_place(request, await list_agencies(request))


def _place_of(agency: HostedAgency) -> Place:
    return Place(key=agency.code, name=agency.name, agency_id=agency.id)


async def list_accounts(request: PageRequest) -> web.StreamResponse:
    places = await list_places(request)
    place = chosen_place(request, places)
    page = request.number("trang", 1, tuple(range(1, 1000)))
    waiting = await pending_rights.list_waiting(
        request.deps.accounts, administrator(request), place.agency_id
    )
    lines, total = await admin.account_lines(
        request.deps.accounts,
        administrator(request),
        place.agency_id,
        _account_filter(request),
        (page - 1) * _MOST_LISTED,
        _MOST_LISTED,
    )
    return await request.page(
        "admin/accounts.html",
        title=request.say("menu.administration"),
        rows=[(line, next(iter(limits(request, line)), None)) for line in lines],
        names=await agency_names(request),
        places=[(place.key, place.name) for place in places],
        here=place,
        roles=[("", request.say("admin.any")), *_roles(request, sees_all=is_everywhere(request))],
        states=_states(request),
        asked={name: request.ask(name) for name in ("q", "vai-tro", "trang-thai")},
        rights_waiting=await waiting_rows(request, waiting),
        total=total,
        page=page,
        pages=-(-total // _MOST_LISTED),
        path=lambda number: url_for(HOME, **{**request.http.query, "trang": str(number)}),
    )


async def show_account(request: PageRequest) -> web.StreamResponse:
    detail = await admin.look_at(request.deps.accounts, administrator(request), request.path("id"))
    return await request.page(
        "admin/account.html",
        title=detail.person.name,
        seen=detail,
        limits=limits(request, detail),
        rights_waiting=await waiting_rows(request, detail.waiting),
        names=await agency_names(request),
        names_key={NODE: OF_NODE, **{agency.id: agency.code for agency in await request.deps.store.hosted()}},
        has=labels.has,
        is_self=detail.person.id == request.person.person.id,
    )


async def add_account(request: PageRequest) -> web.StreamResponse:
    """Add an account. With `suggest` the form comes back with a login after the local rule, and no account is added."""
    form, values = request.form, request.form.flat()
    if "suggest" in form or not form.text("login"):
        logins = await admin.logins(request.deps.accounts)
        style = signing_in.LoginStyle(request.deps.settings.accounts.login_style)
        values["login"] = signing_in.login_of_person(
            form.text("name"), style, logins, request.deps.settings.accounts.login_tail
        )
    if "suggest" in form:
        return await account_form(request, values)
    post, problems = await post_of_form(request)
    if len(form.text("name")) < _LEAST_NAME:
        problems.insert(0, request.missing("name", "admin.name"))
    if problems or post is None:
        return await account_form(request, values, problems)
    account = admin.NewAccount(
        login=values["login"],
        name=form.text("name"),
        title=form.text("title"),
        email=form.text("email") or None,
        posts=(post,),
        request=form.text("request"),
    )
    try:
        person, code = await admin.add(request.deps.accounts, administrator(request), account)
    except Clash as error:
        field = "login" if error.code == "GW-LOGIN" else "role"
        return await account_form(request, values, [(field, request.why(error))])
    return await link_page(request, person, code)


def address_of_node(request: PageRequest) -> str:
    return request.deps.settings.accounts.address or f"{request.http.scheme}://{request.http.host}"


async def link_page(request: PageRequest, person: Person, code: str) -> web.Response:
    """Show a one-time link, on this page alone."""
    address = address_of_node(request).rstrip("/")
    until = request.person.at + request.deps.accounts.rules.link
    return await request.page(
        "admin/once.html",
        title=request.say("admin.link.title"),
        once=request.say("admin.link.once", name=person.name, until=dates.moment_text(until)),
        about=(request.say("admin.login"), person.login or person.name, "code"),
        name=request.say("admin.link"),
        secret=f"{address}/lien-ket/{code}",
        key=None,
        back=f"/quan-tri/tai-khoan/{person.id}",
        kept=request.say("admin.link.kept"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRow:
    """One waiting change in words. `why_not` says why this person cannot confirm it."""

    proposal: Proposal
    text: str
    why_not: str


async def waiting_rows(request: PageRequest, waiting: Sequence[Proposal]) -> list[WaitingRow]:
    changes = [proposal.content.rights[0] for proposal in waiting]
    ids = {p.proposed_by for p in waiting} | {c.person_id for c in changes if c.person_id}
    names = await names_of(request, ids, "incoming.by") if waiting else {}
    agencies = await agency_names(request) if waiting else {}
    rows = []
    for proposal, change in zip(waiting, changes, strict=True):
        text = request.say(
            f"journal.say.rights.changed.{change.act}.asked",
            who=names[proposal.proposed_by],
            person=names.get(change.person_id, ""),
            role=request.say(f"post.{change.role}").lower() if change.role else "",
        )
        place = ", ".join(filter(None, (change.unit, agencies.get(change.agency_id, ""))))
        rows.append(
            WaitingRow(
                proposal=proposal, text=f"{text} – {place}", why_not=_why_not(request, proposal, change)
            )
        )
    return rows


def _why_not(request: PageRequest, proposal: Proposal, change: RightsChange) -> str:
    me = request.person.person.id
    code = Objection.SAME if me == proposal.proposed_by else Objection.OWN if me == change.person_id else None
    return request.say(f"clash.{code}") if code is not None else ""


def limits(request: PageRequest, line: AccountLine) -> Sequence[RunningLimit]:
    rules = request.deps.accounts.rules
    return signing_in.limits_of(
        line.person,
        rules.passwords,
        rules.idle,
        link_until=line.link_until,
        posts_until=[p.until for p in line.posts if p.until is not None],
        traffic_at=line.traffic_at,
    )


async def agency_names(request: PageRequest) -> dict[str, str]:
    hosted = await request.deps.store.hosted()
    return {NODE: request.say("admin.node"), **{agency.id: agency.name for agency in hosted}}


async def post_choice(request: PageRequest) -> dict[str, Any]:  # Any: values of a template
    """Return the choices of a post's fields."""
    sees_all = is_everywhere(request)
    places = await list_places(request, together=False)
    here = chosen_place(request, places, "") if request.agency is not None else places[0]
    names = await units.names_of_units(request.deps.accounts, here.id) if here.id else ()
    return {
        "units": [(name, f"{'– ' * depth}{name}") for name, depth in names],
        "roles": [("", request.say("admin.choose")), *_roles(request, sees_all=sees_all)],
        "places": [(place.key, place.name) for place in places],
        "here": here.key,
    }


async def post_of_form(request: PageRequest) -> tuple[WantedPost | None, Problems]:
    """Read the form's post: role, agency, unit and term; or its problems."""
    form, problems = request.form, Problems()
    role = next((r for r in PostRole if r == form.text("role")), None)
    if role is None:
        return None, [request.missing("role", "admin.role")]
    places = await list_places(request, together=False)
    agency = NODE if role.is_of_node else chosen_place(request, places, form.text("place")).agency_id
    if not role.is_of_node and not agency:
        problems.append(("place", request.say("admin.post.needs_agency")))
    elif agency and form.text("unit"):
        listed_keys = [
            unit_key(name) for name, _ in await units.names_of_units(request.deps.accounts, agency)
        ]
        if listed_keys and unit_key(form.text("unit")) not in listed_keys:
            problems.append(("unit", request.say("admin.unit.unknown")))
    ends_at = None
    if form.text("until"):
        day = dates.typed_day(form.text("until"), local(request.person.at).date())
        ends_at = dates.midnight(day + timedelta(days=1)) if day is not None else None
        if ends_at is None or ends_at <= request.person.at:
            problems.append(("until", request.say("admin.until.wrong")))
    post = WantedPost(role=role, agency_id=agency or NODE, unit=form.text("unit"), ends_at=ends_at)
    return (None if problems else post), problems


async def account_form(
    request: PageRequest, values: Mapping[str, str] = MappingProxyType({}), problems: Problems | None = None
) -> web.Response:
    return await request.form_page(
        "admin/new.html",
        problems,
        title=request.say("admin.add"),
        values=values,
        **await post_choice(request),
    )


def _account_filter(request: PageRequest) -> Callable[[Person, tuple[Post, ...]], bool]:
    words, role, state = fold(request.ask("q")), request.ask("vai-tro"), request.ask("trang-thai")
    idle_after, now = request.deps.accounts.rules.idle.warn or timedelta(days=60), request.person.at

    def fits(person: Person, posts: tuple[Post, ...]) -> bool:
        text = fold(f"{person.login} {person.name} {person.title}")
        return (
            all(word in text for word in words.split())
            and (not role or any(p.role == role and p.holds(now) for p in posts))
            and (not state or _has_state(person, state, now - idle_after))
        )

    return fits


def _has_state(person: Person, state: str, idle_since: datetime) -> bool:
    if state == NEW:
        return person.enrolled_at is None
    if state == IDLE:
        return person.standing is AccountStanding.ACTIVE and person.used_at <= idle_since
    return person.standing == state


def _states(request: PageRequest) -> list[tuple[str, str]]:
    return [
        ("", request.say("admin.any")),
        *((s.value, request.say(f"standing.{s}")) for s in AccountStanding),
        (NEW, request.say("admin.state.new")),
        (IDLE, request.say("standing.idle")),
    ]


def _roles(request: PageRequest, *, sees_all: bool) -> list[tuple[str, str]]:
    return [
        (role.value, request.say(f"post.{role}"))
        for role in PostRole
        if role is not PostRole.SYSTEM and (sees_all or not role.is_of_node)
    ]


async def seen_person(request: PageRequest) -> Person:
    """Load the person of an act. Raise NotFound for one that this administrator does not see."""
    return (await admin.look_at(request.deps.accounts, administrator(request), request.path("id"))).person


def path_of(person: Person) -> str:
    return url_for(f"{HOME}/tai-khoan/{person.id}")


def name_of(person: Person) -> str:
    """Return the name with which the flows find the person."""
    if person.login is None and not person.name:
        raise NotFound("there is no such person")
    return person.login or person.name


async def list_mailboxes(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    places, place = await list_agencies(request), await chosen_agency(request)
    mailboxes = await posts.mailboxes_of(request.deps.accounts, place.id)
    names = {box.name for box, _ in mailboxes}
    short, options = signing_in.short_name(place.name), request.deps.settings.accounts
    clerks = options.clerks_mailbox.replace("{abbr}", short)
    admins = options.admins_mailbox.replace("{abbr}", short)
    return await request.form_page(
        "admin/mailboxes.html",
        problems,
        title=request.say("admin.mailboxes"),
        found=mailboxes,
        here=place,
        places=[(place.key, place.name) for place in places],
        roles=[(role.value, request.say(f"post.{role}")) for role in _MAILBOX_ROLES],
        suggested=[name for name in (clerks, admins) if name not in names],
        values=request.form.flat(),
    )


@faults_on(list_mailboxes, Clash, other="name")
async def make_mailbox(request: PageRequest) -> web.StreamResponse:
    form, place = request.form, await chosen_agency(request)
    role = next((r for r in _MAILBOX_ROLES if r == form.text("role")), PostRole.CLERK)
    by, name = administrator(request), form.text("name")
    await posts.make_mailbox(request.deps.accounts, by, place.id, name, role)
    return request.confirm(_MAILBOXES, "admin.mailbox_made", **{"co-quan": place.key})


async def close_mailbox(request: PageRequest) -> web.StreamResponse:
    place = await chosen_agency(request)
    name, query = request.path("name"), {"co-quan": place.key}
    if not request.is_act:
        mailboxes = await posts.mailboxes_of(request.deps.accounts, place.id)
        people = next((users for box, users in mailboxes if box.name == name and box.closed_at is None), None)
        if people is None:
            raise NotFound("there is no such mailbox")
        names = ", ".join(person.name for person in people) or request.say("admin.nobody")
        return await request.question(
            None,
            "admin.mailbox.close",
            name=name,
            people=names,
            back=_MAILBOXES,
            query=query,
            hidden={"place": place.key},
            grave=True,
        )
    await posts.close_mailbox(request.deps.accounts, administrator(request), place.id, name)
    return request.confirm(_MAILBOXES, "admin.mailbox_closed", **query)


ROUTES = (
    get(HOME, "accounts", list_accounts),
    get(f"{HOME}/tai-khoan/moi", "account_new", account_form),
    post(f"{HOME}/tai-khoan/moi", "account_added", add_account),
    get(f"{HOME}/tai-khoan/{{id}}", "account_shown", show_account),
    get(_MAILBOXES, "mailboxes", list_mailboxes),
    post(_MAILBOXES, "mailbox_made", make_mailbox),
    *both(f"{_MAILBOXES}/{{name}}/dong", "mailbox_close", "mailbox_closed", close_mailbox),
)
