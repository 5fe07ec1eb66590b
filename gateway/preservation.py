"""Preservation orders (R129): made by one person for a paper that asks for it, ended by two. In: an agency, documents or
conditions, reason and decision, the acting person. Out: the order, with an event each. Before content leaves the node, the
act that drops it asks `order_over`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.preservation import (
    LEAST_REASON,
    LONGEST_DECISION,
    LONGEST_REASON,
    MOST_DOCUMENTS,
    AskedEnd,
    Candidate,
    Extent,
    PreservationOrder,
    covering,
)
from gateway.domain.wall_clock import local
from gateway.errors import Clash, NotFound
from gateway.ports.services import Clock

if TYPE_CHECKING:
    from gateway.store.store import SqlStore
    from gateway.store.work import SqlWork


async def begin(
    store: SqlStore, clock: Clock, scope: AgencyScope, extent: Extent, reason: str, decision: str
) -> PreservationOrder:
    """Make an order. Raise Clash for one without extent, reason or decision; NotFound for a document that the agency has
    not."""
    reason, decision = _check_reason(reason), " ".join(decision.split())
    if extent.is_empty:
        raise Clash(
            "a preservation order names documents, or a partner, days, a file", code="GW-PRESERVE-WHAT"
        )
    if not decision or len(decision) > LONGEST_DECISION:
        raise Clash("a preservation order names the decision that asks for it", code="GW-PRESERVE-DECISION")
    if len(extent.documents) > MOST_DOCUMENTS:
        raise Clash(f"one order names up to {MOST_DOCUMENTS} documents", code="GW-PRESERVE-MANY")
    now = clock.now()
    async with store.begin(scope) as work:
        for id in extent.documents:
            await _find_document(work, id)
        order = PreservationOrder(
            id=clock.new_id("prs_"),
            agency_id=scope.agency_id,
            extent=extent,
            reason=reason,
            decision=decision,
            by=scope.principal_id,
            begun_at=now,
        )
        await work.preservation.add(order)
        facts = {"reason": reason, "decision": decision, "about": _facts_of(extent)}
        await _commit(work, order, EventKind.PRESERVATION_ORDERED, now, facts)
    return order


async def ask_end(store: SqlStore, clock: Clock, scope: AgencyScope, id: str, why: str) -> PreservationOrder:
    """Ask for the end of an order; it stays in force until a second person ends it."""
    why, now = _check_reason(why), clock.now()
    async with store.begin(scope) as work:
        order = await _load_open(work, id)
        order = replace(order, asked_end=AskedEnd(by=scope.principal_id, why=why, at=now))
        await work.preservation.save(order)
        await _commit(work, order, EventKind.PRESERVATION_END_ASKED, now, {"why": why})
    return order


async def end(store: SqlStore, clock: Clock, scope: AgencyScope, id: str) -> PreservationOrder:
    """End an order as its second person. Raise Clash before a first one asked, or for the same person."""
    now = clock.now()
    async with store.begin(scope) as work:
        order = await _load_open(work, id)
        first = order.asked_end
        if first is None:
            raise Clash(f"nobody asked for the end of {id}", code="GW-PRESERVE-UNASKED")
        if first.by == scope.principal_id:
            raise Clash("a second person ends a preservation order", code="GW-PRESERVE-SAME")
        order = replace(order, ended_by=scope.principal_id, ended_at=now)
        await work.preservation.save(order)
        facts = {"why": first.why, "first": first.by}
        await _commit(work, order, EventKind.PRESERVATION_ENDED, now, facts)
    return order


async def order_over(
    work: SqlWork, document: IncomingDocument | OutgoingDocument
) -> PreservationOrder | None:
    """Return an open order that is about the document; None where its content may go."""
    orders = await work.preservation.open()
    return covering(orders, candidate(document)) if orders else None


def candidate(document: IncomingDocument | OutgoingDocument) -> Candidate:
    """Describe a document as orders see it."""
    if isinstance(document, IncomingDocument):
        day = local(document.arrived_at).date()
        return Candidate(id=document.id, partners=frozenset({document.sender_code}), day=day)
    draft, code = document.draft, document.draft.file_code
    return Candidate(
        id=document.id,
        partners=frozenset(recipient.code for recipient in draft.recipients),
        day=draft.issued_on or local(document.created_at).date(),
        file_code=str(code) if code else "",
    )


async def _find_document(work: SqlWork, id: str) -> None:
    if id.startswith("inb_"):
        await work.incoming.get(id)
    elif id.startswith("msg_"):
        await work.outgoing.get(id)
    else:
        raise NotFound(f"no document is called {id[:80]!r}", hint="its id begins with msg_ or inb_")


async def _load_open(work: SqlWork, id: str) -> PreservationOrder:
    order = await work.preservation.get(id)
    if not order.is_open:
        raise Clash(f"the preservation order {id} has ended", code="GW-PRESERVE-ENDED")
    return order


async def _commit(
    work: SqlWork, order: PreservationOrder, kind: EventKind, now: datetime, facts: dict[str, Any]
) -> None:
    await work.events.append(kind, order.id, now, facts)
    await work.commit()


def _facts_of(extent: Extent) -> dict[str, Any]:
    facts = {
        "documents": list(extent.documents),
        "partner": extent.partner,
        "since": extent.since.isoformat() if extent.since else "",
        "until": extent.until.isoformat() if extent.until else "",
        "file": extent.file_code,
    }
    return {name: value for name, value in facts.items() if value}


def _check_reason(text: str) -> str:
    text = text.strip()
    if not LEAST_REASON <= len(text) <= LONGEST_REASON:
        raise Clash(f"a reason of {LEAST_REASON} to {LONGEST_REASON} characters is needed", code="GW-REASON")
    return text
