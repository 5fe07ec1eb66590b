"""What administrators do with accounts: add, let somebody begin anew, lock, suspend, withdraw, open again. In: who
administers, and whose account. Out: the account as it is now; a one-time code is told once. Nobody does it to the own
account, and nobody to an account that may do more than they may give."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.event import EventKind
from gateway.domain.person import Credentials, Person, Standing, is_name
from gateway.domain.text import fold
from gateway.errors import Clash, NotFound
from gateway.office.accounts import posts, sessions, tries
from gateway.office.accounts.acting import By, over_agency, over_person
from gateway.office.accounts.desk import AccountDesk
from gateway.office.accounts.posts import Wanted
from gateway.office.domain.post import NODE
from gateway.office.domain.session import Ended
from gateway.office.ports.accounts import AccountWork

_LOGIN = re.compile(r"[a-z0-9][a-z0-9.\-]{1,62}[a-z0-9]")
_LONGEST = 200
_LEAST_REASON = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What is entered of a person. `request` names the written request that it is done by (R92)."""

    login: str
    name: str
    title: str = ""
    email: str | None = None
    posts: tuple[Wanted, ...] = ()
    request: str = ""


async def add(desk: AccountDesk, by: By, wanted: NewAccount) -> tuple[Person, str]:
    """The account and its one-time code; it has its posts at once, and nobody signs in before taking it up."""
    now = desk.clock.now()
    code, digest = desk.secrets.new_code()
    person = Person(
        id=desk.clock.new_id("prn_"),
        name=_named(wanted.name),
        login=_login(wanted.login),
        title=_words(wanted.title, "title") if wanted.title else "",
        email=wanted.email,
        roles=frozenset(),
        added_by=by.principal_id,
        added_at=now,
        roles_by=by.principal_id,
        roles_at=now,
    )
    async with desk.accounts.begin(by.principal_id) as work:
        for agency_id in sorted({each.agency_id for each in wanted.posts} or {NODE}):
            await over_agency(work, by, agency_id, now)
        await _must_be_free(work, wanted.login)
        await work.people.add(person, Credentials(code_digest=digest, code_until=now + desk.rules.link))
        await work.events.append(EventKind.PERSON_ADDED, person.id, now, _told(wanted))
        for each in wanted.posts:
            await posts.put(work, by, person, each, now)
        await work.commit()
    return person, code


async def link(desk: AccountDesk, by: By, login: str) -> tuple[Person, str]:
    """The person begins anew with the code: password and second factor of before are worth nothing from now on. It counts
    as a change of roles, like enrolling anew."""
    now = desk.clock.now()
    code, digest = desk.secrets.new_code()
    async with desk.accounts.begin(by.principal_id) as work:
        person = await work.people.named(login)
        await over_person(work, by, person, now)
        changed = replace(person, enrolled_at=None, roles_by=by.principal_id, roles_at=now)
        await work.people.save(changed)
        kept = Credentials(code_digest=digest, code_until=now + desk.rules.link)
        await work.people.save_credentials(person.id, kept)
        await work.past.put_codes(person.id, ())
        await sessions.end_all(work, person.id, now, Ended.PASSWORD)
        await work.events.append(EventKind.ACCOUNT_LINK, person.id, now)
        await work.commit()
    return changed, code


async def stand(desk: AccountDesk, by: By, login: str, standing: Standing, reason: str) -> Person:
    """Locked, suspended, withdrawn, or active again. What was withdrawn stays so: the person is added anew. An account that
    idleness took out counts as used from the moment at which it is opened again."""
    now = desk.clock.now()
    if len(reason.strip()) < _LEAST_REASON:
        raise Clash(f"a reason of at least {_LEAST_REASON} characters is needed", code="GW-REASON")
    async with desk.accounts.begin(by.principal_id) as work:
        person = await work.people.named(login)
        await over_person(work, by, person, now)
        if person.standing is Standing.WITHDRAWN or person.standing is standing:
            raise Clash(f"the account is {person.standing} already", code="GW-ACCOUNT-STATE")
        changed = replace(
            person,
            standing=standing,
            standing_why=reason.strip()[:500],
            standing_by=by.principal_id,
            standing_at=now,
            warned_at=None,
            last_login_at=now if standing is Standing.ACTIVE else person.last_login_at,
        )
        await work.people.save(changed)
        if standing is not Standing.ACTIVE:
            await sessions.end_all(work, person.id, now, Ended.STANDING)
        told = {"standing": standing.value, "reason": changed.standing_why}
        await work.events.append(EventKind.ACCOUNT_STANDING, person.id, now, told)
        await work.commit()
    return changed


async def must_change(desk: AccountDesk, by: By, login: str) -> Person:
    """At the next call the person changes the password before anything else."""
    now = desk.clock.now()
    async with desk.accounts.begin(by.principal_id) as work:
        person = await work.people.named(login)
        await over_person(work, by, person, now)
        changed = replace(person, must_change=True)
        await work.people.save(changed)
        await work.events.append(EventKind.ACCOUNT_PASSWORD, person.id, now, {"must_change": True})
        await work.commit()
    return changed


async def unlock(desk: AccountDesk, by: By, login: str) -> Person:
    """Nobody waits any more who typed a wrong password too often. It gives nothing to anybody, so the machine's operator is
    not asked for a right; whoever administers a part of the node is asked for every agency of the person."""
    now = desk.clock.now()
    async with desk.accounts.begin(by.principal_id) as work:
        person = await work.people.named(login)
        await _over_persons_access(work, by, person, now)
        kept = await work.people.credentials(person.id)
        await work.people.save_credentials(person.id, replace(kept, failures=0, locked_until=None))
        await tries.forgive(work, *(each for each in (person.login, person.name) if each))
        await work.events.append(EventKind.ACCOUNT_UNLOCKED, person.id, now)
        await work.commit()
    return person


async def sign_out(desk: AccountDesk, by: By, login: str) -> int:
    """Ends every session of somebody else; how many. In all agencies at once, so whoever does it administers them all."""
    now = desk.clock.now()
    async with desk.accounts.begin(by.principal_id) as work:
        person = await work.people.named(login)
        await _over_persons_access(work, by, person, now)
        count = await sessions.end_all(work, person.id, now, Ended.EVERYWHERE)
        await work.commit()
    return count


async def _over_persons_access(work: AccountWork, by: By, person: Person, now: datetime) -> None:
    """The machine's operator may always let in and send out; everybody else as for any change of the whole account."""
    if by.person_id is not None:
        await over_person(work, by, person, now)


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


def _named(text: str) -> str:
    found = _words(text, "name")
    if not is_name(found):
        raise Clash("a person's name has letters, blanks, dots, hyphens and apostrophes", code="GW-LOGIN")
    return found


def _words(text: str, what: str) -> str:
    found = " ".join(text.split())
    if not found or len(found) > _LONGEST or not found.isprintable():
        raise Clash(f"the {what} must have 1 to {_LONGEST} printable characters", code="GW-LOGIN")
    return found


def _told(wanted: NewAccount) -> Mapping[str, object]:
    request = " ".join(wanted.request.split())[:_LONGEST]
    return {"roles": []} | ({"request": request} if request else {})


def states() -> Sequence[Standing]:
    """In the order in which pages show them."""
    return tuple(Standing)
