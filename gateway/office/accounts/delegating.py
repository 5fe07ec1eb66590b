"""Lends a person's rights to another for a time (R95). In: who lends what to whom, from when to when. Out: a delegation
that is in force once a head agreed, or at once by a head's own written act. Acts done under it name both persons."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.event import EventKind
from gateway.domain.person import Person
from gateway.errors import Clash, Denied
from gateway.office.accounts.acting import Acting, rights_of
from gateway.office.accounts.desk import AccountDesk
from gateway.office.domain.post import Delegation
from gateway.office.domain.right import Right
from gateway.office.policy import delegating
from gateway.office.policy.delegating import Objection
from gateway.office.policy.rights import NEVER_DELEGATED, Rights
from gateway.office.ports.accounts import AccountWork

MOST_SHOWN = 200
_LONGEST = 500
_DENIED = frozenset({Objection.RIGHT, Objection.SELF, Objection.SCOPE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is entered. `act_number` is the number of the head's written act, empty for everybody else."""

    to_login: str
    rights: Collection[Right]
    starts_at: datetime
    ends_at: datetime
    reason: str
    act_number: str = ""


async def make(desk: AccountDesk, acting: Acting, wanted: Wanted) -> Delegation:
    """In the chosen agency. A head's is in force from its beginning; anybody else's waits for a head."""
    acting.require(Right.DELEGATE)
    now, agency_id = desk.clock.now(), acting.session.agency_id or ""
    async with desk.accounts.begin(acting.person.id) as work:
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
            reason=wanted.reason.strip()[:_LONGEST],
            made_at=now,
            act_number=" ".join(wanted.act_number.split())[:_LONGEST],
        )
        lender = await rights_of(work, acting.person.id, now)
        borrower = (await rights_of(work, other.id, now)).agencies(now)
        _unless(delegating.making(made, lender, borrower, now))
        await work.delegations.add(made)
        await _tell(work, EventKind.DELEGATION_MADE, made, now)
        await work.commit()
    return made


async def approve(desk: AccountDesk, acting: Acting, id: str) -> Delegation:
    """A head agrees: from then on it is in force for its time."""
    acting.require(Right.APPROVE_DELEGATION)
    now = desk.clock.now()
    async with desk.accounts.begin(acting.person.id) as work:
        found = await work.delegations.get(acting.session.agency_id or "", id)
        _unless(delegating.approving(found, await rights_of(work, acting.person.id, now), now))
        agreed = replace(found, approver_id=acting.person.id, approved_at=now)
        await work.delegations.save(agreed)
        await _tell(work, EventKind.DELEGATION_APPROVED, agreed, now)
        await work.commit()
    return agreed


async def end(desk: AccountDesk, acting: Acting, id: str) -> Delegation:
    """It holds no longer, or, not agreed yet, never will."""
    now = desk.clock.now()
    async with desk.accounts.begin(acting.person.id) as work:
        found = await work.delegations.get(acting.session.agency_id or "", id)
        _unless(delegating.ending(found, await rights_of(work, acting.person.id, now), now))
        ended = replace(found, ended_at=now, ended_by=acting.person.id)
        await work.delegations.save(ended)
        await _tell(work, EventKind.DELEGATION_ENDED, ended, now)
        await work.commit()
    return ended


async def listed(desk: AccountDesk, acting: Acting) -> Sequence[Delegation]:
    """Those of the chosen agency, newest first: all for heads and administrators, one's own for everybody else."""
    agency_id = acting.session.agency_id or ""
    async with desk.accounts.read() as view:
        found = await view.delegations.listed(agency_id, MOST_SHOWN)
    if acting.may(Right.APPROVE_DELEGATION) or acting.may(Right.ACCOUNTS):
        return found
    return [each for each in found if acting.person.id in (each.from_id, each.to_id)]


async def others(desk: AccountDesk, acting: Acting) -> Sequence[Person]:
    """Whom rights can be lent to: everybody active with a post in the chosen agency but oneself, by name."""
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        posts = await view.posts.in_agency(acting.session.agency_id or "")
        people = await view.people.everybody()
    ids = {each.person_id for each in posts if each.holds(now)} - {acting.person.id}
    return [each for each in people if each.id in ids and each.is_active]


def lendable(acting: Acting) -> Sequence[Right]:
    """What the person may do by an own post in the chosen agency, and may pass on."""
    own, where = Rights(person_id=acting.person.id, posts=acting.rights.posts), acting.session.agency_id or ""
    return [each for each in Right if each not in NEVER_DELEGATED and own.may(each, where, acting.at)]


async def named(desk: AccountDesk, found: Collection[Delegation]) -> Mapping[str, str]:
    """The names of everybody who stands in these delegations, by id."""
    ids = {id for each in found for id in (each.from_id, each.to_id, each.approver_id, each.ended_by) if id}
    async with desk.accounts.read() as view:
        return {each.id: each.name for each in await view.people.everybody() if each.id in ids}


async def _tell(work: AccountWork, kind: EventKind, about: Delegation, now: datetime) -> None:
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


def _unless(objection: Objection | None) -> None:
    if objection in _DENIED:
        raise Denied("this delegation may not be made or changed so", code=objection)
    if objection is not None:
        raise Clash("this delegation cannot be made or changed so", code=objection)
