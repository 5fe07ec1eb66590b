"""Posts given and taken. In: who administers, a person, a role in an agency or in the node. Out: the person has it, or not
any more; every session of the person ends, so that none goes on under a token of before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.event import EventKind
from gateway.domain.person import Person
from gateway.errors import Clash, Denied, NotFound
from gateway.office.accounts import sessions
from gateway.office.accounts.acting import By, over_agency
from gateway.office.accounts.desk import AccountDesk
from gateway.office.domain.post import NODE, Post, PostRole
from gateway.office.domain.session import Ended
from gateway.office.ports.accounts import AccountWork

_LONGEST_UNIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A post to be given. The agency is empty for a post of the node."""

    role: PostRole
    agency_id: str = NODE
    unit: str = ""
    until: datetime | None = None


async def give(desk: AccountDesk, by: By, login: str, wanted: Wanted) -> Post:
    """The same post again replaces unit and term. Clash for a role that belongs elsewhere."""
    now = desk.clock.now()
    async with desk.accounts.begin(by.principal_id) as work:
        person = await work.people.named(login)
        await _may(work, by, person, wanted.agency_id, now)
        post = await put(work, by, person, wanted, now)
        await sessions.end_all(work, person.id, now, Ended.RIGHTS)
        await work.commit()
    return post


async def take(desk: AccountDesk, by: By, login: str, role: PostRole, agency_id: str = NODE) -> None:
    """NotFound when the person did not have it; Denied for the node's last operator, whom nobody could give it back."""
    now = desk.clock.now()
    async with desk.accounts.begin(by.principal_id) as work:
        person = await work.people.named(login)
        await _may(work, by, person, agency_id, now)
        if role is PostRole.OPERATOR and await _is_last_operator(work, person, now):
            raise Denied(
                "this is the last operator; give the post to somebody else first", code="GW-LAST-ADMIN"
            )
        if not await work.posts.take(person.id, agency_id, role):
            raise NotFound(f"{person.name} has not the post {role} there")
        await sessions.end_all(work, person.id, now, Ended.RIGHTS)
        told = {"role": role.value, "agency": agency_id or None}
        await work.events.append(EventKind.POST_TAKEN, person.id, now, told)
        await work.commit()


async def put(work: AccountWork, by: By, person: Person, wanted: Wanted, now: datetime) -> Post:
    """In the caller's transaction, which asked already whether it may be."""
    await _must_fit(work, wanted, now)
    post = Post(
        person_id=person.id,
        role=wanted.role,
        agency_id=wanted.agency_id,
        unit=" ".join(wanted.unit.split())[:_LONGEST_UNIT],
        given_by=by.principal_id,
        given_at=now,
        until=wanted.until,
    )
    await work.posts.give(post)
    told = {
        "role": post.role.value,
        "agency": post.agency_id or None,
        "unit": post.unit,
        "until": post.until.isoformat() if post.until else None,
    }
    await work.events.append(EventKind.POST_GIVEN, person.id, now, told)
    return post


async def _may(work: AccountWork, by: By, person: Person, agency_id: str, now: datetime) -> None:
    if by.person_id == person.id:
        raise Denied("nobody gives or takes posts of one's own", code="GW-OWN-RIGHTS")
    await over_agency(work, by, agency_id, now)


async def _must_fit(work: AccountWork, wanted: Wanted, now: datetime) -> None:
    if wanted.role is PostRole.SYSTEM:
        raise Clash("programs have API keys; this post is no person's", code="GW-POST")
    if wanted.role.is_of_node != (wanted.agency_id == NODE):
        raise Clash(
            f"the post {wanted.role} belongs to {'the node' if wanted.role.is_of_node else 'an agency'}",
            code="GW-POST",
        )
    if wanted.agency_id != NODE and wanted.agency_id not in await work.agency_codes():
        raise NotFound(f"this node does not host agency {wanted.agency_id}")
    if wanted.until is not None and wanted.until <= now:
        raise Clash("the post would be over before it begins", code="GW-POST")


async def _is_last_operator(work: AccountWork, person: Person, now: datetime) -> bool:
    found = await work.posts.in_agency(NODE)
    others = [
        each
        for each in found
        if each.role is PostRole.OPERATOR and each.holds(now) and each.person_id != person.id
    ]
    active = [each for each in others if (await work.people.get(each.person_id)).is_active]
    return not active
