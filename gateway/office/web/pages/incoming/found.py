"""One incoming document as a page works with it, and how much of it the person may see. In: a visit whose address names it.
Out: `Found`; NotFound for another agency's, Denied for what is another unit's (rules 13)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gateway.domain.document import IncomingDocument, InState, Staff
from gateway.domain.fields import STATUS, fitting, whole
from gateway.domain.text import fold
from gateway.errors import Denied
from gateway.office.accounts import reading
from gateway.office.domain.right import Manner, Right
from gateway.office.policy.rights import Granted
from gateway.office.web import people
from gateway.office.web.routes import Needs
from gateway.office.web.visit import Visit, where

ID = "{id:inb_[0-9A-Za-z]{1,40}}"
HERE = f"/van-ban-den/{ID}"
SEES = (
    Needs(
        right=Right.SEE_CONTENT,
        manners=(Manner.YES, Manner.OWN, Manner.METADATA, Manner.ORDER),
    ),
)
READS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN, Manner.ORDER)),)
TAKES = (Needs(right=Right.TAKE_IN, manners=(Manner.YES,)),)
INSTRUCTS = (Needs(right=Right.INSTRUCT, manners=(Manner.YES, Manner.OWN)),)
PROGRESSES = (Needs(right=Right.PROGRESS, manners=(Manner.OWN,)),)
ANSWERS = (Needs(right=Right.ANSWER, manners=(Manner.YES,)),)
FREEZES = (Needs(right=Right.FREEZE, manners=(Manner.YES,)),)
DECIDES = (Needs(right=Right.SEALED_HOLD, manners=(Manner.RECORDED,)),)
OPEN = (InState.NEW, InState.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`whole` is the document itself, or the one that this update or recall is about. `content`: the person may know what
    it says, by order once that is written down; `assigned`: it was given to the person's unit."""

    document: IncomingDocument
    whole: IncomingDocument
    manner: Manner
    assigned: bool
    content: bool
    name: str
    """Number and symbol as a page says them."""

    @property
    def path(self) -> str:
        return path_of(self.whole.id)


def path_of(id: str) -> str:
    return where(f"/van-ban-den/{id}")


def numbered(document: IncomingDocument) -> str:
    return "/".join(part for part in (document.number, document.symbol) if part)


def named(visit: Visit, document: IncomingDocument) -> str:
    """Number and symbol; in words where it has none, as many letters of citizens."""
    return numbered(document) or visit.say("incoming.no_number")


def is_given(document: IncomingDocument, unit: str) -> bool:
    """Whether that unit leads or helps with it."""
    given = document.assignment
    if given is None or not unit.strip():
        return False
    return fold(unit) in {fold(each) for each in (given.lead_unit, *given.coordinating_units)}


async def find(visit: Visit) -> Found:
    """The document that the address names."""
    granted = visit.person.require(Right.SEE_CONTENT)
    document, whole = await _both(visit)
    assigned = is_given(whole, granted.unit)
    if granted.manner is Manner.OWN and not assigned:
        raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
    return Found(
        document=document,
        whole=whole,
        manner=granted.manner,
        assigned=assigned,
        content=granted.manner in (Manner.YES, Manner.OWN),
        name=named(visit, whole),
    )


async def find_to_freeze(visit: Visit) -> Found:
    """As `find`; also for whoever may freeze what they cannot see."""
    if visit.may(Right.SEE_CONTENT):
        return await find(visit)
    document, whole = await _both(visit)
    name = named(visit, whole)
    return Found(document=document, whole=whole, manner=Manner.NO, assigned=False, content=False, name=name)


async def _both(visit: Visit) -> tuple[IncomingDocument, IncomingDocument]:
    async with visit.deps.store.read(visit.scope()) as work:
        document = await work.incoming.get(visit.path("id"))
        target = document.target_id
        return document, document if target is None else await work.incoming.get(target)


async def read(visit: Visit, found: Found, file: str) -> None:
    """Written down before content is given out."""
    await reading.read(
        visit.deps.accounts,
        visit.person,
        found.whole.id,
        file=file,
        order=visit.ask("lenh"),
        assigned=found.assigned,
    )


async def by_order(visit: Visit, found: Found, file: str = "") -> Found:
    """With its content, once it was written down who looks by which order. As it was where no order is needed or named."""
    if found.manner is not Manner.ORDER or not visit.ask("lenh"):
        return found
    await read(visit, found, file)
    return replace(found, content=True)


def over(visit: Visit, found: Found, right: Right, *manners: Manner) -> Granted:
    """That the person may do it to this very document. Denied where only the own unit's are theirs."""
    granted = visit.person.require(right, *manners)
    if granted.manner is Manner.OWN and not is_given(found.whole, granted.unit):
        raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
    return granted


def staff(visit: Visit) -> Staff:
    """Who acts, as the other side may call back."""
    person = visit.person.person
    return Staff(
        name=fitting(person.name, STATUS["staff/name"]),
        department=fitting(person.title, STATUS["staff/department"]),
        email=whole(person.email, STATUS["staff/email"]),
    )


async def names(visit: Visit, principals: Iterable[str]) -> Mapping[str, str]:
    return await people.names(visit, principals, "incoming.by")
