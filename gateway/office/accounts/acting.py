"""Who acts, and what for. In: a person's id and an open unit of work. Out: its rights as they are now, own ones and
lent ones, or the objection. Every act about accounts asks here, in its own transaction. Also who of an agency can
act as its head, for whatever a head has to agree to; and the note of who read what (rules 9 and 13), durable before
content is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.event import EventKind
from gateway.domain.handling import unit_key
from gateway.domain.person import Person, Role
from gateway.errors import Denied
from gateway.office.desks import AccountDesk
from gateway.office.domain.roles import NODE, Manner, PostRole, Right
from gateway.office.domain.session import Session, SignInDuty
from gateway.office.policy.reminders import UnitPeople
from gateway.office.policy.rights import Granted, Lent, Rights
from gateway.office.store.accounts import AccountWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """A person at the pages, as of one call. While there are duties nothing else may be done."""

    person: Person
    session: Session
    rights: Rights
    duties: tuple[SignInDuty, ...]
    ends_at: datetime
    at: datetime

    def require(self, right: Right, *manners: Manner, agency_id: str | None = None) -> Granted:
        """In which manner the person may do it: in the chosen agency unless another is named, and in the node while none is
        chosen. Denied otherwise."""
        if self.duties:
            raise Denied("the password must be changed, or the second factor set up, first", code="GW-DUTY")
        where = agency_id if agency_id is not None else self.session.agency_id or NODE
        found = self.rights.granted(right, where, self.at)
        if found is None or (manners and found.manner not in manners):
            raise refused(right)
        return found

    def may(self, right: Right, *manners: Manner) -> bool:
        """For what pages show or leave out."""
        where = self.session.agency_id or NODE
        return not self.duties and self.rights.may(right, where, self.at, *manners)


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who administers: a person, or nobody but the operator at the machine."""

    principal_id: str
    person_id: str | None = None

    @classmethod
    def person(cls, id: str) -> By:
        return cls(principal_id=id, person_id=id)


def refused(right: Right) -> Denied:
    return Denied(f"this person may not do that here ({right})", code="GW-RIGHT")


def behalf(granted: Granted) -> Mapping[str, object]:
    """What an event of the act says beside its own data: X on behalf of Y."""
    if granted.on_behalf_of is None:
        return {}
    return {"on_behalf_of": granted.on_behalf_of, "delegation": granted.delegation_id}


async def rights_of(work: AccountWork, person_id: str, at: datetime) -> Rights:
    """What the person may do; what others lent holds only while they have it, and are in."""
    lent = await work.delegations.to(person_id, at)
    posts = await work.posts.of({person_id, *(each.from_id for each in lent)})
    lenders = {each.from_id: await work.people.get(each.from_id) for each in lent}
    return Rights(
        person_id=person_id,
        posts=tuple(each for each in posts if each.person_id == person_id),
        lent=tuple(
            Lent(
                delegation=each,
                posts=tuple(post for post in posts if post.person_id == each.from_id),
                is_active=lenders[each.from_id].is_active,
            )
            for each in lent
        ),
    )


async def over_agency(work: AccountWork, by: By, agency_id: str, at: datetime) -> None:
    """Denied unless they administer the accounts of that agency; of the node, for the empty id."""
    if by.person_id is None:
        if await _is_administered(work, at):
            raise refused(Right.ACCOUNTS)
        return
    actor = await work.people.get(by.person_id)
    everywhere = Role.PEOPLE in actor.roles
    rights = await rights_of(work, actor.id, at)
    if not actor.is_active or not (everywhere or rights.may(Right.ACCOUNTS, agency_id, at, Manner.YES)):
        raise refused(Right.ACCOUNTS)


async def over_person(work: AccountWork, by: By, person: Person, at: datetime) -> None:
    """Denied unless they administer every agency where the person has a post, and the node where the person decides about
    it: whoever may let somebody sign in anew could act as that person."""
    if by.person_id == person.id:
        raise Denied(
            "nobody changes the own account in this way; ask another administrator", code="GW-OWN-RIGHTS"
        )
    agencies = {each.agency_id for each in await work.posts.of({person.id})}
    if person.roles or (not agencies and person.added_by != by.principal_id):
        agencies.add(NODE)
    for agency_id in sorted(agencies):
        await over_agency(work, by, agency_id, at)


async def _is_administered(work: AccountWork, at: datetime) -> bool:
    """Whether anybody administers the node's accounts: the machine's operator is for the first set-up alone."""
    posts = [each for each in await work.posts.in_agency(NODE) if each.role is PostRole.OPERATOR]
    operators = {each.person_id for each in posts if each.holds(at)}
    return any(
        each.is_active and (Role.PEOPLE in each.roles or each.id in operators)
        for each in await work.people.everybody()
    )


async def heads_of(desk: AccountDesk, agency_id: str) -> Sequence[Person]:
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        posts = await view.posts.in_agency(agency_id)
        ids = {each.person_id for each in posts if each.role is PostRole.HEAD and each.holds(now)}
        people = [each for each in await view.people.everybody() if each.id in ids] if ids else []
    return [each for each in people if each.is_active]


async def units_of(desk: AccountDesk, agency_id: str) -> Mapping[str, UnitPeople]:
    """By the unit's key."""
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        posts = [each for each in await view.posts.in_agency(agency_id) if each.unit and each.holds(now)]
        people = {each.id: each for each in await view.people.everybody()} if posts else {}
    found: dict[str, UnitPeople] = {}
    for post in posts:
        person = people.get(post.person_id)
        if person is None or not person.is_active or not person.email:
            continue
        known = found.get(unit_key(post.unit), UnitPeople())
        if post.role is PostRole.UNIT_HEAD:
            known = replace(known, heads=(*known.heads, person.email))
        elif post.role is PostRole.OFFICER:
            known = replace(known, officers=(*known.officers, person.email))
        found[unit_key(post.unit)] = known
    return found


_READS = (Manner.YES, Manner.OWN, Manner.ORDER)
_LONGEST_NOTED = 200


async def note_reading(
    desk: AccountDesk,
    acting: Acting,
    document_id: str,
    *,
    file: str = "",
    order: str = "",
    assigned: bool = False,
) -> None:
    """Before content is given out. `assigned` says that the document belongs to the person's unit or is the person's own;
    whoever looks by order names its number. Denied for everybody who may see metadata alone."""
    where = acting.session.agency_id
    if where is None:
        raise Denied("choose the agency first whose document it is", code="GW-RIGHT")
    granted = acting.require(Right.SEE_CONTENT, *_READS)
    if granted.manner is Manner.OWN and not assigned:
        raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
    if granted.manner is Manner.ORDER and not order.strip():
        raise Denied("content is seen by order alone; give the number of the order", code="GW-ORDER")
    told = {
        "session": acting.session.id,
        "role": granted.role.value,
        # A name may say what the document is about: it stands outside the sealed leaf, as texts do.
        "file": file[:_LONGEST_NOTED],
        "order": " ".join(order.split())[:_LONGEST_NOTED],
        **behalf(granted),
    }
    async with desk.changing(acting.person.id) as (work, now):
        await work.tell_agency(where, EventKind.DOCUMENT_READ, document_id, now, told)
