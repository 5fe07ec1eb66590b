"""The acting person and their rights. In: a person's id and an open unit of work. Out: its rights as they are now, own ones
and lent ones, or the objection. Every act on accounts checks here, in its own transaction. Also the persons who can act as
an agency's head, for acts that a head must approve; and the log of readings, rules 9 and 13 (readings are logged), durable
before content is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.event import EventKind
from gateway.domain.handling import unit_key
from gateway.domain.person import Person, Role
from gateway.errors import Denied
from gateway.stored_content import LONGEST_NOTED
from gateway_office.domain.roles import NODE, Manner, PostRole, Right
from gateway_office.domain.session import Session, SignInDuty
from gateway_office.policy.reminders import UnitPeople
from gateway_office.policy.rights import Grant, Loan, Rights
from gateway_office.services import AccountServices
from gateway_office.store.accounts import AccountWork

_READS = (Manner.YES, Manner.OWN, Manner.ORDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """Person at the pages, as of one call. While there are duties every other act is denied."""

    person: Person
    session: Session
    rights: Rights
    duties: tuple[SignInDuty, ...]
    ends_at: datetime
    at: datetime

    def require(self, right: Right, *manners: Manner, agency_id: str | None = None) -> Grant:
        """Return the manner in which the person may do it: in the chosen agency unless another is named, and in the node
        while none is chosen. Raise Denied otherwise."""
        if self.duties:
            raise Denied("the password must be changed, or the second factor set up, first", code="GW-DUTY")
        place = agency_id if agency_id is not None else self.session.agency_id or NODE
        granted = self.rights.best_grant(right, place, self.at)
        if granted is None or (manners and granted.manner not in manners):
            raise refused(right)
        return granted

    def may(self, right: Right, *manners: Manner) -> bool:
        """Tell whether pages show the act."""
        place = self.session.agency_id or NODE
        return not self.duties and self.rights.may(right, place, self.at, *manners)


@dataclass(frozen=True, slots=True, kw_only=True)
class Administrator:
    """Administrator: a person, or the operator at the machine alone."""

    principal_id: str
    person_id: str | None = None

    @classmethod
    def person(cls, id: str) -> Administrator:
        return cls(principal_id=id, person_id=id)


def refused(right: Right) -> Denied:
    return Denied(f"this person may not do that here ({right})", code="GW-RIGHT")


def behalf(granted: Grant) -> Mapping[str, object]:
    """Return the fields of an act under a delegation: X on behalf of Y."""
    if granted.on_behalf_of is None:
        return {}
    return {"on_behalf_of": granted.on_behalf_of, "delegation": granted.delegation_id}


async def rights_of(work: AccountWork, person_id: str, at: datetime) -> Rights:
    """Load the person's rights; lent rights hold only while the lender has them and is active."""
    lent = await work.delegations.to(person_id, at)
    posts = await work.posts.of_persons({person_id, *(d.from_id for d in lent)})
    lenders = {d.from_id: await work.people.get(d.from_id) for d in lent}
    return Rights(
        person_id=person_id,
        posts=tuple(d for d in posts if d.person_id == person_id),
        loans=tuple(
            Loan(
                delegation=d,
                posts=tuple(post for post in posts if post.person_id == d.from_id),
                is_active=lenders[d.from_id].is_active,
            )
            for d in lent
        ),
    )


async def over_agency(work: AccountWork, by: Administrator, agency_id: str, at: datetime) -> None:
    """Raise Denied unless they administer the accounts of that agency; of the node, for the empty id."""
    if by.person_id is None:
        if await _is_administered(work, at):
            raise refused(Right.ACCOUNTS)
        return
    actor = await work.people.get(by.person_id)
    sees_all = Role.PEOPLE in actor.roles
    rights = await rights_of(work, actor.id, at)
    if not actor.is_active or not (sees_all or rights.may(Right.ACCOUNTS, agency_id, at, Manner.YES)):
        raise refused(Right.ACCOUNTS)


async def over_person(work: AccountWork, by: Administrator, person: Person, at: datetime) -> None:
    """Raise Denied unless they administer every agency where the person has a post, and the node where the person decides
    about it: an administrator who may renew a sign-in could act as that person."""
    if by.person_id == person.id:
        raise Denied(
            "nobody changes the own account in this way; ask another administrator", code="GW-OWN-RIGHTS"
        )
    agencies = {post.agency_id for post in await work.posts.of_persons({person.id})}
    if person.roles or (not agencies and person.added_by != by.principal_id):
        agencies.add(NODE)
    for agency_id in sorted(agencies):
        await over_agency(work, by, agency_id, at)


async def _is_administered(work: AccountWork, at: datetime) -> bool:
    """Tell whether the node's accounts have an administrator: the machine's operator is for the first set-up alone."""
    posts = [post for post in await work.posts.in_agency(NODE) if post.role is PostRole.OPERATOR]
    operators = {post.person_id for post in posts if post.holds(at)}
    return any(p.is_active and (Role.PEOPLE in p.roles or p.id in operators) for p in await work.people.all())


async def heads_of(services: AccountServices, agency_id: str) -> Sequence[Person]:
    return await holders_of(services, agency_id, PostRole.HEAD)


async def holders_of(services: AccountServices, agency_id: str, role: PostRole) -> Sequence[Person]:
    """List the persons who have this role in the agency today, or in the node for the empty id."""
    now = services.clock.now()
    async with services.accounts.read_few() as view:
        posts = await view.posts.in_agency(agency_id)
        ids = {post.person_id for post in posts if post.role is role and post.holds(now)}
        people = await view.people.of_many(ids)
    return [p for p in people if p.is_active]


async def units_of(services: AccountServices, agency_id: str) -> Mapping[str, UnitPeople]:
    """Map unit keys to the people of each unit."""
    now = services.clock.now()
    async with services.accounts.read() as view:
        posts = [post for post in await view.posts.in_agency(agency_id) if post.unit and post.holds(now)]
        people = {p.id: p for p in await view.people.all()} if posts else {}
    by_unit: dict[str, UnitPeople] = {}
    for post in posts:
        person = people.get(post.person_id)
        if person is None or not person.is_active or not person.email:
            continue
        unit_people = by_unit.get(unit_key(post.unit), UnitPeople())
        if post.role is PostRole.UNIT_HEAD:
            unit_people = replace(unit_people, heads=(*unit_people.heads, person.email))
        elif post.role is PostRole.OFFICER:
            unit_people = replace(unit_people, officers=(*unit_people.officers, person.email))
        unit_people = replace(unit_people, by_id={**unit_people.by_id, person.id: person.email})
        by_unit[unit_key(post.unit)] = unit_people
    return by_unit


async def note_reading(
    services: AccountServices,
    acting: Acting,
    document_id: str,
    *,
    file: str = "",
    order: str = "",
    assigned: bool = False,
) -> None:
    """Log the reading before content is shown. `assigned` says that the document belongs to the person's unit or is the
    person's own; a reader by order names its number. Raise Denied for persons who may see metadata alone."""
    agency_id = acting.session.agency_id
    if agency_id is None:
        raise Denied("choose the agency first whose document it is", code="GW-RIGHT")
    granted = acting.require(Right.SEE_CONTENT, *_READS)
    if granted.manner is Manner.OWN and not assigned:
        raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
    if granted.manner is Manner.ORDER and not order.strip():
        raise Denied("content is seen by order alone; give the number of the order", code="GW-ORDER")
    details = {
        "session": acting.session.id,
        "role": granted.role.value,
        "unit": granted.unit,
        # A name may reveal the subject of the document: it stands outside the sealed leaf, as texts do.
        "file": file[:LONGEST_NOTED],
        "order": " ".join(order.split())[:LONGEST_NOTED],
        **behalf(granted),
    }
    async with services.changing(acting.person.id) as (work, now):
        await work.tell_agency(agency_id, EventKind.DOCUMENT_READ, document_id, now, details)
