"""The one table `roles.txt` says who may do what on the pages: every route is tried with every role, in the own agency
and in another one. A route without a row fails, and so does a row without a route."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from gateway.deciding import people
from gateway.domain.person import Role
from gateway.errors import Denied
from gateway_office.accounts import sessions
from gateway_office.domain.roles import PostRole
from gateway_office.domain.session import form_token
from gateway_office.web.page_handling import COOKIE, SIGN_IN
from gateway_office.web.pages import ROUTES
from gateway_office.web.routes import Access, PageRoute
from tests.office.pages.site import Site
from tests.office.pages.walking import PLACE, pattern
from tests.office.support.accounts import Someone

OWN, OTHER = "department", "province"
ROLES: Mapping[str, PostRole] = {
    "C": PostRole.CLERK,
    "H": PostRole.HEAD,
    "U": PostRole.UNIT_HEAD,
    "O": PostRole.OFFICER,
    "K": PostRole.AUDITOR,
    "D": PostRole.CODES,
    "I": PostRole.INSPECTOR,
    "X": PostRole.VIEWER,
    # They come last: what they do to the clerk's account ends it.
    "A": PostRole.AGENCY_ADMIN,
    "V": PostRole.OPERATOR,
}
TABLE = Path(__file__).with_name("roles.txt")
# One person's events come as long as the page is open.
STREAMS = frozenset({"news"})
# Called last, because it ends the session.
LAST = frozenset({"account_locked"})
ENDS = frozenset({"sign_out", "sign_out_everywhere", "account_locked"})
# Without the right secret, or an agency of the person's own, every role is refused.
SECRET = frozenset({"agency_chosen", "one_time_link", "account_taken_up"})
# The address names an act, and each act has a right of its own.
OF_ACTS = frozenset({"incoming_many_done", "outgoing_many_done"})
# Of one's own things: the page, or what is wrong with an empty form.
_OWN_ANSWERS = frozenset({200, 303, 400, 403, 404, 409, 422})
# The address says which, behind a question mark.
ASKED_MORE = frozenset({"account_post_take"})
_ACCOUNT = re.compile(r"prn_[0-9A-Za-z]+")
_LINKS = re.compile(r'(?:href|action|formaction|data-from|src)="(/[^"#]*)')
_NOBODY_S = {"id": "inb_01AAAAAAAAAAAAAAAAAAAAAAAA", "n": "1", "digest": "0" * 64, "code": "Z91.99"}


def rows() -> dict[str, str]:
    """Map each route to the letters of its roles, small where they may only with their own; `-` for none, `*` for every
    person who is signed in."""
    roles_by_route = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, letters = line.split()
            assert name not in roles_by_route, f"{name} stands twice in {TABLE.name}"
            roles_by_route[name] = "".join(ROLES) if letters == "*" else letters.replace("-", "")
    return roles_by_route


def test_every_route_has_a_name_of_its_own_and_a_row() -> None:
    names = [route.name for route in ROUTES]

    assert sorted(names) == sorted(set(names))
    assert set(names) == set(rows())


@dataclass(kw_only=True)
class Caller:
    """Calls of one person, at work for one agency."""

    site: Site
    http: aiohttp.ClientSession
    person: Someone
    actor: str
    token: str = ""

    async def sign_in(self) -> None:
        self.token = await self.site.new_session(self.person, self.actor)

    async def stay_signed_in(self) -> None:
        """Sign in again where an act has ended the session, or led it to another agency."""
        try:
            acting = await sessions.look(self.site.node.accounts, self.token)
        except Denied:
            await self.sign_in()
            return
        if acting.session.agency_id != await self.site.agency(self.actor):
            await self.sign_in()

    async def ask(self, method: str, path: str) -> tuple[int, str, str]:
        """Call an address; return the status, the address it leads to, and the text."""
        headers = {"Origin": self.site.url, "Accept": "text/html"}
        if self.token:
            headers |= {"Cookie": f"{COOKIE}={self.token}", "X-Form-Token": form_token(self.token)}
        async with self.http.request(
            method, self.site.url + path, headers=headers, allow_redirects=False
        ) as answer:
            kind = answer.content_type
            text = await answer.text() if kind == "text/html" else ""
            return answer.status, answer.headers.get("Location", ""), text


@dataclass(kw_only=True)
class Places:
    """An address of each route with a thing of one agency in it, as its pages link to it."""

    paths: dict[str, str] = field(default_factory=dict)

    def path_of(self, route: PageRoute) -> str:
        return self.paths.get(route.name) or PLACE.sub(_invented, route.path)


def _invented(place: re.Match[str]) -> str:
    name, rule = place.group(1), place.group(2) or ""
    if "|" in rule:
        return rule.split("|")[0]
    if rule[:4] in ("msg_", "unt_", "arq_", "fil_", "ppr_"):
        return f"{rule[:4]}01AAAAAAAAAAAAAAAAAAAAAAAA"
    return _NOBODY_S.get(name, "1")


_PATTERNS = [(route, pattern(route)) for route in ROUTES]


async def places(site: Site, http: aiohttp.ClientSession, actor: str) -> Places:
    """Walk the links of every person who works in that agency."""
    places = Places()
    for role in ROLES.values():
        person = site.person(role, "" if role.is_of_node else actor)
        caller = Caller(site=site, http=http, person=person, actor=actor)
        await caller.sign_in()
        waiting, queued, visits = ["/"], {"/"}, dict[str, int]()
        while waiting:
            path = waiting.pop(0)
            route = _route("GET", urlsplit(path).path)
            if route is None or route.name in STREAMS or visits.get(route.name, 0) >= 3:
                continue
            visits[route.name] = visits.get(route.name, 0) + 1
            _, leads, text = await caller.ask("GET", path)
            for link in [leads, *_LINKS.findall(text)]:
                link = link.replace("&amp;", "&")
                for method in ("GET", "POST"):
                    linked = _route(method, urlsplit(link).path)
                    if linked is not None and "{" in linked.path and linked.name not in OF_ACTS:
                        places.paths.setdefault(linked.name, urlsplit(link).path)
                if link.startswith("/") and link not in queued:
                    queued.add(link)
                    waiting.append(link)
    return places


def _route(method: str, path: str) -> PageRoute | None:
    return next((r for r, p in _PATTERNS if r.method == method and p.fullmatch(path)), None)


@asynccontextmanager
async def callers(site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        yield http


@pytest.mark.told
@pytest.mark.timeout(900)
async def test_every_role_may_what_the_table_says_and_no_more(site: Site) -> None:
    table, wrong = rows(), []
    async with callers(site) as http:
        await _let_decide(site, PostRole.AGENCY_ADMIN)
        own, other = await places(site, http, OWN), await places(site, http, OTHER)
        for name, path in own.paths.items():
            if path.startswith("/quan-tri/tai-khoan/prn_"):
                own.paths[name] = _ACCOUNT.sub(site.person(PostRole.CLERK, OWN).person.id, path)
        for letter, role in ROLES.items():
            person = site.person(role, "" if role.is_of_node else OWN)
            caller = Caller(site=site, http=http, person=person, actor=OWN)
            await caller.sign_in()
            # What ends the account comes last.
            for route in sorted(ROUTES, key=lambda r: r.name in LAST):
                if route.name in STREAMS:
                    continue
                letters = table.get(route.name, "")
                is_let = letter in letters or route.access is Access.ANYBODY
                status, leads, _ = await caller.ask(route.method, own.path_of(route))
                if route.method == "POST" and route.name not in LAST:
                    await caller.stay_signed_in()
                if letter.lower() in letters and status in _OWN_ANSWERS:
                    continue
                if fault := _judged(route, is_let, status, leads, exists=route.name in own.paths):
                    wrong.append(f"{route.method} {route.name} as {role}: {fault}")
                theirs = other.paths.get(route.name)
                if theirs is None or theirs == own.paths.get(route.name) or role.is_of_node:
                    continue
                status, leads, _ = await caller.ask(route.method, theirs)
                if route.method == "POST":
                    await caller.stay_signed_in()
                if status not in (403, 404) and not _is_of_all(route):
                    wrong.append(f"{route.method} {route.name} of another agency as {role}: {status} {leads}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.told
async def test_a_stranger_is_led_to_sign_in_and_acts_on_nothing(site: Site) -> None:
    wrong = []
    async with callers(site) as http:
        nobody = Caller(site=site, http=http, person=site.person(PostRole.CLERK, OWN), actor=OWN)
        for route in ROUTES:
            if route.access is Access.ANYBODY:
                continue
            status, leads, _ = await nobody.ask(route.method, Places().path_of(route))
            if status != 303 or not leads.startswith(SIGN_IN):
                wrong.append(f"{route.method} {route.name}: {status} {leads}")
    assert not wrong, "\n".join(wrong)


async def _let_decide(site: Site, role: PostRole) -> None:
    """Give the person the role of deciders too, without which no seal is offered; those of the node have it."""
    async with site.node.deciding.decisions.read() as view:
        staged = [person for person in await view.people.all() if Role.PEOPLE in person.roles]
    for person in staged:
        await people.block(site.node.deciding, "operator", person.name)
    login = site.person(role, OWN).person.login or ""
    await people.give(site.node.deciding, None, "operator", login, (Role.TRUST,))


def _judged(route: PageRoute, is_let: bool, status: int, leads: str, exists: bool) -> str:
    """Return the fault of an answer, or nothing. `exists`: the thing that the address names is there."""
    if route.name in SECRET:
        return "" if status == 403 or is_let else f"answered {status} {leads}, may not"
    if not is_let:
        return "" if status == 403 else f"answered {status} {leads}, may not"
    if leads.startswith(SIGN_IN) and route.name not in ENDS:
        return "led to sign in"
    if status in (401, 403) or status >= 500:
        return f"answered {status} {leads}, may"
    if status == 404 and exists and route.method == "GET" and route.name not in ASKED_MORE:
        return "answered 404 for a thing of the own agency"
    return ""


def _is_of_all(route: PageRoute) -> bool:
    """Tell whether the route is the same for all agencies, as the registry is."""
    return route.path.startswith("/co-quan")
