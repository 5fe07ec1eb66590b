"""The context of admitted documents, for programs, pages and terminals. In: documents and the office's calendar. Out: a
`DocumentContext` for each, with its deadline, its sender's request, the document it is about, and its look-alikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.domain import status
from gateway.domain.document import UNDECIDED, DocumentChange, IncomingDocument, Kind
from gateway.domain.handling import PartState, UnitPart
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.status import (
    Fact,
    IncomingStanding,
    RequestStanding,
    RequestState,
    fold_incoming,
    open_request,
)
from gateway.errors import NotFound
from gateway.incoming import doubles
from gateway.policy import timers

if TYPE_CHECKING:
    from gateway.store.incoming import Handover
    from gateway.store.work import SqlWork


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderRequest:
    """Request of a document's sender. `brought_by` is the incoming document that contained it, if any. Without a `state`
    it needs no answer of its own, as a replacement."""

    kind: str
    reason: str
    asked_at: datetime
    notice_no: str | None = None
    approved_by: str | None = None
    state: RequestState | None = None
    request_id: str | None = None
    brought_by: IncomingDocument | None = None

    @property
    def item(self) -> str | None:
        return self.brought_by.id if self.brought_by is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentContext:
    handover: Handover | None = None
    due: timers.Due | None = None
    request: SenderRequest | None = None
    target_id: str | None = None
    doubles: Sequence[IncomingDocument] = ()
    """Other documents that look the same."""
    is_readable: bool = True
    parts: Sequence[UnitPart] = ()
    """Parts of its units that no later assignment replaced, also those handed back."""

    @property
    def duplicate_of(self) -> str | None:
        return self.doubles[0].id if self.doubles else None


async def load_context(work: SqlWork, document: IncomingDocument, office: OfficeCalendar) -> DocumentContext:
    """Load the context of one document, with its look-alikes whatever its state."""
    (context,) = await load_contexts(work, [document], office, every_double=True)
    return context


async def load_contexts(
    work: SqlWork,
    documents: Sequence[IncomingDocument],
    office: OfficeCalendar,
    *,
    every_double: bool = False,
) -> list[DocumentContext]:
    """Load the context of each document, in order. Look-alikes are found for undecided documents only, or with
    `every_double` for all."""
    if not documents:
        return []
    targets = await _targets(work, documents)
    facts = await work.facts.of_subjects([*(d.id for d in documents), *targets])
    parts = await work.parts.of_documents([d.id for d in documents if d.assignment is not None])
    contexts = [await _make_context(work, d, targets, facts, office, every_double) for d in documents]
    return [
        replace(d, parts=standing_parts(parts.get(document.id, ())))
        for d, document in zip(contexts, documents, strict=True)
    ]


def standing_parts(parts: Sequence[UnitPart]) -> tuple[UnitPart, ...]:
    """Return the parts that no later assignment replaced."""
    return tuple(p for p in parts if p.state not in (PartState.CHANGED, PartState.SETTLED))


async def _targets(work: SqlWork, documents: Sequence[IncomingDocument]) -> Mapping[str, IncomingDocument]:
    ids = {d.target_id for d in documents if d.target_id is not None}
    return {id: await work.incoming.get(id) for id in sorted(ids)}


async def _make_context(
    work: SqlWork,
    document: IncomingDocument,
    targets: Mapping[str, IncomingDocument],
    facts: Mapping[str, Sequence[Fact]],
    office: OfficeCalendar,
    every_double: bool,
) -> DocumentContext:
    target = targets.get(document.target_id or "")
    subject = target or document
    own_facts = facts[subject.id]
    standing = fold_incoming(own_facts)
    request = await _find_request(work, document, target, standing, own_facts)
    duty = status.duty_of(subject, own_facts)
    if target is not None and (request is None or request.state is not RequestState.OPEN):
        duty = None  # the request was answered; the target has a deadline of its own
    needs_doubles = every_double or document.state in UNDECIDED
    return DocumentContext(
        handover=await _find_handover(work, document.id),
        due=timers.of_duty(office, duty, subject.urgency) if duty is not None else None,
        request=request,
        target_id=target.id if target is not None else await _find_replaced(work, document),
        doubles=await doubles.look_alikes(work, document) if needs_doubles else (),
        is_readable=document.is_readable and subject.is_readable,
    )


async def _find_request(
    work: SqlWork,
    document: IncomingDocument,
    target: IncomingDocument | None,
    standing: IncomingStanding,
    facts: Sequence[Fact],
) -> SenderRequest | None:
    """Find the sender's request: the open one about the document, or the one that this document is."""
    if document.kind is Kind.REPLACEMENT and open_request(standing) is None and document.change is not None:
        return _describe_item("replace", document, None, None)
    if target is None:
        request = open_request(standing)
        return await _describe_open(work, document, request, facts) if request is not None else None
    own = next((r for r in standing.requests if r.request_id == document.packet_id), None)
    return _describe_item(own.kind if own is not None else document.kind, document, target, own)


async def _describe_open(
    work: SqlWork, document: IncomingDocument, request: RequestStanding, facts: Sequence[Fact]
) -> SenderRequest:
    """Describe an open request: a take-back by its fact, a recall or an update by the document that it came as."""
    identity = await work.identities.by_packet(document.sender_code, request.request_id)
    if identity is not None and identity.incoming_id is not None and identity.incoming_id != document.id:
        child = await work.incoming.get(identity.incoming_id)
        return _describe_item(request.kind, child, document, request)
    asking_facts = (f for f in facts if f.request_id == request.request_id and f.code == RequestState.OPEN)
    reason = next((f.reason for f in asking_facts), None) or ""
    return SenderRequest(
        kind=request.kind,
        reason=reason,
        state=request.state,
        asked_at=request.asked_at,
        request_id=request.request_id,
    )


def _describe_item(
    kind: str,
    child: IncomingDocument,
    target: IncomingDocument | None,
    request: RequestStanding | None,
) -> SenderRequest:
    """Describe a request that came as a document. If a recall has a number of its own, its notice has it."""
    change = child.change or DocumentChange(reason="")
    own = f"{child.number}/{child.symbol}"
    is_notice = child.kind is Kind.RECALL and target is not None and child.number
    notice_no = own if is_notice and target and own != f"{target.number}/{target.symbol}" else None
    return SenderRequest(
        kind=kind,
        reason=change.reason,
        notice_no=change.notice_no or notice_no,
        approved_by=change.approved_by,
        state=request.state if request is not None else None,
        request_id=request.request_id if request is not None else None,
        brought_by=child,
        asked_at=request.asked_at if request is not None else child.arrived_at,
    )


async def _find_replaced(work: SqlWork, document: IncomingDocument) -> str | None:
    """Return the id of the first document here that a replacement names."""
    for replaced_id, _ in document.change.replaces if document.change is not None else ():
        for replaced in await work.incoming.by_document_id(document.sender_code, replaced_id):
            if replaced.id != document.id and not replaced.kind.asks:
                return replaced.id
    return None


async def _find_handover(work: SqlWork, id: str) -> Handover | None:
    """Find the document's hand-over; None where it is offered to no document system."""
    try:
        return await work.handovers.get(id)
    except NotFound:
        return None
