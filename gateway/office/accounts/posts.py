"""What a person is in an agency: posts given and taken, rights lent to another for a time (R95), and mailboxes, which
are the names of desks such as a clerk's office (R85). In: who administers or who lends, a person, a role or rights,
an agency. Out: the person has the post, or not any more, and every session of the person ends, so that none goes on
under a token of before; a delegation that is in force once a head agreed, or at once by a head's own written act,
and acts done under it name both persons; a mailbox, for which whoever holds its role there acts under the own name.
Nobody signs in as a mailbox, and no person may be called like one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.event import EventKind
from gateway.domain.person import Person
from gateway.errors import Clash, Denied, NotFound
from gateway.office.accounts import sessions
from gateway.office.accounts.acting import Acting, By, over_agency, rights_of
from gateway.office.desks import AccountDesk
from gateway.office.domain.roles import NODE, Delegation, Mailbox, Post, PostRole, Right
from gateway.office.domain.session import Ended
from gateway.office.policy import rights
from gateway.office.policy.rights import NEVER_DELEGATED, LendingObjection
from gateway.office.store.accounts import AccountWork

_LONGEST_UNIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPost:
    """A post to be given. The agency is empty for a post of the node."""

    role: PostRole
    agency_id: str = NODE
    unit: str = ""
    until: datetime | None = None


async def give(desk: AccountDesk, by: By, login: str, wanted: WantedPost) -> Post:
    """The same post again replaces unit and term. Clash for a role that belongs elsewhere."""
    async with desk.changing(by.principal_id) as (work, now):
        person = await work.people.named(login)
        await _may_give(work, by, person, wanted.agency_id, now)
        post = await put(work, by, person, wanted, now)
        await sessions.end_all(work, person.id, now, Ended.RIGHTS)
    return post


async def take(desk: AccountDesk, by: By, login: str, role: PostRole, agency_id: str = NODE) -> None:
    """NotFound when the person did not have it; Denied for the node's last operator, whom nobody could give it back."""
    async with desk.changing(by.principal_id) as (work, now):
        person = await work.people.named(login)
        await _may_give(work, by, person, agency_id, now)
        if role is PostRole.OPERATOR and await _is_last_operator(work, person, now):
            raise Denied(
                "this is the last operator; give the post to somebody else first", code="GW-LAST-ADMIN"
            )
        if not await work.posts.take(person.id, agency_id, role):
            raise NotFound(f"{person.name} has not the post {role} there")
        await sessions.end_all(work, person.id, now, Ended.RIGHTS)
        told = {"role": role.value, "agency": agency_id or None}
        await work.events.append(EventKind.POST_TAKEN, person.id, now, told)


async def put(work: AccountWork, by: By, person: Person, wanted: WantedPost, now: datetime) -> Post:
    """In the caller's transaction, which asked already whether it may be."""
    await _post_must_fit(work, wanted, now)
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


async def _may_give(work: AccountWork, by: By, person: Person, agency_id: str, now: datetime) -> None:
    if by.person_id == person.id:
        raise Denied("nobody gives or takes posts of one's own", code="GW-OWN-RIGHTS")
    await over_agency(work, by, agency_id, now)


async def _post_must_fit(work: AccountWork, wanted: WantedPost, now: datetime) -> None:
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
    for each in await work.posts.in_agency(NODE):
        is_other = each.role is PostRole.OPERATOR and each.holds(now) and each.person_id != person.id
        if is_other and (await work.people.get(each.person_id)).is_active:
            return False
    return True


MOST_DELEGATIONS = 200
_LONGEST_WORDS = 500
_DENIED = frozenset({LendingObjection.RIGHT, LendingObjection.SELF, LendingObjection.SCOPE})


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDelegation:
    """What is entered. `act_number` is the number of the head's written act, empty for everybody else."""

    to_login: str
    rights: Collection[Right]
    starts_at: datetime
    ends_at: datetime
    reason: str
    act_number: str = ""


async def delegate(desk: AccountDesk, acting: Acting, wanted: WantedDelegation) -> Delegation:
    """In the chosen agency. A head's is in force from its beginning; anybody else's waits for a head."""
    acting.require(Right.DELEGATE)
    agency_id = acting.session.agency_id or ""
    async with desk.changing(acting.person.id) as (work, now):
        other = await work.people.named(wanted.to_login)
        if not other.is_active:
            raise Clash("who is to act has no account that can be used", code="GW-DELEGATE-SELF")
        made = Delegation(
            id=desk.clock.new_id("dlg_"),
            agency_id=agency_id,
            from_id=acting.person.id,
            to_id=other.id,
            rights=frozenset(wanted.rights),
            starts_at=max(wanted.starts_at, now),
            ends_at=wanted.ends_at,
            reason=wanted.reason.strip()[:_LONGEST_WORDS],
            made_at=now,
            act_number=" ".join(wanted.act_number.split())[:_LONGEST_WORDS],
        )
        lender = await rights_of(work, acting.person.id, now)
        borrower = (await rights_of(work, other.id, now)).agencies(now)
        _raise_objection(rights.objection_to_lending(made, lender, borrower, now))
        await work.delegations.add(made)
        await _tell_delegation(work, EventKind.DELEGATION_MADE, made, now)
    return made


async def approve_delegation(desk: AccountDesk, acting: Acting, id: str) -> Delegation:
    """A head agrees: from then on it is in force for its time."""
    acting.require(Right.APPROVE_DELEGATION)
    async with desk.changing(acting.person.id) as (work, now):
        found = await work.delegations.get(acting.session.agency_id or "", id)
        held = await rights_of(work, acting.person.id, now)
        _raise_objection(rights.objection_to_approving(found, held, now))
        agreed = replace(found, approver_id=acting.person.id, approved_at=now)
        await _change_delegation(work, EventKind.DELEGATION_APPROVED, agreed, now)
    return agreed


async def end_delegation(desk: AccountDesk, acting: Acting, id: str) -> Delegation:
    """It holds no longer, or, not agreed yet, never will."""
    async with desk.changing(acting.person.id) as (work, now):
        found = await work.delegations.get(acting.session.agency_id or "", id)
        held = await rights_of(work, acting.person.id, now)
        _raise_objection(rights.objection_to_ending(found, held, now))
        ended = replace(found, ended_at=now, ended_by=acting.person.id)
        await _change_delegation(work, EventKind.DELEGATION_ENDED, ended, now)
    return ended


async def _change_delegation(work: AccountWork, kind: EventKind, changed: Delegation, now: datetime) -> None:
    await work.delegations.save(changed)
    await _tell_delegation(work, kind, changed, now)


async def delegations_seen(desk: AccountDesk, acting: Acting) -> Sequence[Delegation]:
    """Those of the chosen agency, newest first: all for heads and administrators, one's own for everybody else."""
    agency_id = acting.session.agency_id or ""
    async with desk.accounts.read() as view:
        found = await view.delegations.listed(agency_id, MOST_DELEGATIONS)
    if acting.may(Right.APPROVE_DELEGATION) or acting.may(Right.ACCOUNTS):
        return found
    return [each for each in found if acting.person.id in (each.from_id, each.to_id)]


async def possible_borrowers(desk: AccountDesk, acting: Acting) -> Sequence[Person]:
    """Whom rights can be lent to: everybody active with a post in the chosen agency but oneself, by name."""
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        posts = await view.posts.in_agency(acting.session.agency_id or "")
        people = await view.people.everybody()
    ids = {each.person_id for each in posts if each.holds(now)} - {acting.person.id}
    return [each for each in people if each.id in ids and each.is_active]


def lendable_rights(acting: Acting) -> Sequence[Right]:
    """What the person may do by an own post in the chosen agency, and may pass on."""
    own, where = replace(acting.rights, lent=()), acting.session.agency_id or ""
    return [each for each in Right if each not in NEVER_DELEGATED and own.may(each, where, acting.at)]


async def names_in_delegations(desk: AccountDesk, found: Collection[Delegation]) -> Mapping[str, str]:
    """The names of everybody who stands in these delegations, by id."""
    ids = {id for each in found for id in (each.from_id, each.to_id, each.approver_id, each.ended_by) if id}
    async with desk.accounts.read() as view:
        return await view.people.names(ids)


async def _tell_delegation(work: AccountWork, kind: EventKind, about: Delegation, now: datetime) -> None:
    told = {
        "agency": about.agency_id,
        "from": about.from_id,
        "to": about.to_id,
        "rights": sorted(about.rights),
        "starts_at": about.starts_at.isoformat(),
        "ends_at": about.ends_at.isoformat(),
        "act": about.act_number,
        "reason": about.reason,
    }
    await work.events.append(kind, about.id, now, told)


def _raise_objection(objection: LendingObjection | None) -> None:
    if objection in _DENIED:
        raise Denied("this delegation may not be made or changed so", code=objection)
    if objection is not None:
        raise Clash("this delegation cannot be made or changed so", code=objection)


_MAILBOX_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]{1,62}[a-z0-9]")
_MAILBOX_ROLES = frozenset({PostRole.CLERK, PostRole.AGENCY_ADMIN})


async def make_mailbox(desk: AccountDesk, by: By, agency_id: str, name: str, role: PostRole) -> Mailbox:
    """Clash when a person or a mailbox has that name. Of clerks and administrators alone."""
    now = desk.clock.now()
    if role not in _MAILBOX_ROLES or _MAILBOX_NAME.fullmatch(name) is None:
        raise Clash(
            "a mailbox is one of clerks or administrators, named with a to z, digits and dots",
            code="GW-MAILBOX",
        )
    made = Mailbox(agency_id=agency_id, name=name, role=role, made_by=by.principal_id, made_at=now)
    async with desk.changing(by.principal_id) as (work, _):
        await over_agency(work, by, agency_id, now)
        if agency_id not in await work.agency_codes():
            raise NotFound(f"this node does not host agency {agency_id}")
        try:
            await work.people.named(name)
        except NotFound:
            await work.mailboxes.add(made)
        else:
            raise Clash(f"{name} is a person's name to sign in with", code="GW-MAILBOX")
        told = {"agency": agency_id, "role": role.value}
        await work.events.append(EventKind.MAILBOX_MADE, f"mailbox:{name}", now, told)
    return made


async def close_mailbox(desk: AccountDesk, by: By, agency_id: str, name: str) -> None:
    """Nobody acts for it any more; the name stays taken."""
    async with desk.changing(by.principal_id) as (work, now):
        await over_agency(work, by, agency_id, now)
        await work.mailboxes.close(agency_id, name, now)
        await work.events.append(EventKind.MAILBOX_CLOSED, f"mailbox:{name}", now, {"agency": agency_id})


async def mailboxes_of(desk: AccountDesk, agency_id: str) -> Sequence[tuple[Mailbox, tuple[Person, ...]]]:
    """Every mailbox of the agency with who acts for it now."""
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        found = await view.mailboxes.listed(agency_id)
        posts = await view.posts.in_agency(agency_id)
        people = {each.id: each for each in await view.people.everybody()}
    return [
        (each, tuple(people[id] for id in sorted(each.actors(posts, now)) if people[id].is_active))
        for each in found
    ]


async def own_mailboxes(desk: AccountDesk, acting: Acting) -> Sequence[Mailbox]:
    """For which mailboxes of the chosen agency this person acts."""
    agency_id = acting.session.agency_id
    if agency_id is None:
        return []
    async with desk.accounts.read() as view:
        found = await view.mailboxes.listed(agency_id)
    return [
        each
        for each in found
        if each.closed_at is None and acting.person.id in each.actors(acting.rights.posts, acting.at)
    ]
