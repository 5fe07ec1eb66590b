"""Acts on a document of ours once it was accepted. A corrected one is begun, a draft to the recipients who refused; or it
is called back while it still waits to be packed: in one transaction it is cancelled in the book and a draft again. Requests
to others about it: a recall as a step in two hands, R70 (approval of a recall): a clerk asks, the agency's head agrees or
refuses, and only then does it leave; an urging, R54 (urging by a person): a person of ours asks a recipient to take in late
documents, in the agency's name. In: the acting person with their rights, and the wish; or a recipient's code. Out: the
request as it stands, and with the head's agreement the recall on its way in the same transaction; all late documents of the
recipient, whom to phone there, and the note of the urging: never automatic, and not sooner again than the rules allow."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from gateway.domain.account import AgencyScope
from gateway.domain.document import Delivery, DocumentChange, Kind, OutgoingDocument, OutState, Staff
from gateway.domain.event import EventKind
from gateway.domain.fields import tidy
from gateway.domain.identity import PacketId
from gateway.domain.outgoing_acts import Act
from gateway.domain.states import AWAITED, State
from gateway.domain.wall_clock import local, vietnam_time
from gateway.errors import Clash, Denied, NotFound
from gateway.outgoing import files, manage, more_recipients, recall, refusing
from gateway.outgoing.answering import late_answers
from gateway.outgoing.drafting import remaining
from gateway.outgoing.intake import Order
from gateway.outgoing.services import OutgoingServices
from gateway_office.accounts.acting import behalf
from gateway_office.domain.listing import Filter, ListOrder, Side
from gateway_office.domain.task import AskState, RecallAsk
from gateway_office.policy import rights
from gateway_office.policy.rights import Grant, RecallObjection, Rights
from gateway_office.services import OfficeOutgoingServices
from gateway_office.store.store import OfficeWork

LEAST_RECALL_REASON = 10
_LONGEST_REFUSAL = 500
MOST_LATE = 200
LONGEST_URGING = 4000
HOWS = ("phone", "mail", "letter", "other")
_ANSWERS_BACK = timedelta(days=365)
_DAY_ENDS = time(17)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Person at work for the agency of the scope, with the rights of this moment."""

    scope: AgencyScope
    rights: Rights


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRecall:
    """Recall as the clerk enters it; `recipients` are codes."""

    document_id: str
    reason: str
    notice_no: str
    recipients: tuple[str, ...]
    take_back: bool = False


async def ask_recall(
    services: OfficeOutgoingServices, by: Actor, wish: WantedRecall, *, expect_version: int | None = None
) -> RecallAsk:
    """Ask a head for a recall. Raise Clash while another one of the same document waits."""
    now, wish = services.clock.now(), tidy(wish)
    granted = _require_grant(
        rights.asks_recall_as(by.rights, by.scope.agency_id, now) or RecallObjection.RIGHT
    )
    async with services.store.changing(by.scope) as work:
        # The approver is not known yet, and not checked here.
        change = DocumentChange(reason=wish.reason, approved_by="-", notice_no=wish.notice_no)
        parent = await recall.load_recallable(
            work, wish.document_id, change, take_back=wish.take_back, recipients=wish.recipients
        )
        await work.outgoing.save(parent, expect_version=expect_version)
        if any(r.is_open for r in await work.office.recalls.of_document(parent.id)):
            raise Clash("a recall of this document waits for the head already", code="GW-RECALL-ASKED")
        request = RecallAsk(
            id=services.clock.new_id("rca_"),
            document_id=parent.id,
            reason=wish.reason,
            notice_no=wish.notice_no,
            take_back=wish.take_back,
            recipients=wish.recipients,
            asked_by=by.rights.person_id,
            asked_at=now,
            asked_for=granted.on_behalf_of,
        )
        await work.office.recalls.add(request)
        await _record_recall(work, EventKind.RECALL_FILED, request, granted, now, to=list(request.recipients))
    services.wake()
    return request


async def approve_recall(services: OfficeOutgoingServices, by: Actor, id: str, *, name: str) -> RecallAsk:
    """Send the recall with the head's name. A document that cannot be recalled any more stays open, and the error says
    why."""
    now = services.clock.now()
    async with services.store.begin(by.scope) as work:
        request, granted = await _load_to_decide(work, by, id, now)
        change = DocumentChange(reason=request.reason, approved_by=name, notice_no=request.notice_no)
        parent = await recall.load_recallable(
            work, request.document_id, change, take_back=request.take_back, recipients=request.recipients
        )
        parent = await work.outgoing.save(parent)
        sent_document = await recall.recall_in(
            services, work, parent, change, take_back=request.take_back, recipients=request.recipients
        )
        # A take-back is a mere status: no document of ours.
        result = sent_document.id if sent_document.id != parent.id else None
        closed = replace(request, state=AskState.APPROVED, result=result)
        closed = await _close_recall(work, EventKind.RECALL_APPROVED, closed, by, granted, now, result=result)
    services.wake()
    return closed


async def refuse_recall(services: OfficeOutgoingServices, by: Actor, id: str, reason: str) -> RecallAsk:
    """Refuse the recall: no packet leaves, and the clerk reads the reason."""
    now = services.clock.now()
    if len(reason.strip()) < LEAST_RECALL_REASON:
        raise Clash(f"a reason of at least {LEAST_RECALL_REASON} characters is needed", code="GW-REASON")
    async with services.store.begin(by.scope) as work:
        request, granted = await _load_to_decide(work, by, id, now)
        closed = replace(request, state=AskState.REFUSED, why=reason.strip()[:_LONGEST_REFUSAL])
        closed = await _close_recall(
            work, EventKind.RECALL_REFUSED, closed, by, granted, now, reason=closed.why
        )
    services.wake()
    return closed


async def withdraw_recall(services: OfficeOutgoingServices, by: Actor, id: str) -> RecallAsk:
    """Withdraw the request, before the head decided."""
    now = services.clock.now()
    async with services.store.begin(by.scope) as work:
        request = await work.office.recalls.get(id)
        granted = _require_grant(rights.withdraws_recall_as(request, by.rights, by.scope.agency_id, now))
        closed = replace(request, state=AskState.WITHDRAWN)
        closed = await _close_recall(work, EventKind.RECALL_WITHDRAWN, closed, by, granted, now)
    services.wake()
    return closed


async def list_recall_requests(
    services: OfficeOutgoingServices, scope: AgencyScope, document_id: str
) -> Sequence[RecallAsk]:
    """List the recall requests of one document, newest first."""
    async with services.store.read(scope) as work:
        return await work.office.recalls.of_document(document_id)


async def _load_to_decide(work: OfficeWork, by: Actor, id: str, now: datetime) -> tuple[RecallAsk, Grant]:
    request = await work.office.recalls.get(id)
    return request, _require_grant(rights.decides_recall_as(request, by.rights, by.scope.agency_id, now))


async def _close_recall(
    work: OfficeWork,
    kind: EventKind,
    closed: RecallAsk,
    by: Actor,
    granted: Grant,
    now: datetime,
    **more: object,
) -> RecallAsk:
    """Close the request with its decider, and commit."""
    closed = replace(closed, decided_by=by.rights.person_id, decided_for=granted.on_behalf_of, decided_at=now)
    await work.office.recalls.close(closed)
    await _record_recall(work, kind, closed, granted, now, **more)
    await work.commit()
    return closed


async def _record_recall(
    work: OfficeWork, kind: EventKind, ask: RecallAsk, granted: Grant, now: datetime, **more: object
) -> None:
    details = {"ask": ask.id, "asked_by": ask.asked_by, "take_back": ask.take_back, **more, **behalf(granted)}
    await work.events.append(kind, ask.document_id, now, details)


def _require_grant(grant: Grant | RecallObjection) -> Grant:
    match grant:
        case RecallObjection.CLOSED:
            raise Clash("this recall does not wait any more", code=grant.value)
        case RecallObjection.SELF:
            raise Denied("nobody agrees to what oneself has asked for", code=grant.value)
        case RecallObjection.RIGHT:
            raise Denied("this person may not do that here (recall)", code=grant.value)
        case _:
            return grant


@dataclass(frozen=True, slots=True, kw_only=True)
class LateDocument:
    """Document that the recipient has not taken in by `due_at`."""

    id: str
    code: str
    issued_on: date | None
    subject: str
    state: str
    sent_at: datetime | None
    due_at: datetime
    answer: bool = False
    """True where an answer was due by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Urging:
    """Late documents of one recipient. `contact` is the person who last answered from there; `free_at` is the time from
    which it may be urged again, None when it may be now."""

    code: str
    name: str
    late: tuple[LateDocument, ...]
    contact: Staff | None = None
    last_at: datetime | None = None
    last_by: str = ""
    free_at: datetime | None = None


async def urging_of(
    services: OfficeOutgoingServices, scope: AgencyScope, code: str, every: timedelta
) -> Urging:
    """List all late documents of that recipient together."""
    async with services.store.read(scope) as work:
        return await _urging_of(work, code, every, services.clock.now())


async def urge(
    services: OfficeOutgoingServices,
    scope: AgencyScope,
    code: str,
    *,
    by: str,
    how: str,
    text: str,
    every: timedelta,
    only: Collection[str] = (),
) -> Urging:
    """Record that `by`, a person, urged the recipient about its late documents, or about those among `only`. Raise Clash
    when nothing is late, or it was urged a short while ago."""
    words = text.strip()
    if not words or len(words) > LONGEST_URGING or how not in HOWS:
        raise Clash(
            f"say how it was urged, and with what words (1 to {LONGEST_URGING} letters)", code="GW-URGE-TEXT"
        )
    now = services.clock.now()
    async with services.store.changing(scope) as work:
        await work.agency()
        urging = await _urging_of(work, code, every, now)
        if urging.free_at is not None:
            raise Clash(f"{code} was urged at {urging.last_at:%Y-%m-%d %H:%M}; wait", code="GW-URGED")
        late = [document for document in urging.late if not only or document.id in only]
        if not late:
            raise Clash(f"nothing of ours is late at {code}", code="GW-NOT-LATE")
        # When two persons press at once, the second finds the claim of the first.
        last_urged = urging.last_at.isoformat() if urging.last_at is not None else "never"
        if not await work.office.reminders.first_time(f"urged {_urging_place(code)} {last_urged}", now):
            raise Clash(f"{code} is being urged by somebody else", code="GW-URGED")
        details = {"to": code, "how": how, "person": by, "note": words}
        await work.events.append(
            EventKind.MESSAGE_URGED,
            _urging_place(code),
            now,
            {**details, "of": [document.id for document in late]},
        )
        for document in late:
            await work.events.append(EventKind.MESSAGE_URGED, document.id, now, details)
    services.wake()
    return urging


async def _urging_of(work: OfficeWork, code: str, every: timedelta, now: datetime) -> Urging:
    page = await work.office.lists.page(
        Filter(side=Side.OUT, overdue=True, party=code, sort=ListOrder.OLDEST), limit=MOST_LATE
    )
    sent = await work.deliveries.of_documents([line.id for line in page.lines])
    late, delivery_ids, name = list[LateDocument](), list[str](), ""
    for line in page.lines:
        for delivery in sent.get(line.id, ()):
            if delivery.recipient.code.casefold() != code.casefold() or delivery.state not in AWAITED:
                continue
            name, delivery_ids = delivery.recipient.name or name, [*delivery_ids, delivery.id]
            late.append(
                LateDocument(
                    id=line.id,
                    code=f"{line.card.number}/{line.card.symbol}",
                    issued_on=line.issued_on,
                    subject=line.card.subject,
                    state=delivery.state,
                    sent_at=line.sent_at,
                    due_at=line.due_at or now,
                )
            )
    late_ids = {document.id for document in late}
    for document, delivery in await _late_answers(work, code, now):
        name, delivery_ids = delivery.recipient.name or name, [*delivery_ids, delivery.id]
        if document.id not in late_ids and document.reply_by is not None:
            late.append(
                LateDocument(
                    id=document.id,
                    code=document.draft.code,
                    issued_on=document.draft.issued_on,
                    subject=document.draft.subject,
                    state=delivery.state,
                    sent_at=document.packed_at,
                    due_at=vietnam_time(document.reply_by, _DAY_ENDS),
                    answer=True,
                )
            )
    urgings = [
        event
        for event in await work.events.of_subject(_urging_place(code))
        if event.kind is EventKind.MESSAGE_URGED
    ]
    last = max(urgings, key=lambda event: event.at, default=None)
    free_at = last.at + every if last is not None else None
    return Urging(
        code=code,
        name=name,
        late=tuple(late),
        contact=await _contact(work, code, delivery_ids),
        last_at=last.at if last else None,
        last_by=str(last.data.get("person", "")) if last else "",
        free_at=free_at if free_at is not None and free_at > now else None,
    )


async def _late_answers(
    work: OfficeWork, code: str, now: datetime
) -> list[tuple[OutgoingDocument, Delivery]]:
    """List documents whose answer by that recipient is overdue: T9 (reply deadline)."""
    today = local(now).date()
    awaiting = await work.outgoing.wanting_replies(
        today - _ANSWERS_BACK, today - timedelta(days=1), MOST_LATE
    )
    awaiting = [d for d in awaiting if not d.is_sealed]
    ids = [d.id for d in awaiting]
    if not ids:
        return []
    sent = await work.deliveries.of_documents(ids)
    late = await late_answers(work, awaiting, sent, today)
    return [
        (document, d)
        for document in awaiting
        for d in sent.get(document.id, ())
        if d.id in late and d.recipient.code.casefold() == code.casefold()
    ]


async def _contact(work: OfficeWork, code: str, delivery_ids: Sequence[str]) -> Staff | None:
    """Return the person named in the recipient's newest status: of these documents, else of the last ones."""
    facts_by_delivery = {id: await work.facts.of_subject(id) for id in delivery_ids}
    if not any(fact.staff for facts in facts_by_delivery.values() for fact in facts):
        page = await work.office.lists.page(
            Filter(side=Side.OUT, party=code, sort=ListOrder.NEWEST), limit=20
        )
        sent = await work.deliveries.of_documents([line.id for line in page.lines])
        latest_ids = [
            d.id for all_ in sent.values() for d in all_ if d.recipient.code.casefold() == code.casefold()
        ]
        facts_by_delivery = dict(await work.facts.of_subjects(latest_ids)) if latest_ids else {}
    with_contact = [
        fact
        for facts in facts_by_delivery.values()
        for fact in facts
        if fact.staff and (fact.staff.phone or fact.staff.name)
    ]
    newest = max(with_contact, key=lambda fact: fact.at, default=None)
    return newest.staff if newest is not None else None


def _urging_place(code: str) -> str:
    """Return the subject under which the urgings of one recipient are recorded, for any document."""
    return f"urged:{code.casefold()}"


async def begin_correction(services: OutgoingServices, scope: AgencyScope, id: str) -> OutgoingDocument:
    """Begin a corrected draft. Raise Clash when no recipient refused it."""
    async with services.store.read(scope) as work:
        document = await refusing.require_by_id(work, id, Act.CORRECT)
        deliveries = await work.deliveries.of_document(id)
    refused_by = tuple(d.recipient for d in deliveries if d.state == State.REJECTED)
    if not refused_by:
        raise Clash(f"no recipient has refused {id}")
    draft = replace(document.draft, external_id=None, callback_data=None, recipients=refused_by)
    order = Order(draft=draft, send=False, kind=Kind.DOCUMENT)
    accepted = await more_recipients.accept_with_files(services, scope, document, order)
    if accepted.document is None:
        raise NotFound("the draft was begun, and is not there")
    return accepted.document


async def call_back(services: OutgoingServices, scope: AgencyScope, id: str) -> OutgoingDocument:
    """Take it back to a draft. Raise Clash once packing has begun: then it is cancelled or recalled instead."""
    now = services.clock.now()
    async with services.store.changing(scope) as work:
        document = await work.outgoing.get(id)
        files.refuse_sealed(document)
        if document.state not in (OutState.QUEUED, OutState.PAPER):
            raise Clash(f"{id} is {document.state}: it cannot be called back", code="GW-ALREADY-SENT")
        draft = replace(
            document,
            id=services.clock.new_id("msg_"),
            packet_id=PacketId(services.clock.new_id("pkt_")),
            draft=replace(
                document.draft, external_id=None, recipients=remaining(document.draft, document.change)
            ),
            state=OutState.DRAFT,
            created_at=now,
            accepted_by=scope.principal_id,
            attempt=1,
            version=1,
            leaves_at=None,
        )
        await work.outgoing.add(draft)
        for item in draft.files:
            await work.blobs.add(item.sha256, "source", draft.id)
        await manage.cancel_in(services, work, document, {"undone": draft.id})
        details = {
            "kind": draft.kind,
            "document_id": draft.document_id,
            "code": draft.draft.code,
            "undone": id,
            "draft": True,
        }
        await work.events.append(EventKind.MESSAGE_ACCEPTED, draft.id, now, details)
    return draft
