"""Posts of a person in an agency, given and taken; rights lent to another for a time, R95 (delegation); and mailboxes, R85
(mailboxes of desks), such as a clerk's office. In: the administrator or the lender, a person, a role or rights, an agency.
Out: the post is given or taken, at once or once a second administrator confirmed it, and every session of the person ends,
so that none goes on under an earlier token; a delegation that is in force once a head agreed, or at once by a head's own
written act, and acts done under it name both persons; a mailbox, for which holders of its role act under their own names.
Sign-in as a mailbox is impossible, and no person may have a mailbox's name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.agency_profile import OFF, ON, RIGHTS_CONFIRMED, ProfileVersion
from gateway.domain.event import EventKind
from gateway.domain.person import Person, Proposal, RightsAct, RightsChange
from gateway.errors import Clash, Denied, NotFound
from gateway_office.accounts import pending_rights, sessions, units
from gateway_office.accounts.acting import Acting, Administrator, over_agency, rights_of
from gateway_office.domain.roles import NODE, Delegation, Mailbox, Post, PostRole, Right
from gateway_office.domain.session import SessionEnd
from gateway_office.policy import rights
from gateway_office.policy.rights import NEVER_DELEGATED, LendingObjection
from gateway_office.services import AccountServices
from gateway_office.store.accounts import AccountWork

MOST_DELEGATIONS = 200
_LONGEST_WORDS = 500
_DENIED = frozenset({LendingObjection.RIGHT, LendingObjection.SELF, LendingObjection.SCOPE})
_MAILBOX_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]{1,62}[a-z0-9]")
_MAILBOX_ROLES = frozenset({PostRole.CLERK, PostRole.AGENCY_ADMIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPost:
    """Post to be given. The agency is empty for a post of the node."""

    role: PostRole
    agency_id: str = NODE
    unit: str = ""
    ends_at: datetime | None = None


async def give(services: AccountServices, by: Administrator, login: str, wish: WantedPost) -> Proposal | None:
    """Give a post; the same post again replaces unit and term. Return the proposal where a second person must confirm it
    first (R122). Raise Clash for a role that belongs elsewhere."""
    async with services.changing(by.principal_id) as (work, now):
        person = await work.people.find_by_name(login)
        await _may_give(work, by, person, wish.agency_id, now)
        return await give_or_propose(work, by, person, wish, now)


async def take(
    services: AccountServices, by: Administrator, login: str, role: PostRole, agency_id: str = NODE
) -> Proposal | None:
    """Take a post, or propose it as `give` does. Raise NotFound when the person did not have it; Denied for the node's
    last operator, who could not get it back."""
    async with services.changing(by.principal_id) as (work, now):
        person = await work.people.find_by_name(login)
        await _may_give(work, by, person, agency_id, now)
        if role is PostRole.OPERATOR and await _is_last_operator(work, person, now):
            raise Denied(
                "this is the last operator; give the post to somebody else first", code="GW-LAST-ADMIN"
            )
        if await pending_rights.wait_for_second(work, by, agency_id, now):
            await _must_have(work, person, agency_id, role)
            return await _propose(
                work, by, RightsAct.TAKE, person, WantedPost(role=role, agency_id=agency_id), now
            )
        await take_post(work, person, role, agency_id, now)
    return None


async def give_or_propose(
    work: AccountWork, by: Administrator, person: Person, wish: WantedPost, now: datetime
) -> Proposal | None:
    """Give a post in the caller's transaction, which has checked the right; propose it where a second person confirms."""
    if await pending_rights.wait_for_second(work, by, wish.agency_id, now):
        await _post_must_fit(work, wish, now)
        return await _propose(work, by, RightsAct.GIVE, person, wish, now)
    await give_post(work, by, person, wish, now)
    await sessions.end_all(work, person.id, now, SessionEnd.RIGHTS)
    return None


async def confirm(services: AccountServices, by: Administrator, id: str, shown_digest: str) -> Proposal:
    """Put a proposed change of rights in force as the second person. Raise Denied with the objection, which is recorded."""
    async with services.changing(by.principal_id) as (work, now):
        proposal, change = await pending_rights.load(work, by, id, now)
        objection = await pending_rights.objection_to_confirming(work, by, proposal, shown_digest, now)
        if objection is None:
            await _put_in_force(work, by, change, now)
        await pending_rights.close(work, by, proposal, objection, now)
    pending_rights.raise_objection(objection)
    return proposal


async def _put_in_force(work: AccountWork, by: Administrator, change: RightsChange, now: datetime) -> None:
    if change.act == RightsAct.SETTING:
        await _set_aside_second_person(work, by, change.agency_id, now)
        return
    person, role = await work.people.get(change.person_id), PostRole(change.role)
    if change.act == RightsAct.TAKE:
        await take_post(work, person, role, change.agency_id, now)
        return
    wish = WantedPost(role=role, agency_id=change.agency_id, unit=change.unit, ends_at=change.until)
    await give_post(work, by, person, wish, now)
    await sessions.end_all(work, person.id, now, SessionEnd.RIGHTS)


async def _set_aside_second_person(
    work: AccountWork, by: Administrator, agency_id: str, now: datetime
) -> None:
    names = await work.people.names({by.principal_id})
    version = ProfileVersion(
        id=work.new_id("prf_"),
        key=RIGHTS_CONFIRMED,
        value=OFF,
        set_by=by.principal_id,
        set_at=now,
        from_when=now,
        set_by_name=names.get(by.principal_id, ""),
    )
    await work.profile_of(agency_id).add(version)
    details = {"setting": RIGHTS_CONFIRMED, "value": OFF, "before": ON, "from": now.isoformat()}
    await work.tell_agency(agency_id, EventKind.PROFILE_SET, agency_id, now, details)
    await pending_rights.tell(work, agency_id, RightsAct.SETTING, now, person="")


async def _propose(
    work: AccountWork, by: Administrator, act: RightsAct, person: Person, wish: WantedPost, now: datetime
) -> Proposal:
    change = RightsChange(
        act=act,
        agency_id=wish.agency_id,
        person_id=person.id,
        role=wish.role.value,
        unit=wish.unit,
        until=wish.ends_at,
    )
    before = await pending_rights.account_digest(work, change)
    return await pending_rights.propose(work, by, replace(change, before=before), now)


async def _must_have(work: AccountWork, person: Person, agency_id: str, role: PostRole) -> None:
    if not any((p.agency_id, p.role) == (agency_id, role) for p in await work.posts.of_persons({person.id})):
        raise NotFound(f"{person.name} has not the post {role} there")


async def take_post(work: AccountWork, person: Person, role: PostRole, agency_id: str, now: datetime) -> None:
    """Take a post in the caller's transaction, which has checked the right already."""
    if not await work.posts.take(person.id, agency_id, role):
        raise NotFound(f"{person.name} has not the post {role} there")
    await sessions.end_all(work, person.id, now, SessionEnd.RIGHTS)
    details = {"role": role.value, "agency": agency_id or None}
    await work.events.append(EventKind.POST_WITHDRAWN, person.id, now, details)
    await pending_rights.tell(work, agency_id, RightsAct.TAKE, now, person=person.id, role=role.value)


async def give_post(
    work: AccountWork, by: Administrator, person: Person, wish: WantedPost, now: datetime
) -> Post:
    """Give a post in the caller's transaction, which has checked the right already."""
    await _post_must_fit(work, wish, now)
    unit = await units.listed_name(work, wish.agency_id, wish.unit, now) if wish.agency_id else ""
    post = Post(
        person_id=person.id,
        role=wish.role,
        agency_id=wish.agency_id,
        unit=unit,
        given_by=by.principal_id,
        given_at=now,
        until=wish.ends_at,
    )
    await work.posts.give(post)
    details = {
        "role": post.role.value,
        "agency": post.agency_id or None,
        "unit": post.unit,
        "until": post.until.isoformat() if post.until else None,
    }
    await work.events.append(EventKind.POST_ASSIGNED, person.id, now, details)
    await pending_rights.tell(
        work, wish.agency_id, RightsAct.GIVE, now, person=person.id, role=post.role.value, unit=post.unit
    )
    return post


async def _may_give(
    work: AccountWork, by: Administrator, person: Person, agency_id: str, now: datetime
) -> None:
    if by.person_id == person.id:
        raise Denied("nobody gives or takes posts of one's own", code="GW-OWN-RIGHTS")
    await over_agency(work, by, agency_id, now)


async def _post_must_fit(work: AccountWork, wish: WantedPost, now: datetime) -> None:
    if wish.role is PostRole.SYSTEM:
        raise Clash("programs have API keys; this post is no person's", code="GW-POST")
    if wish.role.is_of_node != (wish.agency_id == NODE):
        raise Clash(
            f"the post {wish.role} belongs to {'the node' if wish.role.is_of_node else 'an agency'}",
            code="GW-POST",
        )
    if wish.agency_id != NODE and wish.agency_id not in await work.agency_codes():
        raise NotFound(f"this node does not host agency {wish.agency_id}")
    if wish.ends_at is not None and wish.ends_at <= now:
        raise Clash("the post would be over before it begins", code="GW-POST")


async def _is_last_operator(work: AccountWork, person: Person, now: datetime) -> bool:
    for post in await work.posts.in_agency(NODE):
        is_other = post.role is PostRole.OPERATOR and post.holds(now) and post.person_id != person.id
        if is_other and (await work.people.get(post.person_id)).is_active:
            return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDelegation:
    """Entry of a delegation. `act_number` is the number of the head's written act, empty for other lenders."""

    to_login: str
    rights: Collection[Right]
    starts_at: datetime
    ends_at: datetime
    reason: str
    act_number: str = ""


async def delegate(services: AccountServices, acting: Acting, wish: WantedDelegation) -> Delegation:
    """Lend rights in the chosen agency. A head's delegation is in force from its beginning; another's waits for a head."""
    acting.require(Right.DELEGATE)
    agency_id = acting.session.agency_id or ""
    async with services.changing(acting.person.id) as (work, now):
        recipient = await work.people.find_by_name(wish.to_login)
        if not recipient.is_active:
            raise Clash("who is to act has no account that can be used", code="GW-DELEGATE-SELF")
        delegation = Delegation(
            id=services.clock.new_id("dlg_"),
            agency_id=agency_id,
            from_id=acting.person.id,
            to_id=recipient.id,
            rights=frozenset(wish.rights),
            starts_at=max(wish.starts_at, now),
            ends_at=wish.ends_at,
            reason=wish.reason.strip()[:_LONGEST_WORDS],
            made_at=now,
            act_number=" ".join(wish.act_number.split())[:_LONGEST_WORDS],
        )
        lender = await rights_of(work, acting.person.id, now)
        borrower = (await rights_of(work, recipient.id, now)).agencies(now)
        _raise_objection(rights.objection_to_lending(delegation, lender, borrower, now))
        await work.delegations.add(delegation)
        await _record_delegation(work, EventKind.DELEGATION_CREATED, delegation, now)
    return delegation


async def approve_delegation(services: AccountServices, acting: Acting, id: str) -> Delegation:
    """Approve as a head: from then on it is in force for its time."""
    acting.require(Right.APPROVE_DELEGATION)
    async with services.changing(acting.person.id) as (work, now):
        delegation = await work.delegations.get(acting.session.agency_id or "", id)
        own_rights = await rights_of(work, acting.person.id, now)
        _raise_objection(rights.objection_to_approving(delegation, own_rights, now))
        agreed = replace(delegation, approver_id=acting.person.id, approved_at=now)
        await _change_delegation(work, EventKind.DELEGATION_APPROVED, agreed, now)
    return agreed


async def end_delegation(services: AccountServices, acting: Acting, id: str) -> Delegation:
    """End a delegation, also one that is not approved yet."""
    async with services.changing(acting.person.id) as (work, now):
        delegation = await work.delegations.get(acting.session.agency_id or "", id)
        own_rights = await rights_of(work, acting.person.id, now)
        _raise_objection(rights.objection_to_ending(delegation, own_rights, now))
        ended = replace(delegation, ended_at=now, ended_by=acting.person.id)
        await _change_delegation(work, EventKind.DELEGATION_ENDED, ended, now)
    return ended


async def _change_delegation(work: AccountWork, kind: EventKind, changed: Delegation, now: datetime) -> None:
    await work.delegations.save(changed)
    await _record_delegation(work, kind, changed, now)


async def list_delegations(services: AccountServices, acting: Acting) -> Sequence[Delegation]:
    """List those of the chosen agency, newest first: all for heads and administrators, their own for other persons."""
    agency_id = acting.session.agency_id or ""
    async with services.accounts.read() as view:
        delegations = await view.delegations.listed(agency_id, MOST_DELEGATIONS)
    if acting.may(Right.APPROVE_DELEGATION) or acting.may(Right.ACCOUNTS):
        return delegations
    return [d for d in delegations if acting.person.id in (d.from_id, d.to_id)]


async def possible_borrowers(services: AccountServices, acting: Acting) -> Sequence[Person]:
    """List possible borrowers: active persons with a post in the chosen agency, without the lender, by name."""
    now = services.clock.now()
    async with services.accounts.read() as view:
        posts = await view.posts.in_agency(acting.session.agency_id or "")
        people = await view.people.all()
    ids = {post.person_id for post in posts if post.holds(now)} - {acting.person.id}
    return [p for p in people if p.id in ids and p.is_active]


def lendable_rights(acting: Acting) -> Sequence[Right]:
    """List the rights that the person has by an own post in the chosen agency, and may pass on."""
    own_rights, agency_id = replace(acting.rights, loans=()), acting.session.agency_id or ""
    return [
        right
        for right in Right
        if right not in NEVER_DELEGATED and own_rights.may(right, agency_id, acting.at)
    ]


async def names_in_delegations(
    services: AccountServices, delegations: Collection[Delegation]
) -> Mapping[str, str]:
    """Map all persons of these delegations to their names."""
    ids = {id for d in delegations for id in (d.from_id, d.to_id, d.approver_id, d.ended_by) if id}
    async with services.accounts.read() as view:
        return await view.people.names(ids)


async def _record_delegation(
    work: AccountWork, kind: EventKind, delegation: Delegation, now: datetime
) -> None:
    details = {
        "agency": delegation.agency_id,
        "from": delegation.from_id,
        "to": delegation.to_id,
        "rights": sorted(delegation.rights),
        "starts_at": delegation.starts_at.isoformat(),
        "ends_at": delegation.ends_at.isoformat(),
        "act": delegation.act_number,
        "reason": delegation.reason,
    }
    await work.events.append(kind, delegation.id, now, details)
    await pending_rights.tell(
        work, delegation.agency_id, kind.value, now, person=delegation.to_id, lender=delegation.from_id
    )


def _raise_objection(objection: LendingObjection | None) -> None:
    if objection in _DENIED:
        raise Denied("this delegation may not be made or changed so", code=objection)
    if objection is not None:
        raise Clash("this delegation cannot be made or changed so", code=objection)


async def make_mailbox(
    services: AccountServices, by: Administrator, agency_id: str, name: str, role: PostRole
) -> Mailbox:
    """Make a mailbox, of clerks or administrators alone. Raise Clash when a person or a mailbox has that name."""
    now = services.clock.now()
    if role not in _MAILBOX_ROLES or _MAILBOX_NAME.fullmatch(name) is None:
        raise Clash(
            "a mailbox is one of clerks or administrators, named with a to z, digits and dots",
            code="GW-MAILBOX",
        )
    mailbox = Mailbox(agency_id=agency_id, name=name, role=role, made_by=by.principal_id, made_at=now)
    async with services.changing(by.principal_id) as (work, _):
        await over_agency(work, by, agency_id, now)
        if agency_id not in await work.agency_codes():
            raise NotFound(f"this node does not host agency {agency_id}")
        try:
            await work.people.find_by_name(name)
        except NotFound:
            await work.mailboxes.add(mailbox)
        else:
            raise Clash(f"{name} is a person's name to sign in with", code="GW-MAILBOX")
        details = {"agency": agency_id, "role": role.value}
        await work.events.append(EventKind.MAILBOX_CREATED, f"mailbox:{name}", now, details)
    return mailbox


async def close_mailbox(services: AccountServices, by: Administrator, agency_id: str, name: str) -> None:
    """Close a mailbox; its name stays taken."""
    async with services.changing(by.principal_id) as (work, now):
        await over_agency(work, by, agency_id, now)
        await work.mailboxes.close(agency_id, name, now)
        await work.events.append(EventKind.MAILBOX_CLOSED, f"mailbox:{name}", now, {"agency": agency_id})


async def mailboxes_of(
    services: AccountServices, agency_id: str
) -> Sequence[tuple[Mailbox, tuple[Person, ...]]]:
    """List the agency's mailboxes with the persons who act for each now."""
    now = services.clock.now()
    async with services.accounts.read() as view:
        mailboxes = await view.mailboxes.listed(agency_id)
        posts = await view.posts.in_agency(agency_id)
        people = {p.id: p for p in await view.people.all()}
    return [
        (mailbox, tuple(people[id] for id in sorted(mailbox.actors(posts, now)) if people[id].is_active))
        for mailbox in mailboxes
    ]


async def own_mailboxes(services: AccountServices, acting: Acting) -> Sequence[Mailbox]:
    """List the mailboxes of the chosen agency for which this person acts."""
    agency_id = acting.session.agency_id
    if agency_id is None:
        return []
    async with services.accounts.read() as view:
        mailboxes = await view.mailboxes.listed(agency_id)
    return [
        mailbox
        for mailbox in mailboxes
        if mailbox.closed_at is None and acting.person.id in mailbox.actors(acting.rights.posts, acting.at)
    ]
