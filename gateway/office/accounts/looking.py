"""What administrators see of accounts: lists of an agency or of all, and one account with its history. In: who administers.
Out: persons with the posts that this administrator may see; whoever is of other agencies alone is not there at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.event import Event, EventKind
from gateway.domain.person import Person
from gateway.errors import Denied, NotFound
from gateway.office.accounts import sessions
from gateway.office.accounts.acting import By, over_agency, over_person
from gateway.office.accounts.desk import AccountDesk
from gateway.office.domain.post import NODE, Post
from gateway.office.domain.session import Session
from gateway.office.ports.accounts import AccountWork

MOST_EVENTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One person as lists show it (interfaces 2.12). `link_until` is of a one-time link that nobody took up yet."""

    person: Person
    posts: tuple[Post, ...]
    has_factor: bool = False
    link_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(Line):
    """One account whole. `is_ours`: this administrator may change it, which takes every agency of the person; where the
    person is signed in is of the whole account, so others are not shown it."""

    is_ours: bool
    sessions: tuple[Session, ...]
    events: tuple[Event, ...]
    names: Mapping[str, str]
    """Of the persons who did what stands there, by id."""


async def lines(
    desk: AccountDesk,
    by: By,
    agency_id: str | None,
    wanted: Callable[[Person, tuple[Post, ...]], bool],
    skip: int,
    most: int,
) -> tuple[Sequence[Line], int]:
    """Some of an agency's persons, and how many there are: whoever signed in longest ago first, by name where nobody has;
    of the node for the empty agency, and of every agency for None, which takes whoever administers the node."""
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        await over_agency(view, by, NODE if agency_id is None else agency_id, now)
        posts = await (view.posts.all() if agency_id is None else view.posts.in_agency(agency_id))
        held: dict[str, list[Post]] = {}
        for each in posts:
            held.setdefault(each.person_id, []).append(each)
        found = [
            (each, tuple(held.get(each.id, ())))
            for each in await view.people.everybody()
            if each.login is not None and (agency_id is None or each.id in held)
        ]
        found = sorted((each for each in found if wanted(*each)), key=lambda each: _last_seen(each[0]))
        shown = [await _line(view, *each) for each in found[skip : skip + most]]
    return shown, len(found)


async def one(desk: AccountDesk, by: By, id: str) -> Seen:
    """NotFound for whoever has no post where this administrator administers."""
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        person = await view.people.get(id)
        everywhere = await _administers(view, by, NODE, now)
        posts = await view.posts.of({id})
        if not everywhere:
            posts = [each for each in posts if await _administers(view, by, each.agency_id, now)]
            if not posts and person.added_by != by.principal_id:
                raise NotFound(f"there is no person {id}")
        line = await _line(view, person, tuple(posts))
        places = {each.agency_id for each in posts}
        events = [
            each
            for each in reversed(await view.events.of(id))
            if everywhere or each.data.get("agency") in (None, *places)
        ][:MOST_EVENTS]
        names = {each.id: each.name for each in await view.people.everybody()}
        ours = await _is_ours(view, by, person, now)
    return Seen(
        person=person,
        posts=line.posts,
        has_factor=line.has_factor,
        link_until=line.link_until,
        is_ours=ours,
        sessions=tuple(await sessions.open_of(desk, person)) if ours or by.person_id == id else (),
        events=tuple(events),
        names=names,
    )


async def logins(desk: AccountDesk) -> frozenset[str]:
    """Every name that somebody signs in with, for suggesting one that is free."""
    async with desk.accounts.read() as view:
        return frozenset(each.login for each in await view.people.everybody() if each.login)


async def reviewed(desk: AccountDesk, agency_id: str) -> Event | None:
    """When the accounts of that agency, or of the node, were last looked through."""
    async with desk.accounts.read() as view:
        found = await view.events.of(f"accounts:{agency_id or 'node'}")
    told = [each for each in found if each.kind is EventKind.ACCOUNT_REVIEWED]
    return max(told, key=lambda each: each.at, default=None)


def _last_seen(person: Person) -> float:
    return person.last_login_at.timestamp() if person.last_login_at is not None else 0.0


async def _line(view: AccountWork, person: Person, posts: tuple[Post, ...]) -> Line:
    kept = await view.people.credentials(person.id)
    return Line(
        person=person,
        posts=posts,
        has_factor=kept.sealed_totp is not None,
        link_until=kept.code_until if kept.code_digest is not None else None,
    )


async def _administers(view: AccountWork, by: By, agency_id: str, now: datetime) -> bool:
    try:
        await over_agency(view, by, agency_id, now)
    except Denied:
        return False
    return True


async def _is_ours(view: AccountWork, by: By, person: Person, now: datetime) -> bool:
    try:
        await over_person(view, by, person, now)
    except Denied:
        return False
    return True
