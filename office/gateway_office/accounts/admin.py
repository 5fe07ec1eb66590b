"""Administration of accounts. Acts: add, renew, lock, suspend, withdraw, open again. Views: lists of
an agency or of all, the list of a review, one account with its history. In: the administrator, and the account.
Out: the changed account; a one-time code is shown once; persons with the posts that this administrator may see; persons of
other agencies alone are not found. Administrators cannot change their own account, nor one with more rights than they may
give."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.event import Event, EventKind
from gateway.domain.person import AccountStanding, Credentials, Person, Proposal, is_name
from gateway.domain.text import fold
from gateway.errors import Clash, Denied, NotFound
from gateway_office.accounts import pending_rights, posts, sessions, sign_in
from gateway_office.accounts.acting import Administrator, over_agency, over_person
from gateway_office.accounts.posts import WantedPost
from gateway_office.domain.roles import NODE, Post
from gateway_office.domain.session import Session, SessionEnd
from gateway_office.services import AccountServices
from gateway_office.store.accounts import AccountWork

_LOGIN = re.compile(r"[a-z0-9][a-z0-9.\-]{1,62}[a-z0-9]")
_LONGEST_NAME = 200
_LEAST_REASON = 10
MOST_EVENTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """Entry of a new person. `request` names the written request behind it: R92 (requests for accounts)."""

    login: str
    name: str
    title: str = ""
    email: str | None = None
    posts: tuple[WantedPost, ...] = ()
    request: str = ""


async def add(services: AccountServices, by: Administrator, new_account: NewAccount) -> tuple[Person, str]:
    """Add the account and return its one-time code; it has its posts at once, but no sign-in before the code is used."""
    async with services.changing(by.principal_id) as (work, now):
        return await add_account(services, work, by, new_account, now)


async def add_account(
    services: AccountServices,
    work: AccountWork,
    by: Administrator,
    new_account: NewAccount,
    now: datetime,
    *,
    is_confirmed: bool = False,
) -> tuple[Person, str]:
    """Add the account in the caller's transaction. `is_confirmed`: two people have agreed to its posts already."""
    code, digest = services.secrets.new_code()
    name, request = _words(new_account.name, "name"), " ".join(new_account.request.split())[:_LONGEST_NAME]
    _must_be_name(name)
    person = Person(
        id=services.clock.new_id("prn_"),
        name=name,
        login=_login(new_account.login),
        title=_words(new_account.title, "title") if new_account.title else "",
        email=new_account.email,
        roles=frozenset(),
        added_by=by.principal_id,
        added_at=now,
        roles_by=by.principal_id,
        roles_at=now,
    )
    for agency_id in sorted({post.agency_id for post in new_account.posts} or {NODE}):
        await over_agency(work, by, agency_id, now)
    await _must_be_free(work, new_account.login)
    await work.people.add(person, Credentials(code_digest=digest, code_until=now + services.rules.link))
    details: dict[str, object] = {"roles": []} | ({"request": request} if request else {})
    await work.events.append(EventKind.PERSON_ADDED, person.id, now, details)
    for post in new_account.posts:
        if is_confirmed:
            await posts.give_post(work, by, person, post, now)
        else:
            await posts.give_or_propose(work, by, person, post, now)
    return person, code


async def change_details(
    work: AccountWork, by: Administrator, person: Person, now: datetime, request: str, /, **details: str
) -> Person:
    """Change name, title or email in the caller's transaction, which has checked the right, on a written request."""
    texts = {field: _words(text, field) for field, text in details.items()}
    if "name" in texts:
        _must_be_name(texts["name"])
    changed = replace(person, **texts)  # type: ignore[arg-type]  # fields of texts alone
    await work.people.save(changed)
    facts = {"fields": sorted(texts), "request": request}
    await work.events.append(EventKind.ACCOUNT_CHANGED, person.id, now, facts)
    return changed


async def link(services: AccountServices, by: Administrator, login: str) -> tuple[Person, str]:
    """Renew the account with a one-time code: earlier password and second factor are void. It counts as a change of roles,
    like enrolling anew."""
    code, digest = services.secrets.new_code()
    async with _changing(services, by, login) as (work, person, now):
        changed = replace(person, enrolled_at=None, roles_by=by.principal_id, roles_at=now)
        await work.people.save(changed)
        credentials = Credentials(code_digest=digest, code_until=now + services.rules.link)
        await work.people.save_credentials(person.id, credentials)
        await work.past.put_codes(person.id, ())
        await sessions.end_all(work, person.id, now, SessionEnd.PASSWORD)
        await work.events.append(EventKind.ACCOUNT_LINK, person.id, now)
        await pending_rights.tell_all(work, person, "link", now)
    return changed, code


async def stand(
    services: AccountServices, by: Administrator, login: str, standing: AccountStanding, reason: str
) -> Person:
    """Lock, suspend, withdraw, or open again. A withdrawn account stays so: the person is added anew. An idle account
    counts as used from the moment at which it is opened again."""
    if len(reason.strip()) < _LEAST_REASON:
        raise Clash(f"a reason of at least {_LEAST_REASON} characters is needed", code="GW-REASON")
    async with _changing(services, by, login) as (work, person, now):
        return await set_standing(work, by, person, standing, reason, now)


async def set_standing(
    work: AccountWork,
    by: Administrator,
    person: Person,
    standing: AccountStanding,
    reason: str,
    now: datetime,
    request: str = "",
) -> Person:
    """Change the standing in the caller's transaction, which has checked the right."""
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
        await sessions.end_all(work, person.id, now, SessionEnd.STANDING)
    details = {"standing": standing.value, "reason": changed.standing_why}
    details |= {"request": request} if request else {}
    await work.events.append(EventKind.ACCOUNT_STANDING, person.id, now, details)
    await pending_rights.tell_all(work, person, "standing", now, **details)
    return changed


async def must_change(services: AccountServices, by: Administrator, login: str) -> Person:
    """Demand a new password before any other act, at the next call."""
    async with _changing(services, by, login) as (work, person, now):
        changed = replace(person, must_change=True)
        await work.people.save(changed)
        await work.events.append(EventKind.ACCOUNT_PASSWORD, person.id, now, {"must_change": True})
    return changed


async def unlock(services: AccountServices, by: Administrator, login: str) -> Person:
    """End the wait after too many wrong passwords. It gives no rights, so the machine's operator needs none; an
    administrator of a part of the node needs every agency of the person."""
    async with _changing(services, by, login, operator_may=True) as (work, person, now):
        credentials = await work.people.credentials(person.id)
        await work.people.save_credentials(person.id, replace(credentials, failures=0, locked_until=None))
        await sign_in.forgive_tries(work, *(name for name in (person.login, person.name) if name))
        await work.events.append(EventKind.ACCOUNT_UNLOCKED, person.id, now)
    return person


async def sign_out(services: AccountServices, by: Administrator, login: str) -> int:
    """End every session of another person and return their number. It ends them in all agencies at once, so the
    administrator needs all of them."""
    async with _changing(services, by, login, operator_may=True) as (work, person, now):
        return await sessions.end_all(work, person.id, now, SessionEnd.EVERYWHERE)


@asynccontextmanager
async def _changing(
    services: AccountServices, by: Administrator, login: str, *, operator_may: bool = False
) -> AsyncIterator[tuple[AccountWork, Person, datetime]]:
    """Yield an account in a unit of work that is committed at its end. `operator_may`: the machine's operator may always
    unlock and sign out; others as for any change of the whole account."""
    async with services.changing(by.principal_id) as (work, now):
        person = await work.people.find_by_name(login)
        if by.person_id is not None or not operator_may:
            await over_person(work, by, person, now)
        yield work, person, now


async def _must_be_free(work: AccountWork, login: str) -> None:
    """Refuse a taken name: people and mailboxes share one set of names."""
    if await work.mailboxes.find(login) is not None:
        raise Clash(
            f"{login} is the name of a mailbox; persons act for it under their own names", code="GW-LOGIN"
        )
    try:
        holder = await work.people.find_by_name(login)
    except NotFound:
        return
    raise Clash(f"{login} is the name of {holder.name} already", code="GW-LOGIN")


def _login(text: str) -> str:
    if _LOGIN.fullmatch(text) is None or fold(text) != text:
        raise Clash(
            "a name to sign in with has 3 to 64 of the letters a to z, digits, dots and hyphens",
            code="GW-LOGIN",
        )
    return text


def _must_be_name(name: str) -> None:
    if not is_name(name):
        raise Clash("a person's name has letters, blanks, dots, hyphens and apostrophes", code="GW-LOGIN")


def _words(text: str, field: str) -> str:
    words = " ".join(text.split())
    if not words or len(words) > _LONGEST_NAME or not words.isprintable():
        raise Clash(f"the {field} must have 1 to {_LONGEST_NAME} printable characters", code="GW-LOGIN")
    return words


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLine:
    """Person as lists show it (interfaces 2.12). `link_until` is the end of a one-time link that is still unused;
    `traffic_at` when an agency of the person last sent or received."""

    person: Person
    posts: tuple[Post, ...]
    has_factor: bool = False
    link_until: datetime | None = None
    traffic_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDetail(AccountLine):
    """One account in full. `is_ours`: this administrator may change it, which needs every agency of the person; sessions
    belong to the whole account, so others do not see them."""

    is_ours: bool
    sessions: tuple[Session, ...]
    events: tuple[Event, ...]
    waiting: tuple[Proposal, ...]
    """Changes of its rights that wait for a second person."""
    names: Mapping[str, str]
    """Names of the persons behind the events, by id."""


async def account_lines(
    services: AccountServices,
    by: Administrator,
    agency_id: str | None,
    fits: Callable[[Person, tuple[Post, ...]], bool],
    skip: int,
    most: int,
) -> tuple[Sequence[AccountLine], int]:
    """List some of an agency's persons, and their total: the longest unused first, never used ones by name; of the node for
    the empty agency, and of every agency for None, which needs an administrator of the node."""
    now = services.clock.now()
    async with services.accounts.read() as view:
        await over_agency(view, by, NODE if agency_id is None else agency_id, now)
        posts = await (view.posts.all() if agency_id is None else view.posts.in_agency(agency_id))
        posts_by_person: dict[str, list[Post]] = {}
        for post in posts:
            posts_by_person.setdefault(post.person_id, []).append(post)
        people = [
            (p, tuple(posts_by_person.get(p.id, ())))
            for p in await view.people.all()
            if p.login is not None and (agency_id is None or p.id in posts_by_person)
        ]
        people = [p for p in people if fits(*p)]
        people.sort(key=lambda p: p[0].last_login_at.timestamp() if p[0].last_login_at else 0.0)
        traffic = await view.last_traffic()
        lines = [await _account_line(view, traffic, *p) for p in people[skip : skip + most]]
    return lines, len(people)


async def look_at(services: AccountServices, by: Administrator, id: str) -> AccountDetail:
    """Load an account. Raise NotFound for a person without a post where this administrator administers."""
    now = services.clock.now()
    async with services.accounts.read() as view:
        person = await view.people.get(id)
        sees_all = await _is_allowed(over_agency(view, by, NODE, now))
        posts = await view.posts.of_persons({id})
        waiting = [p for p in await view.proposals.of_rights(now) if p.content.rights[0].person_id == id]
        if not sees_all:
            posts = [post for post in posts if await _is_allowed(over_agency(view, by, post.agency_id, now))]
            waiting = [
                p
                for p in waiting
                if await _is_allowed(over_agency(view, by, p.content.agency_id or NODE, now))
            ]
            if not (posts or waiting) and person.added_by != by.principal_id:
                raise NotFound(f"there is no person {id}")
        line = await _account_line(view, await view.last_traffic(), person, tuple(posts))
        places = {post.agency_id for post in posts} | {p.content.agency_id for p in waiting}
        events = [
            event
            for event in reversed(await view.events.of_subject(id))
            if sees_all or event.data.get("agency") in {None, *places}
        ][:MOST_EVENTS]
        names = {p.id: p.name for p in await view.people.all()}
        is_ours = await _is_allowed(over_person(view, by, person, now))
    return AccountDetail(
        person=person,
        posts=line.posts,
        has_factor=line.has_factor,
        link_until=line.link_until,
        traffic_at=line.traffic_at,
        is_ours=is_ours,
        sessions=tuple(await sessions.open_of(services, person)) if is_ours or by.person_id == id else (),
        events=tuple(events),
        waiting=tuple(waiting),
        names=names,
    )


async def logins(services: AccountServices) -> frozenset[str]:
    """List all login names, for suggesting a free one."""
    async with services.accounts.read() as view:
        return frozenset(person.login for person in await view.people.all() if person.login)


async def last_review(services: AccountServices, agency_id: str) -> Event | None:
    """Return the last review of the accounts of that agency, or of the node."""
    async with services.accounts.read() as view:
        events = await view.events.of_subject(f"accounts:{agency_id or 'node'}")
    reviews = [event for event in events if event.kind is EventKind.ACCOUNT_REVIEWED]
    return max(reviews, key=lambda event: event.at, default=None)


async def _account_line(
    view: AccountWork, traffic: Mapping[str, datetime], person: Person, posts: tuple[Post, ...]
) -> AccountLine:
    credentials = await view.people.credentials(person.id)
    return AccountLine(
        person=person,
        posts=posts,
        has_factor=credentials.sealed_totp is not None,
        link_until=credentials.code_until if credentials.code_digest is not None else None,
        traffic_at=sessions.latest_traffic(posts, traffic),
    )


async def _is_allowed(check: Awaitable[None]) -> bool:
    try:
        await check
    except Denied:
        return False
    return True


async def review_lines(services: AccountServices, by: Administrator, agency_id: str) -> Sequence[AccountLine]:
    """List the accounts by name; the empty agency gives those of the node. Posts of other agencies are not shown."""
    async with services.accounts.read() as view:
        await over_agency(view, by, agency_id, services.clock.now())
        return await list_for_review(view, agency_id)


async def list_for_review(view: AccountWork, agency_id: str) -> Sequence[AccountLine]:
    """List the accounts in the caller's transaction, which has checked the right."""
    posts = await view.posts.in_agency(agency_id)
    ids = {post.person_id for post in posts}
    people = [p for p in await view.people.all() if p.id in ids]
    traffic = await view.last_traffic()
    return [
        await _account_line(view, traffic, p, tuple(post for post in posts if post.person_id == p.id))
        for p in people
    ]
