"""Reading what was admitted: what a program or a terminal is told around a document, one of its files, or its
envelope byte for byte. In: documents and the office's calendar; ids of one's own agency. Out: an `AroundDocument` for
each: by when it is waited for, what its sender asks, what it is about, which other one looks the same; a stream of
the bytes that were taken in, or, when the store has others, nothing, and everybody is told. A recalled document's
files are unreadable at once (R70); nothing is decoded before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from gateway.domain import status
from gateway.domain.account import AgencyScope
from gateway.domain.document import UNDECIDED, UNREADABLE, DocumentChange, IncomingDocument, InState, Kind
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
from gateway.edxml.attachment import pieces
from gateway.errors import Clash, NotFound
from gateway.incoming import related
from gateway.incoming.check import decoded
from gateway.incoming.services import IncomingServices
from gateway.policy import timers
from gateway.stored_content import OpenFile, refuse_altered, streamed

if TYPE_CHECKING:
    from gateway.store.incoming import Handover
    from gateway.store.work import SqlWork


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderRequest:
    """What its sender asks. `brought_by` is the incoming document that brought it, where it is one; without a `state` it
    asks for no answer of its own, as a replacement."""

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
class AroundDocument:
    handover: Handover | None = None
    due: timers.Due | None = None
    request: SenderRequest | None = None
    about: str | None = None
    doubles: Sequence[IncomingDocument] = ()
    """Others that look the same."""
    is_readable: bool = True
    parts: Sequence[UnitPart] = ()
    """What its units have in it now, those that gave it back too."""

    @property
    def duplicate_of(self) -> str | None:
        return self.doubles[0].id if self.doubles else None


async def around_one(work: SqlWork, document: IncomingDocument, office: OfficeCalendar) -> AroundDocument:
    """One document, whatever its state."""
    (found,) = await around_each(work, [document], office, every_double=True)
    return found


async def around_each(
    work: SqlWork,
    documents: Sequence[IncomingDocument],
    office: OfficeCalendar,
    *,
    every_double: bool = False,
) -> list[AroundDocument]:
    """Of a list. Doubles are looked for where somebody has to decide still, or of all with `every_double`."""
    if not documents:
        return []
    targets = await _targets(work, documents)
    facts = await work.facts.of_many([*(each.id for each in documents), *targets])
    parts = await work.parts.of([each.id for each in documents if each.assignment is not None])
    found = [await _around(work, each, targets, facts, office, every_double) for each in documents]
    return [
        replace(each, parts=standing_parts(parts.get(document.id, ())))
        for each, document in zip(found, documents, strict=True)
    ]


def standing_parts(parts: Sequence[UnitPart]) -> tuple[UnitPart, ...]:
    """Without those that another assignment took the place of."""
    return tuple(each for each in parts if each.state not in (PartState.CHANGED, PartState.SETTLED))


async def _targets(work: SqlWork, documents: Sequence[IncomingDocument]) -> Mapping[str, IncomingDocument]:
    ids = {each.target_id for each in documents if each.target_id is not None}
    return {id: await work.incoming.get(id) for id in sorted(ids)}


async def _around(
    work: SqlWork,
    document: IncomingDocument,
    targets: Mapping[str, IncomingDocument],
    facts: Mapping[str, Sequence[Fact]],
    office: OfficeCalendar,
    every_double: bool,
) -> AroundDocument:
    target = targets.get(document.target_id or "")
    whose = target or document
    known = facts[whose.id]
    standing = fold_incoming(known)
    request = await _asked(work, document, target, standing, known)
    owed = status.duty_of(whose, known)
    if target is not None and (request is None or request.state is not RequestState.OPEN):
        owed = None  # the request was answered; what its document waits for is that document's
    is_looked_at = every_double or document.state in UNDECIDED
    return AroundDocument(
        handover=await _handover(work, document.id),
        due=timers.of_duty(office, owed, whose.urgency) if owed is not None else None,
        request=request,
        about=target.id if target is not None else await _replaced(work, document),
        doubles=await related.look_alikes(work, document) if is_looked_at else (),
        is_readable=document.state not in UNREADABLE and whose.state not in UNREADABLE,
    )


async def _asked(
    work: SqlWork,
    document: IncomingDocument,
    target: IncomingDocument | None,
    standing: IncomingStanding,
    facts: Sequence[Fact],
) -> SenderRequest | None:
    if document.kind is Kind.REPLACEMENT and open_request(standing) is None and document.change is not None:
        return _of_item("replace", document, None, None)
    if target is None:
        one = open_request(standing)
        return await _of_open(work, document, one, facts) if one is not None else None
    mine = next((one for one in standing.requests if one.request_id == document.packet_id), None)
    return _of_item(mine.kind if mine is not None else document.kind, document, target, mine)


async def _of_open(
    work: SqlWork, document: IncomingDocument, one: RequestStanding, facts: Sequence[Fact]
) -> SenderRequest:
    """A take-back is a bare status; a recall or an update came as an item of its own."""
    identity = await work.identities.by_packet(document.sender_code, one.request_id)
    if identity is not None and identity.incoming_id is not None and identity.incoming_id != document.id:
        child = await work.incoming.get(identity.incoming_id)
        return _of_item(one.kind, child, document, one)
    said = (each for each in facts if each.request_id == one.request_id and each.code == RequestState.OPEN)
    reason = next((each.reason for each in said), None) or ""
    return SenderRequest(
        kind=one.kind, reason=reason, state=one.state, asked_at=one.asked_at, request_id=one.request_id
    )


def _of_item(
    kind: str,
    item: IncomingDocument,
    target: IncomingDocument | None,
    one: RequestStanding | None,
) -> SenderRequest:
    """Some systems give the notice's own number as that of the packet."""
    change = item.change or DocumentChange(reason="")
    own = f"{item.number}/{item.symbol}"
    is_notice = item.kind is Kind.RECALL and target is not None and item.number
    numbered = own if is_notice and target and own != f"{target.number}/{target.symbol}" else None
    return SenderRequest(
        kind=kind,
        reason=change.reason,
        notice_no=change.notice_no or numbered,
        approved_by=change.approved_by,
        state=one.state if one is not None else None,
        request_id=one.request_id if one is not None else None,
        brought_by=item,
        asked_at=one.asked_at if one is not None else item.arrived_at,
    )


async def _replaced(work: SqlWork, document: IncomingDocument) -> str | None:
    """The first document here that a replacement takes the place of."""
    for replaced_id, _ in document.change.replaces if document.change is not None else ():
        for old in await work.incoming.by_document_id(document.sender_code, replaced_id):
            if old.id != document.id and not old.kind.asks:
                return old.id
    return None


async def _handover(work: SqlWork, id: str) -> Handover | None:
    """None for what is offered to no document system."""
    try:
        return await work.handovers.get(id)
    except NotFound:
        return None


_WHY_UNREADABLE = {
    InState.RECALLED: "its sender recalled it and the recall was agreed",
    InState.SEALED: "it is sealed",
}


async def open_file(services: IncomingServices, scope: AgencyScope, incoming_id: str, n: int) -> OpenFile:
    """The n-th file as a person would open it; NotFound when there is none, Clash when it may not be read."""
    async with services.store.read(scope) as work:
        document = await _readable(work, incoming_id)
        file = next((one for one in document.files if one.n == n), None)
        if file is None:
            raise NotFound(f"{incoming_id} has {len(document.files)} files; there is no file {n}")
        opener = await services.blobs.open(work, file.source)
    start = partial(decoded, opener, file.offset, file.length, file.coding)
    await refuse_altered(services, scope, incoming_id, start, file.sha256)
    return OpenFile(
        name=file.name,
        content_type=file.found_type or file.content_type,
        size=file.size,
        sha256=file.sha256,
        pieces=streamed(services.pool, start()),
    )


async def open_envelope(services: IncomingServices, scope: AgencyScope, incoming_id: str) -> OpenFile:
    """The envelope as it arrived."""
    async with services.store.read(scope) as work:
        document = await _readable(work, incoming_id)
        opener = await services.blobs.open(work, document.envelope_digest)
    start = partial(pieces, opener)
    await refuse_altered(services, scope, incoming_id, start, document.envelope_digest)
    return OpenFile(
        name=f"{incoming_id}.edxml",
        content_type="application/xml",
        size=document.envelope_size,
        sha256=document.envelope_digest,
        pieces=streamed(services.pool, start()),
    )


async def _readable(work: SqlWork, incoming_id: str) -> IncomingDocument:
    """An update of a recalled document brought that document's files, so it is as unreadable."""
    document = await work.incoming.get(incoming_id)
    whose = document if document.target_id is None else await work.incoming.get(document.target_id)
    for one in (document, whose):
        if (why := _WHY_UNREADABLE.get(one.state)) is not None:
            raise Clash(f"the files of {one.id} cannot be read: {why}", code="GW-UNREADABLE")
    return document
