"""Acts of a clerk or a document system on an incoming document: statuses 02 to 06, answers 15 and 16, and putting a new
document on hold for a closer look (R59, irregular signs). In: a `StatusCall`. Out, committed: facts, state,
register entry, and the answer on its way. Statuses may come in any order, and a repeat is harmless. A document on hold is
neither answered nor offered to a document system before a person decides; timer T4 (hold to decision) runs from the
hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.book import RegisterEntry
from gateway.domain.document import Assignment, IncomingDocument, InState, Kind, Source, Staff, Urgency
from gateway.domain.event import EventKind
from gateway.domain.fields import STATUS, tidy
from gateway.domain.identity import PacketId
from gateway.domain.proof import Terms
from gateway.domain.queues import SIGNATURES_JOB
from gateway.domain.states import CODES, Track
from gateway.domain.status import (
    ALLOWED_SKEW,
    REOPENED,
    Fact,
    IncomingStanding,
    Permission,
    RequestKind,
    RequestStanding,
    RequestState,
    fold_incoming,
    is_reopened,
    may_set_incoming,
    not_before,
    open_request,
)
from gateway.domain.wall_clock import local, whole_second
from gateway.errors import Clash, NotFound, Refused
from gateway.incoming import acknowledge, check, doubles, handling, register, related, settle
from gateway.incoming.acknowledge import AnsweredPacket
from gateway.incoming.services import IncomingServices
from gateway.policy.texts import broken_fields
from gateway.policy.verdict import ReasonCode, Verdict, reason

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

# Reasons for refusing a document with status 02, as the API names them.
RefusalReason = Literal[
    "WRONG_ADDRESSEE",
    "OUT_OF_AUTHORITY",
    "NOT_AUTHENTIC",
    "DAMAGED",
    "MISSING_FILE",
    "BAD_FORM",
    "DUPLICATE",
    "SECRET",
    "FORBIDDEN_CONTENT",
    "MALWARE",
    "OTHER",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCall:
    """Status that a caller sets. `reason` is a `RefusalReason`, required with 02."""

    code: str
    register_no: str | None = None
    register_year: int | None = None
    at: datetime | None = None
    staff: Staff | None = None
    note: str | None = None
    reason: str | None = None
    assignment: Assignment | None = None
    answered_by: str | None = None
    reopens: bool = False
    """With 05: opens work again that was closed by mistake. `note` says why, and the document's sender reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusDone:
    document: IncomingDocument
    repeated: bool
    register_no: str | None
    moves_nothing: bool = False
    """True where the status does not change the state, since a later one holds already."""


async def set_status(
    services: IncomingServices,
    scope: AgencyScope,
    incoming_id: str,
    call: StatusCall,
    expect_version: int | None = None,
) -> StatusDone:
    """Record the status on the document and queue its answer to the sender. Raises Refused for missing fields, Clash for
    a conflict with the document's state, and NotFound for a document that is not ours."""
    async with services.store.changing(scope) as work:
        outcome = await set_status_in(services, work, incoming_id, call, expect_version)
    services.wake()
    return outcome


async def set_status_in(
    services: IncomingServices,
    work: SqlWork,
    incoming_id: str,
    call: StatusCall,
    expect_version: int | None = None,
) -> StatusDone:
    """Do the same as `set_status` in the caller's unit of work, who commits it and then wakes."""
    change = await _admit(services, work, incoming_id, call, expect_version)
    call, document, standing, repeated = change.call, change.document, change.standing, change.repeated
    if call.code == "03" and call.register_no and register.lacks_number(standing.state, document):
        document, repeated = await change.give_number(document), True
    elif not repeated and call.code in ("15", "16"):
        document = await change.answer(document, standing)
    elif not repeated:
        document = await change.record_business(document)
    meaning = CODES[call.code]
    moves_nothing = not repeated and meaning.track is Track.BUSINESS and not call.reopens
    moves_nothing = moves_nothing and fold_incoming(change.facts).state is document.state
    return StatusDone(
        document=document,
        repeated=repeated,
        register_no=document.register_no,
        moves_nothing=moves_nothing and document.state != meaning.key,
    )


async def check_status(
    services: IncomingServices,
    work: SqlWork,
    incoming_id: str,
    call: StatusCall,
    expect_version: int | None = None,
) -> None:
    """Raise the errors that `set_status` would raise now, without doing it. The caller ends the unit of work
    without a commit."""
    change = await _admit(services, work, incoming_id, call, expect_version)
    if call.code == "03" and not change.repeated:
        await change.check_entry()


async def _admit(
    services: IncomingServices,
    work: SqlWork,
    incoming_id: str,
    call: StatusCall,
    expect_version: int | None,
) -> _StatusChange:
    """Check the call against the document in this unit of work; the errors are those of `set_status`."""
    call = tidy(call)
    complete(call)
    call = replace(call, at=whole_second(call.at)) if call.at is not None else call
    agency = await work.agency()
    addressed = await work.incoming.get(incoming_id)
    if expect_version is not None:
        addressed = await work.incoming.save(addressed, expect_version=expect_version)
    _check_time(call.at, addressed.arrived_at, services.clock.now())
    if call.answered_by is not None:
        await work.outgoing.get(call.answered_by)
    target = addressed.target_id
    document = addressed if target is None else await work.incoming.get(target)
    facts = list(await work.facts.of_subject(document.id))
    standing = fold_incoming(facts)
    is_answer = target is not None
    permission = (
        _may_answer(standing, addressed, call.code) if is_answer else may_set_incoming(standing, call.code)
    )
    if permission and target is None and (call.reopens or call.code == "06"):
        call, permission = _order_in_time(facts, standing, call, services.clock.now())
    repeated = permission.repeat or (target is None and _is_repeat(facts, call))
    if not permission and not repeated:
        raise Clash(
            f"{document.id} is {standing.state}: status {call.code} cannot be set now ({permission.reason})",
            code="GW-STATUS",
        )
    register.check_number(agency, document, call.code, call.register_no, call.register_year)
    return _StatusChange(
        services=services,
        work=work,
        agency=agency,
        document=document,
        facts=facts,
        standing=standing,
        call=call,
        repeated=repeated,
        now=services.clock.now(),
    )


def complete(call: StatusCall) -> None:
    """Check the fields of a call without looking at the document; Refused names every fault at once."""
    faults = []
    if call.code not in CODES:
        faults.append(reason(ReasonCode.STATUS_UNKNOWN, "/code", status=call.code))
    if call.code == "02" and not call.reason:
        faults.append(reason(ReasonCode.MISSING, "/reason", field="reason"))
    if call.code == "02" and call.reason == "OTHER" and not call.note:
        faults.append(reason(ReasonCode.MISSING, "/note", field="note"))
    if call.reopens and not call.note:
        faults.append(reason(ReasonCode.MISSING, "/note", field="note"))
    faults += broken_fields(STATUS, call)
    if faults:
        raise Refused(Verdict(reasons=tuple(faults)))


def _check_time(at: datetime | None, arrived_at: datetime, now: datetime) -> None:
    """Refuse a stated time before the document's arrival or after now, with a tolerance for clocks that differ."""
    if at is None or arrived_at - ALLOWED_SKEW <= at <= now + ALLOWED_SKEW:
        return
    raise _time_refusal(at, arrived_at, now)


def _time_refusal(at: datetime, since: datetime, now: datetime) -> Refused:
    stated, earliest, latest = (f"{local(t):%H:%M %d/%m/%Y}" for t in (at, since, now))
    refusal = reason(ReasonCode.STATUS_TIME, "/at", given=stated, earliest=earliest, latest=latest)
    return Refused(Verdict(reasons=(refusal,)))


def _may_answer(standing: IncomingStanding, request: IncomingDocument, code: str) -> Permission:
    """Tell whether a recall or an update may get this answer: 15 or 16, while its request is open."""
    own = next((r for r in standing.requests if r.request_id == request.packet_id), None)
    if own is None or code not in ("15", "16"):
        return Permission(allowed=False, reason="status.no_open_request")
    if own.state is RequestState.OPEN:
        return may_set_incoming(standing, code)
    same = own.state is (RequestState.AGREED if code == "15" else RequestState.REFUSED)
    return Permission(allowed=same, repeat=same, reason="" if same else "status.no_open_request")


def _order_in_time(
    facts: Sequence[Fact], standing: IncomingStanding, call: StatusCall, now: datetime
) -> tuple[StatusCall, Permission]:
    """Return the call with its time set, and whether it is permitted. Reopened work counts only if it is stated later
    than the closing, and the next closing only if it is later than that, so a call without a time gets such a time.
    Reopening twice is harmless."""
    is_open_again = REOPENED in standing.marks
    if call.reopens and standing.state is not InState.DONE:
        return call, Permission(allowed=is_open_again, repeat=is_open_again, reason="status.not_done")
    earliest = not_before(facts, call.code) if call.reopens or is_open_again else None
    if earliest is None or any(_is_same_statement(fact, call) for fact in facts):
        return call, Permission(allowed=True)
    if call.at is not None and call.at < earliest:
        raise _time_refusal(call.at, earliest, now)
    return replace(call, at=call.at or max(now, earliest)), Permission(allowed=True)


def _is_same_statement(fact: Fact, call: StatusCall) -> bool:
    is_same = fact.track is Track.BUSINESS and fact.code == call.code
    stated_at = whole_second(fact.stated_at) if fact.stated_at is not None else None
    return is_same and call.at is not None and stated_at == call.at


def _is_repeat(facts: Sequence[Fact], call: StatusCall) -> bool:
    """Tell whether the call says nothing new: it has no assignment, and a fact with the same code exists, with the same
    time if the call states one."""
    stated_facts = [fact for fact in facts if fact.track is Track.BUSINESS and fact.code == call.code]
    if not stated_facts or call.assignment is not None or call.code == "01":
        return False
    return call.at is None or any(_is_same_statement(fact, call) for fact in stated_facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _StatusChange:
    """Permitted call in the unit of work that records it. `document` is the one that it is about, `facts` are the earlier
    facts of it; `repeated`: the call says nothing new."""

    services: IncomingServices
    work: SqlWork
    agency: HostedAgency
    document: IncomingDocument
    facts: Sequence[Fact]
    standing: IncomingStanding
    call: StatusCall
    repeated: bool
    now: datetime

    @property
    def stated_at(self) -> datetime:
        """Time of the status in whole seconds, as its recipient reads it."""
        return whole_second(self.call.at or self.now)

    @property
    def description(self) -> str | None:
        """Text for the document's sender: the label of the reason, and the note."""
        call = self.call
        return settle.refusal_text(call.reason, call.note) if call.reason is not None else call.note

    async def give_number(self, document: IncomingDocument) -> IncomingDocument:
        """Enter the document in the book, and send its number in a second 03."""
        call = self.call
        entry = await self._enter(document)
        if entry is None:
            raise Clash(f"the book took no number for {document.id}", code="GW-STATUS")
        document = await register.give_number(
            self.services,
            self.work,
            self.agency,
            document,
            self.facts,
            entry,
            given_at=self.stated_at,
            note=call.note,
            staff=call.staff,
        )
        await self._record_event(document)
        return document

    async def record_business(self, document: IncomingDocument) -> IncomingDocument:
        """Record a status 02 to 06 with its effects, and queue the answer to the sender."""
        call, is_taken_in = self.call, self.call.code == "03"
        if is_taken_in:
            document = await self._take_in(document)
        fact = self._make_fact(Track.BUSINESS)
        if is_taken_in:
            fact = replace(fact, register_no=document.register_no, register_year=document.register_year)
        await self.work.facts.add(document.id, fact)
        if call.assignment is not None:
            assignment = await handling.resolve(self.work, call.assignment, self.now)
            document = replace(document, assignment=assignment)
        document = await settle.stand(self.work, document, [*self.facts, fact])
        if document.source is Source.AXIS:  # mail from another source has no sender on the axis
            terms = register.number_terms(document) if is_taken_in else None
            await self._queue_answer(acknowledge.of_document(document), terms)
        await self._record_event(document)
        await self._share_parts(document)
        if is_taken_in and not any(f.track is Track.BUSINESS and f.code == "03" for f in self.facts):
            await self.work.note_entry(document)
        return document

    async def _share_parts(self, document: IncomingDocument) -> None:
        """Give each assigned unit its part while the work goes on, and close all parts when it ends."""
        is_reopened_now = REOPENED in document.marks and not is_reopened(self.facts)
        if document.state in (InState.DONE, InState.REJECTED):
            await handling.close(self.work, document, self.work.scope.principal_id, self.now)
        elif self.call.assignment is not None or is_reopened_now:
            by = self.work.scope.principal_id
            await handling.give(self.work, document, by, self.now, self.services.clock.new_id)

    async def _take_in(self, document: IncomingDocument) -> IncomingDocument:
        """Enter the document in the book, release it from a hold, and mark the documents that it replaces."""
        entry = await self._enter(document)
        if entry is not None:
            document = replace(document, register_no=entry.number, register_year=entry.year)
        if document.source is Source.AXIS:
            copies = await doubles.other_copies(self.work, document)
            document = replace(document, marks=doubles.marks_with_copy(document, copies))
        if document.state is InState.HELD:
            await self.work.facts.add(document.id, Fact(track=Track.OTHER, code="released", at=self.now))
            await self.work.handovers.offer(document.id)
        if document.kind is Kind.REPLACEMENT:
            return await related.mark_replaced(self.work, document, self.now)
        return document

    async def answer(self, document: IncomingDocument, standing: IncomingStanding) -> IncomingDocument:
        """Answer the document's open request with 15 (agreed) or 16 (refused)."""
        work, code = self.work, self.call.code
        request = open_request(standing)
        if request is None:
            raise Clash(f"{document.id} has no open recall, take-back or update to answer", code="GW-STATUS")
        fact = replace(self._make_fact(Track.REQUEST), request_id=request.request_id)
        await work.facts.add(document.id, fact)
        answered, child = await _find_requester(work, document, request)
        if child is not None:
            answer = f"request_{'agreed' if code == '15' else 'refused'}:{request.kind}"
            await work.incoming.save(replace(child, state=InState.DONE, marks=(*child.marks, answer)))
            if code == "15" and request.kind is RequestKind.UPDATE:
                document = _updated(document, child)
                if child.files:
                    document = check.with_signatures_of(document, child)
                    work.incoming.exchange_files(document)
                    await work.jobs.cancel(SIGNATURES_JOB, document.id)
                    await check.plan_rejudging(self.services, work, document)
        document = await settle.stand(work, document, [*self.facts, fact])
        await register.recalled(work, document, child, self.now)
        if document.state is InState.RECALLED:
            await handling.close(work, document, work.scope.principal_id, self.now)
        await self._queue_answer(answered)
        await self._record_event(document)
        return document

    async def check_entry(self) -> None:
        """Raise Clash or Refused where the book would not take the document; the entry is undone with the unit of work."""
        await self._enter(self.document)

    async def _enter(self, document: IncomingDocument) -> RegisterEntry | None:
        number, year = self.call.register_no, self.call.register_year
        return await register.enter(self.work, self.agency, document, number, year, self.now, self.stated_at)

    def _make_fact(self, track: Track) -> Fact:
        call = self.call
        return Fact(
            track=track,
            code=call.code,
            at=self.now,
            stated_at=self.stated_at,
            reason=call.reason,
            # A 05 with a text reopens closed work; its recipient recognises this by the text alone.
            note=self.description if call.code == "05" else call.note,
            staff=call.staff,
        )

    async def _queue_answer(self, answered: AnsweredPacket, terms: Terms | None = None) -> None:
        call = self.call
        await acknowledge.queue_answer(
            self.services,
            self.work,
            self.agency,
            answered,
            call.code,
            description=self.description,
            staff=call.staff,
            stated_at=self.stated_at,
            terms=terms,
        )

    async def _record_event(self, document: IncomingDocument) -> None:
        call = self.call
        details = {
            "code": call.code,
            "state": document.state,
            "register_no": document.register_no,
            "reason": call.reason,
            "answered_by": call.answered_by,
            **(_describe(document.assignment) if call.assignment and document.assignment else {}),
        }
        await self.work.events.append(EventKind.INBOX_STATUS, document.id, self.now, details)
        if REOPENED in document.marks and not is_reopened(self.facts):
            await self.work.events.append(
                EventKind.INBOX_REOPENED, document.id, self.now, {"reason": call.note}
            )


async def _find_requester(
    work: SqlWork, document: IncomingDocument, request: RequestStanding
) -> tuple[AnsweredPacket, IncomingDocument | None]:
    """Return the packet that made the request, which the answer's receipt names, and its incoming document, if any."""
    answered = acknowledge.of_document(document)
    identity = await work.identities.by_packet(document.sender_code, request.request_id)
    if identity is None:
        return answered, None
    packet = await work.inbox.get(identity.inbox_id)
    requesting = replace(
        answered,
        subject_id=packet.id,
        packet_id=PacketId(request.request_id),
        body_digest=identity.body_digest,
        file_digest=packet.file_digest,
        size=packet.size,
        received_at=packet.received_at,
    )
    if request.kind is RequestKind.TAKE_BACK or identity.incoming_id is None:
        return requesting, None
    return requesting, await work.incoming.get(identity.incoming_id)


def _updated(document: IncomingDocument, update: IncomingDocument) -> IncomingDocument:
    """Return the document with the update's new values. Its arrival number, state and history stay."""
    return replace(
        document,
        type_name=update.type_name,
        subject=update.subject,
        signer=update.signer,
        urgency=update.urgency,
        due_on=update.due_on,
        pages=update.pages,
        reply_required=document.reply_required
        if update.reply_required is None and update.due_on == document.due_on
        else update.reply_required,
        recipients=update.recipients,
        replies_to=update.replies_to,
        due_at=(update.due_at or document.due_at) if update.urgency is Urgency.TIMED_EXPRESS else None,
        delivery_mode=update.delivery_mode or document.delivery_mode,
        role=update.role or document.role,
        files=update.files or document.files,
        marks=(*document.marks, "updated"),
    )


def _describe(assignment: Assignment, why: str = "") -> dict[str, object]:
    """Describe an assignment for its event. An instruction is never changed, only added (R67, instructions stay)."""
    details = {
        "assignment": assignment.lead_unit,
        "units": list(assignment.coordinating_units) or None,
        "deadline": assignment.deadline.isoformat() if assignment.deadline else None,
        "deadlines": {d.unit: d.deadline.isoformat() for d in assignment.deadlines} or None,
        "persons": [{"unit": p.unit, "person": p.person} for p in assignment.persons] or None,
        "informed": [{"unit": i.unit, "person": i.person} for i in assignment.informed] or None,
        "note": assignment.instruction,
        "why": why or None,
    }
    return {name: v for name, v in details.items() if v is not None}


async def assign(
    services: IncomingServices,
    scope: AgencyScope,
    incoming_id: str,
    assignment: Assignment,
    expect_version: int | None = None,
    why: str = "",
) -> IncomingDocument:
    """Assign the document to the units that handle it; `set_status` reports this with 04. `why` explains a changed
    assignment (R65, wrong unit)."""
    async with services.store.changing(scope) as work:
        return await assign_in(services, work, incoming_id, assignment, expect_version, why)


async def assign_in(
    services: IncomingServices,
    work: SqlWork,
    incoming_id: str,
    assignment: Assignment,
    expect_version: int | None = None,
    why: str = "",
) -> IncomingDocument:
    """Do the same as `assign` in the caller's unit of work, who commits it."""
    assignment, now = tidy(assignment), services.clock.now()
    complete(StatusCall(code="04", assignment=assignment))
    document = await work.incoming.get(incoming_id)
    assignment = await handling.resolve(work, assignment, now)
    saved = await work.incoming.save(replace(document, assignment=assignment), expect_version=expect_version)
    await work.events.append(EventKind.INBOX_STATUS, incoming_id, now, _describe(assignment, why.strip()))
    await handling.give(work, saved, work.scope.principal_id, now, services.clock.new_id)
    return saved


async def set_aside(
    services: IncomingServices,
    scope: AgencyScope,
    incoming_id: str,
    why: str,
    expect_version: int | None = None,
) -> IncomingDocument:
    """Put a new document on hold. Raises Refused without a reason, and Clash when it is not waiting to be taken in."""
    if not why.strip():
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/reason", field="reason"),)))
    now = services.clock.now()
    async with services.store.changing(scope) as work:
        document = await work.incoming.get(incoming_id)
        if expect_version is not None:
            document = await work.incoming.save(document, expect_version=expect_version)
        facts = list(await work.facts.of_subject(document.id))
        if document.target_id is not None or fold_incoming(facts).state is not InState.NEW:
            raise Clash(
                f"{document.id} is {document.state}; only what waits to be taken in can be put on hold",
                code="GW-STATUS",
            )
        hold_fact = Fact(track=Track.OTHER, code="held", at=now, stated_at=now, note=why.strip())
        await work.facts.add(document.id, hold_fact)
        await _withdraw_offer(work, document.id)
        document = await settle.stand(work, document, [*facts, hold_fact])
        details = {"why": why.strip(), "by": scope.principal_id}
        await work.events.append(EventKind.INBOX_HELD, document.id, now, details)
    return document


async def _withdraw_offer(work: SqlWork, incoming_id: str) -> None:
    """Withdraw the offer of the document, unless a document system already has it or holds a lease on it."""
    try:
        handover = await work.handovers.get(incoming_id)
    except NotFound:
        return
    if handover.state == "available":
        await work.handovers.withdraw(incoming_id)
