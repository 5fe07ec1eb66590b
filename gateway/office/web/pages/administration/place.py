"""Where somebody administers accounts: the own agency; or, for the operator, any agency, the node itself, or all of them.
In: a visit and what it asks for. Out: the place, and the choice there is. Another agency is not there for who may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.account import HostedAgency
from gateway.errors import NotFound
from gateway.office.accounts.acting import By
from gateway.office.domain.post import NODE
from gateway.office.domain.right import Manner, Right
from gateway.office.web.visit import Visit

HOME = "/quan-tri"
ALL, OF_NODE = "tat-ca", "nut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`key` stands in addresses; `agency_id` is None for every agency together, empty for the node itself."""

    key: str
    name: str
    agency_id: str | None


def is_everywhere(visit: Visit) -> bool:
    """Whether the person administers the accounts of every agency."""
    return visit.person.rights.may(Right.ACCOUNTS, NODE, visit.person.at, Manner.YES)


def by(visit: Visit) -> By:
    return By.person(visit.person.person.id)


async def open_to(visit: Visit, *, together: bool = True, node: bool = True) -> Sequence[Place]:
    """What there is to choose from. `together` and `node` add all at once, and the node itself, for operators."""
    if not is_everywhere(visit):
        return (_of(visit.here),)
    found = [Place(key=ALL, name=visit.say("admin.everywhere"), agency_id=None)] if together else []
    found += [Place(key=OF_NODE, name=visit.say("admin.node"), agency_id=NODE)] if node else []
    return (*found, *(_of(each) for each in await visit.deps.store.hosted() if each.left_at is None))


def chosen(visit: Visit, places: Sequence[Place], given: str | None = None) -> Place:
    """What the address or the form names; else the agency that is worked for, else the first. NotFound for another's."""
    wanted = visit.ask("co-quan") if given is None else given
    if not wanted and visit.agency is not None:
        wanted = visit.agency.code
    found = next((each for each in places if each.key == wanted), None if wanted else places[0])
    if found is None:
        raise NotFound("there is no such agency here")
    return found


def _of(agency: HostedAgency) -> Place:
    return Place(key=agency.code, name=agency.name, agency_id=agency.id)
