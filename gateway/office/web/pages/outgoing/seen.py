"""One outgoing document as a page works with it: everything known of it in one look, and how much of it the person may see.
In: a visit whose address names it. Out: `Found`; NotFound for another agency's, Denied for another's own (rules 13)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.domain.document import Delivery, Kind, OutgoingDocument
from gateway.domain.event import Event, EventKind
from gateway.domain.status import Fact
from gateway.errors import Denied
from gateway.office.accounts import reading
from gateway.office.domain.listing import Line
from gateway.office.domain.right import Manner, Right
from gateway.office.web import moments, people
from gateway.office.web.routes import Needs
from gateway.office.web.visit import Visit

SEES = (Needs(right=Right.SEE_CONTENT),)
# Whoever may have content at all; an order's number is asked for where one is needed.
READS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN, Manner.ORDER)),)
PRINTS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)
ID = "{id:msg_[0-9A-Za-z]+}"
HERE = f"/van-ban-di/{ID}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`content`: the person may know what the document is about. `line` is None for what no list shows."""

    document: OutgoingDocument
    content: bool
    manner: Manner
    deliveries: tuple[Delivery, ...] = ()
    facts: Mapping[str, Sequence[Fact]] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    line: Line | None = None
    parent: OutgoingDocument | None = None
    children: tuple[OutgoingDocument, ...] = ()
    others: tuple[OutgoingDocument, ...] = ()
    """The same number and date sent at other times, to others or once more."""

    @property
    def path(self) -> str:
        return f"/van-ban-di/{self.document.id}"

    @property
    def mark(self) -> str:
        """Names the last thing that a person did to it: a form that was made before it is not taken any more."""
        last = self.last
        return last.id if last is not None else ""

    @property
    def last(self) -> Event | None:
        return max(
            (each for each in self.events if each.principal_id != people.NODE and each.kind in _ACTS),
            key=lambda each: (each.at, each.id),
            default=None,
        )

    def is_late(self, delivery: Delivery, now: datetime) -> bool:
        """Whether that recipient should have taken it in by now."""
        return self.line is not None and self.line.is_overdue(now) and delivery.state in ("sent", "delivered")


_ACTS = frozenset(
    {
        *(EventKind.MESSAGE_ACCEPTED, EventKind.MESSAGE_QUEUED, EventKind.MESSAGE_CANCELLED),
        *(EventKind.REQUEST_ASKED, EventKind.REQUEST_ANSWERED, EventKind.MESSAGE_URGED),
        *(EventKind.HOLD_BEGUN, EventKind.HOLD_LIFTED),
    }
)


async def find(visit: Visit) -> Found:
    """The document that the address names."""
    granted = visit.person.require(Right.SEE_CONTENT)
    async with visit.deps.store.read(visit.scope()) as work:
        document = await work.outgoing.get(visit.path("id"))
        if granted.manner is Manner.OWN and document.accepted_by != visit.person.person.id:
            raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
        deliveries = tuple(await work.deliveries.of(document.id))
        same = await work.outgoing.by_document_id(document.document_id)
        return Found(
            document=document,
            content=granted.manner in (Manner.YES, Manner.OWN) and not document.is_sealed,
            manner=granted.manner,
            deliveries=deliveries,
            facts=await work.facts.of_many([each.id for each in deliveries]) if deliveries else {},
            events=tuple(await work.events.of(document.id)),
            line=await work.office.lists.line(document.id),
            parent=await work.outgoing.get(document.parent_id) if document.parent_id else None,
            children=tuple(await work.outgoing.children(document.id)),
            others=tuple(
                each
                for each in same
                if each.id != document.id
                and each.kind in (Kind.DOCUMENT, Kind.REPLACEMENT)
                and (granted.manner is not Manner.OWN or each.accepted_by == visit.person.person.id)
            ),
        )


async def read(visit: Visit, document: OutgoingDocument, file: str) -> None:
    """Written down before content is given out."""
    await reading.read(
        visit.deps.accounts,
        visit.person,
        document.id,
        file=file,
        order=visit.ask("lenh") or visit.form.text("lenh"),
        assigned=document.accepted_by == visit.person.person.id,
    )


async def names(visit: Visit, principals: Iterable[str]) -> Mapping[str, str]:
    return await people.names(visit, principals, "outgoing.by")


async def conflict(visit: Visit, found: Found) -> str:
    """What to say where somebody has acted since the form was made; empty where nobody has."""
    last = found.last
    if last is None or visit.form.text("seen") == found.mark:
        return ""
    who = (await names(visit, [last.principal_id]))[last.principal_id]
    return visit.say("notice.changed_by", person=who, time=moments.clock(last.at, visit.deps.clock.now()))


def heading(visit: Visit, key: str) -> str:
    """What the page of an act is called: as its button, which alone says that there is a page to come."""
    return visit.say(key).removesuffix("…")
