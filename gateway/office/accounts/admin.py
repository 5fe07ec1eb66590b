"""What administrators do with accounts and see of them. Do: add, let somebody begin anew, lock, suspend, withdraw, open
again, confirm the yearly review (T22, T23). See: lists of an agency or of all, one account with its history. In: who
administers, and whose account. Out: the account as it is now; a one-time code is told once; persons with the posts
that this administrator may see, and whoever is of other agencies alone is not there at all. Nobody does it to the
own account, and nobody to an account that may do more than they may give."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.event import Event, EventKind
from gateway.domain.person import AccountStanding, Credentials, Person, is_name
from gateway.domain.text import fold
from gateway.errors import Clash, Denied, NotFound
from gateway.office.accounts import posts, sessions, sign_in
from gateway.office.accounts.acting import By, over_agency, over_person
from gateway.office.accounts.posts import WantedPost
from gateway.office.desks import AccountDesk
from gateway.office.domain.roles import NODE, Post
from gateway.office.domain.session import Ended, Session
from gateway.office.store.accounts import AccountWork

_LOGIN = re.compile(r"[a-z0-9][a-z0-9.\-]{1,62}[a-z0-9]")
_LONGEST_NAME = 200
_LEAST_REASON = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What is entered of a person. `request` names the written request that it is done by (R92)."""

    login: str
    name: str
    title: str = ""
    email: str | None = None
    posts: tuple[WantedPost, ...] = ()
    request: str = ""


async def add(desk: AccountDesk, by: By, wanted: NewAccount) -> tuple[Person, str]:
    """The account and its one-time code; it has its posts at once, and nobody signs in before taking it up."""
    now = desk.clock.now()
    code, digest = desk.secrets.new_code()
    name, request = _words(wanted.name, "name"), " ".join(wanted.request.split())[:_LONGEST_NAME]
    if not is_name(name):
        raise Clash("a person's name has letters, blanks, dots, hyphens and apostrophes", code="GW-LOGIN")
    person = Person(
        id=desk.clock.new_id("prn_"),
        name=name,
        login=_login(wanted.login),
        title=_words(wanted.title, "title") if wanted.title else "",
        email=wanted.email,
        roles=frozenset(),
        added_by=by.principal_id,
        added_at=now,
        roles_by=by.principal_id,
        roles_at=now,
    )
    async with desk.changing(by.principal_id) as (work, _):
        for agency_id in sorted({each.agency_id for each in wanted.posts} or {NODE}):
            await over_agency(work, by, agency_id, now)
        await _must_be_free(work, wanted.login)
        await work.people.add(person, Credentials(code_digest=digest, code_until=now + desk.rules.link))
        told: dict[str, object] = {"roles": []} | ({"request": request} if request else {})
        await work.events.append(EventKind.PERSON_ADDED, person.id, now, told)
        for each in wanted.posts:
            await posts.put(work, by, person, each, now)
    return person, code


async def link(desk: AccountDesk, by: By, login: str) -> tuple[Person, str]:
    """The person begins anew with the code: password and second factor of before are worth nothing from now on. It counts
    as a change of roles, like enrolling anew."""
    code, digest = desk.secrets.new_code()
    async with _changing(desk, by, login) as (work, person, now):
        changed = replace(person, enrolled_at=None, roles_by=by.principal_id, roles_at=now)
        await work.people.save(changed)
        kept = Credentials(code_digest=digest, code_until=now + desk.rules.link)
        await work.people.save_credentials(person.id, kept)
        await work.past.put_codes(person.id, ())
        await sessions.end_all(work, person.id, now, Ended.PASSWORD)
        await work.events.append(EventKind.ACCOUNT_LINK, person.id, now)
    return changed, code


async def stand(desk: AccountDesk, by: By, login: str, standing: AccountStanding, reason: str) -> Person:
    """Locked, suspended, withdrawn, or active again. What was withdrawn stays so: the person is added anew. An account that
    idleness took out counts as used from the moment at which it is opened again."""
    if len(reason.strip()) < _LEAST_REASON:
        raise Clash(f"a reason of at least {_LEAST_REASON} characters is needed", code="GW-REASON")
    async with _changing(desk, by, login) as (work, person, now):
        if person.standing is AccountStanding.WITHDRAWN or person.standing is standing:
            raise Clash(f"the account is {person.standing} already", code="GW-ACCOUNT-STATE")
        changed = replace(
            person,
            standing=standing,
            standing_why=reason.strip()[:500],
            standing_by=by.principal_id,
            standing_at=now,
            warned_at=None,
            last_login_at=now if standing is AccountStanding.ACTIVE else person.last_login_at,
        )
        await work.people.save(changed)
        if standing is not AccountStanding.ACTIVE:
            await sessions.end_all(work, person.id, now, Ended.STANDING)
        told = {"standing": standing.value, "reason": changed.standing_why}
        await work.events.append(EventKind.ACCOUNT_STANDING, person.id, now, told)
    return changed


async def must_change(desk: AccountDesk, by: By, login: str) -> Person:
    """At the next call the person changes the password before anything else."""
    async with _changing(desk, by, login) as (work, person, now):
        changed = replace(person, must_change=True)
        await work.people.save(changed)
        await work.events.append(EventKind.ACCOUNT_PASSWORD, person.id, now, {"must_change": True})
    return changed


async def unlock(desk: AccountDesk, by: By, login: str) -> Person:
    """Nobody waits any more who typed a wrong password too often. It gives nothing to anybody, so the machine's operator is
    not asked for a right; whoever administers a part of the node is asked for every agency of the person."""
    async with _changing(desk, by, login, operator_may=True) as (work, person, now):
        kept = await work.people.credentials(person.id)
        await work.people.save_credentials(person.id, replace(kept, failures=0, locked_until=None))
        await sign_in.forgive_tries(work, *(each for each in (person.login, person.name) if each))
        await work.events.append(EventKind.ACCOUNT_UNLOCKED, person.id, now)
    return person


async def sign_out(desk: AccountDesk, by: By, login: str) -> int:
    """Ends every session of somebody else; how many. In all agencies at once, so whoever does it administers them all."""
    async with _changing(desk, by, login, operator_may=True) as (work, person, now):
        return await sessions.end_all(work, person.id, now, Ended.EVERYWHERE)


@asynccontextmanager
async def _changing(
    desk: AccountDesk, by: By, login: str, *, operator_may: bool = False
) -> AsyncIterator[tuple[AccountWork, Person, datetime]]:
    """An account in a unit of work that is committed at its end. `operator_may`: the machine's operator may always let in
    and send out; everybody else as for any change of the whole account."""
    async with desk.changing(by.principal_id) as (work, now):
        person = await work.people.named(login)
        if by.person_id is not None or not operator_may:
            await over_person(work, by, person, now)
        yield work, person, now


async def _must_be_free(work: AccountWork, login: str) -> None:
    """People and mailboxes share one set of names."""
    if await work.mailboxes.find(login) is not None:
        raise Clash(
            f"{login} is the name of a mailbox; persons act for it under their own names", code="GW-LOGIN"
        )
    try:
        taken = await work.people.named(login)
    except NotFound:
        return
    raise Clash(f"{login} is the name of {taken.name} already", code="GW-LOGIN")


def _login(text: str) -> str:
    if _LOGIN.fullmatch(text) is None or fold(text) != text:
        raise Clash(
            "a name to sign in with has 3 to 64 of the letters a to z, digits, dots and hyphens",
            code="GW-LOGIN",
        )
    return text


def _words(text: str, what: str) -> str:
    found = " ".join(text.split())
    if not found or len(found) > _LONGEST_NAME or not found.isprintable():
        raise Clash(f"the {what} must have 1 to {_LONGEST_NAME} printable characters", code="GW-LOGIN")
    return found


MOST_EVENTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLine:
    """One person as lists show it (interfaces 2.12). `link_until` is of a one-time link that nobody took up yet."""

    person: Person
    posts: tuple[Post, ...]
    has_factor: bool = False
    link_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen(AccountLine):
    """One account whole. `is_ours`: this administrator may change it, which takes every agency of the person; where the
    person is signed in is of the whole account, so others are not shown it."""

    is_ours: bool
    sessions: tuple[Session, ...]
    events: tuple[Event, ...]
    names: Mapping[str, str]
    """Of the persons who did what stands there, by id."""


async def account_lines(
    desk: AccountDesk,
    by: By,
    agency_id: str | None,
    wanted: Callable[[Person, tuple[Post, ...]], bool],
    skip: int,
    most: int,
) -> tuple[Sequence[AccountLine], int]:
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
        found = [each for each in found if wanted(*each)]
        found.sort(key=lambda each: each[0].last_login_at.timestamp() if each[0].last_login_at else 0.0)
        shown = [await _account_line(view, *each) for each in found[skip : skip + most]]
    return shown, len(found)


async def look_at(desk: AccountDesk, by: By, id: str) -> AccountSeen:
    """NotFound for whoever has no post where this administrator administers."""
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        person = await view.people.get(id)
        everywhere = await _is_allowed(over_agency(view, by, NODE, now))
        posts = await view.posts.of({id})
        if not everywhere:
            posts = [each for each in posts if await _is_allowed(over_agency(view, by, each.agency_id, now))]
            if not posts and person.added_by != by.principal_id:
                raise NotFound(f"there is no person {id}")
        line = await _account_line(view, person, tuple(posts))
        places = {each.agency_id for each in posts}
        events = [
            each
            for each in reversed(await view.events.of(id))
            if everywhere or each.data.get("agency") in (None, *places)
        ][:MOST_EVENTS]
        names = {each.id: each.name for each in await view.people.everybody()}
        ours = await _is_allowed(over_person(view, by, person, now))
    return AccountSeen(
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


async def last_review(desk: AccountDesk, agency_id: str) -> Event | None:
    """When the accounts of that agency, or of the node, were last looked through."""
    async with desk.accounts.read() as view:
        found = await view.events.of(f"accounts:{agency_id or 'node'}")
    told = [each for each in found if each.kind is EventKind.ACCOUNT_REVIEWED]
    return max(told, key=lambda each: each.at, default=None)


async def _account_line(view: AccountWork, person: Person, posts: tuple[Post, ...]) -> AccountLine:
    kept = await view.people.credentials(person.id)
    return AccountLine(
        person=person,
        posts=posts,
        has_factor=kept.sealed_totp is not None,
        link_until=kept.code_until if kept.code_digest is not None else None,
    )


async def _is_allowed(asked: Awaitable[None]) -> bool:
    try:
        await asked
    except Denied:
        return False
    return True


async def review_lines(desk: AccountDesk, by: By, agency_id: str) -> Sequence[AccountLine]:
    """By name; the empty agency gives those of the node. Posts of other agencies are not shown."""
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        await over_agency(view, by, agency_id, now)
        posts = await view.posts.in_agency(agency_id)
        ids = {each.person_id for each in posts}
        people = [each for each in await view.people.everybody() if each.id in ids]
        return [
            await _account_line(view, each, tuple(post for post in posts if post.person_id == each.id))
            for each in people
        ]


async def confirm_review(desk: AccountDesk, by: By, agency_id: str, year: int) -> int:
    """Somebody looked through the list of that year; how many accounts were in it."""
    found = await review_lines(desk, by, agency_id)
    async with desk.changing(by.principal_id) as (work, now):
        told = {"year": year, "agency": agency_id or None, "accounts": len(found)}
        await work.events.append(EventKind.ACCOUNT_REVIEWED, f"accounts:{agency_id or 'node'}", now, told)
    return len(found)
