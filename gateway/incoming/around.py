"""What a program or a terminal is told around an incoming document: by when it is waited for, what its sender asks, what
it is about, and which other document looks the same. In: documents and the office's calendar. Out: an `Around` for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.domain import duty
from gateway.domain.document import Change, IncomingDocument, InState, Kind
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
from gateway.incoming import doubles, files
from gateway.policy import timers
from gateway.ports import Handover, Work

_REQUESTS = (Kind.RECALL, Kind.UPDATE)
_UNDECIDED = (InState.NEW, InState.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What its sender asks. `item` is the incoming document that brought it, where it is one; without a `state` it asks
    for no answer of its own, as a replacement."""

    kind: str
    reason: str
    notice_no: str | None
    approved_by: str | None
    state: RequestState | None
    item: str | None
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    handover: Handover | None = None
    due: timers.Due | None = None
    request: Asked | None = None
    about: str | None = None
    duplicate_of: str | None = None
    is_readable: bool = True


async def of(work: Work, document: IncomingDocument, office: OfficeCalendar) -> Around:
    """One document, whatever its state."""
    (found,) = await look(work, [document], office, every_double=True)
    return found


async def look(
    work: Work,
    documents: Sequence[IncomingDocument],
    office: OfficeCalendar,
    *,
    every_double: bool = False,
) -> list[Around]:
    """Of a list. Doubles are looked for where somebody has to decide still, or of all with `every_double`."""
    if not documents:
        return []
    targets = await _targets(work, documents)
    facts = await work.facts.of_many([*(each.id for each in documents), *targets])
    return [await _around(work, each, targets, facts, office, every_double) for each in documents]


async def _targets(work: Work, documents: Sequence[IncomingDocument]) -> Mapping[str, IncomingDocument]:
    ids = {each.target_id for each in documents if each.target_id is not None}
    return {id: await work.incoming.get(id) for id in sorted(ids)}


async def _around(
    work: Work,
    document: IncomingDocument,
    targets: Mapping[str, IncomingDocument],
    facts: Mapping[str, Sequence[Fact]],
    office: OfficeCalendar,
    every_double: bool,
) -> Around:
    target = targets.get(document.target_id or "")
    whose = target or document
    known = facts[whose.id]
    standing = fold_incoming(known)
    request = await _asked(work, document, target, standing, known)
    owed = duty.of_incoming(whose, known)
    if target is not None and (request is None or request.state is not RequestState.ASKED):
        owed = None  # the request was answered; what its document waits for is that document's
    is_looked_at = every_double or document.state in _UNDECIDED
    twins = await doubles.of(work, document) if is_looked_at else []
    return Around(
        handover=await _handover(work, document.id),
        due=timers.of_duty(office, owed, whose.urgency) if owed is not None else None,
        request=request,
        about=target.id if target is not None else await _replaced(work, document),
        duplicate_of=twins[0].id if twins else None,
        is_readable=document.state not in files.UNREADABLE and whose.state not in files.UNREADABLE,
    )


async def _asked(
    work: Work,
    document: IncomingDocument,
    target: IncomingDocument | None,
    standing: IncomingStanding,
    facts: Sequence[Fact],
) -> Asked | None:
    if document.kind is Kind.REPLACEMENT and open_request(standing) is None and document.change is not None:
        return _of_item("replace", document, None, None)
    if target is None:
        one = open_request(standing)
        return await _of_open(work, document, one, facts) if one is not None else None
    mine = next((one for one in standing.requests if one.request_id == document.packet_id), None)
    return _of_item(mine.kind if mine is not None else document.kind, document, target, mine)


async def _of_open(
    work: Work, document: IncomingDocument, one: RequestStanding, facts: Sequence[Fact]
) -> Asked:
    """A take-back is a bare status; a recall or an update came as an item of its own."""
    identity = await work.identities.by_packet(document.sender_code, one.request_id)
    if identity is not None and identity.incoming_id is not None and identity.incoming_id != document.id:
        child = await work.incoming.get(identity.incoming_id)
        return _of_item(one.kind, child, document, one)
    said = next((each for each in facts if each.request_id == one.request_id and each.code == "asked"), None)
    return Asked(
        kind=one.kind,
        reason=(said.reason if said is not None else None) or "",
        notice_no=None,
        approved_by=None,
        state=one.state,
        item=None,
        asked_at=one.asked_at,
    )


def _of_item(
    kind: str,
    item: IncomingDocument,
    target: IncomingDocument | None,
    one: RequestStanding | None,
) -> Asked:
    """Some systems give the notice's own number as that of the packet."""
    change = item.change or Change(reason="")
    own = f"{item.number}/{item.symbol}"
    is_notice = item.kind is Kind.RECALL and target is not None and item.number
    numbered = own if is_notice and target and own != f"{target.number}/{target.symbol}" else None
    return Asked(
        kind=kind,
        reason=change.reason,
        notice_no=change.notice_no or numbered,
        approved_by=change.approved_by,
        state=one.state if one is not None else None,
        item=item.id,
        asked_at=one.asked_at if one is not None else item.arrived_at,
    )


async def _replaced(work: Work, document: IncomingDocument) -> str | None:
    """The first document here that a replacement takes the place of."""
    for replaced_id, _ in document.change.replaces if document.change is not None else ():
        for old in await work.incoming.by_document_id(document.sender_code, replaced_id):
            if old.id != document.id and old.kind not in _REQUESTS:
                return old.id
    return None


async def _handover(work: Work, id: str) -> Handover | None:
    """None for what is offered to no document system."""
    try:
        return await work.handovers.get(id)
    except NotFound:
        return None
