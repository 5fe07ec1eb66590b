"""What is done with a document of ours once it was accepted. A corrected one is begun, a draft to those who refused; or it
is called back while it still waits to be packed: in one transaction it is cancelled in the book and a draft again. What is
asked of others about it: a recall as a step in two hands (R70): a clerk asks, the agency's head agrees or refuses, and only
then does it leave; an urging: a person of ours asks a recipient to take in what it has not, in the agency's name (R54). In:
who acts with which rights, and the wish; or a recipient's code. Out: what was asked, as it stands now, and with the head's
agreement the recall is on its way in the same transaction; everything of ours that the recipient is late with, whom to
phone there, and the note that it was urged: never by itself, and not sooner again than the rules allow."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from gateway.domain.account import AgencyScope
from gateway.domain.document import Delivery, DocumentChange, Kind, OutgoingDocument, OutState, Staff
from gateway.domain.event import EventKind
from gateway.domain.fields import tidy
from gateway.domain.identity import PacketId
from gateway.domain.status import AWAITED
from gateway.domain.wall_clock import local, vietnam_time
from gateway.errors import Clash, Denied, NotFound
from gateway.office.accounts.acting import behalf
from gateway.office.desks import OfficeOut
from gateway.office.domain.listing import ListOrder, Side, Wanted
from gateway.office.domain.task import AskState, RecallAsk
from gateway.office.policy import rights
from gateway.office.policy.rights import Granted, RecallObjection, Rights
from gateway.office.store.store import OfficeWork
from gateway.outgoing import files, further, manage, recall
from gateway.outgoing.answering import late_answers
from gateway.outgoing.desk import OutDesk
from gateway.outgoing.drafting import remaining
from gateway.outgoing.intake import Order

LEAST_RECALL_REASON = 10
_LONGEST_REFUSAL = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person at work for the agency of the scope, with the rights of this moment."""

    scope: AgencyScope
    rights: Rights


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRecall:
    """What the clerk enters; `recipients` are codes."""

    document_id: str
    reason: str
    notice_no: str
    recipients: tuple[str, ...]
    take_back: bool = False


async def ask_recall(
    desk: OfficeOut, by: Actor, wanted: WantedRecall, *, expect_version: int | None = None
) -> RecallAsk:
    """It waits for a head. Clash while another one of the same document waits."""
    now, wanted = desk.clock.now(), tidy(wanted)
    granted = _granted(rights.asks_recall_as(by.rights, by.scope.agency_id, now) or RecallObjection.RIGHT)
    async with desk.store.begin(by.scope) as work:
        # Who approves is not known yet, and not what this looks at.
        change = DocumentChange(reason=wanted.reason, approved_by="-", notice_no=wanted.notice_no)
        parent = await recall.look(
            work, wanted.document_id, change, take_back=wanted.take_back, recipients=wanted.recipients
        )
        await work.outgoing.save(parent, expect_version=expect_version)
        if any(each.is_open for each in await work.office.recalls.of(parent.id)):
            raise Clash("a recall of this document waits for the head already", code="GW-RECALL-ASKED")
        asked = RecallAsk(
            id=desk.clock.new_id("rca_"),
            document_id=parent.id,
            reason=wanted.reason,
            notice_no=wanted.notice_no,
            take_back=wanted.take_back,
            recipients=wanted.recipients,
            asked_by=by.rights.person_id,
            asked_at=now,
            asked_for=granted.on_behalf_of,
        )
        await work.office.recalls.add(asked)
        await _tell_recall(work, EventKind.RECALL_ASKED, asked, granted, now, to=list(asked.recipients))
        await work.commit()
    desk.wake()
    return asked


async def approve_recall(desk: OfficeOut, by: Actor, id: str, *, name: str) -> RecallAsk:
    """The recall leaves with the head's name on it. What cannot be recalled any more stays open, and the objection says
    why."""
    now = desk.clock.now()
    async with desk.store.begin(by.scope) as work:
        found, granted = await _decided_recall(work, by, id, now)
        change = DocumentChange(reason=found.reason, approved_by=name, notice_no=found.notice_no)
        parent = await recall.look(
            work, found.document_id, change, take_back=found.take_back, recipients=found.recipients
        )
        parent = await work.outgoing.save(parent)
        left = await recall.within(
            desk, work, parent, change, take_back=found.take_back, recipients=found.recipients
        )
        # A take-back is a bare status: no document of ours.
        result = left.id if left.id != parent.id else None
        closed = replace(found, state=AskState.APPROVED, result=result)
        closed = await _close_recall(work, EventKind.RECALL_APPROVED, closed, by, granted, now, result=result)
    desk.wake()
    return closed


async def refuse_recall(desk: OfficeOut, by: Actor, id: str, why: str) -> RecallAsk:
    """Nothing leaves; the clerk reads why."""
    now = desk.clock.now()
    if len(why.strip()) < LEAST_RECALL_REASON:
        raise Clash(f"a reason of at least {LEAST_RECALL_REASON} characters is needed", code="GW-REASON")
    async with desk.store.begin(by.scope) as work:
        found, granted = await _decided_recall(work, by, id, now)
        closed = replace(found, state=AskState.REFUSED, why=why.strip()[:_LONGEST_REFUSAL])
        closed = await _close_recall(
            work, EventKind.RECALL_REFUSED, closed, by, granted, now, reason=closed.why
        )
    desk.wake()
    return closed


async def withdraw_recall(desk: OfficeOut, by: Actor, id: str) -> RecallAsk:
    """Before the head decided: nobody is asked any more."""
    now = desk.clock.now()
    async with desk.store.begin(by.scope) as work:
        found = await work.office.recalls.get(id)
        granted = _granted(rights.withdraws_recall_as(found, by.rights, by.scope.agency_id, now))
        closed = replace(found, state=AskState.WITHDRAWN)
        closed = await _close_recall(work, EventKind.RECALL_WITHDRAWN, closed, by, granted, now)
    desk.wake()
    return closed


async def recalls_asked(desk: OfficeOut, scope: AgencyScope, document_id: str) -> Sequence[RecallAsk]:
    """All of one document, newest first."""
    async with desk.store.read(scope) as work:
        return await work.office.recalls.of(document_id)


async def _decided_recall(work: OfficeWork, by: Actor, id: str, now: datetime) -> tuple[RecallAsk, Granted]:
    found = await work.office.recalls.get(id)
    return found, _granted(rights.decides_recall_as(found, by.rights, by.scope.agency_id, now))


async def _close_recall(
    work: OfficeWork,
    kind: EventKind,
    closed: RecallAsk,
    by: Actor,
    granted: Granted,
    now: datetime,
    **more: object,
) -> RecallAsk:
    """Committed, with who decided."""
    closed = replace(closed, decided_by=by.rights.person_id, decided_for=granted.on_behalf_of, decided_at=now)
    await work.office.recalls.close(closed)
    await _tell_recall(work, kind, closed, granted, now, **more)
    await work.commit()
    return closed


async def _tell_recall(
    work: OfficeWork, kind: EventKind, ask: RecallAsk, granted: Granted, now: datetime, **more: object
) -> None:
    told = {"ask": ask.id, "asked_by": ask.asked_by, "take_back": ask.take_back, **more, **behalf(granted)}
    await work.events.append(kind, ask.document_id, now, told)


def _granted(found: Granted | RecallObjection) -> Granted:
    match found:
        case RecallObjection.OVER:
            raise Clash("this recall does not wait any more", code=found.value)
        case RecallObjection.SELF:
            raise Denied("nobody agrees to what oneself has asked for", code=found.value)
        case RecallObjection.RIGHT:
            raise Denied("this person may not do that here (recall)", code=found.value)
        case _:
            return found


MOST_LATE = 200
LONGEST_URGING = 4000
HOWS = ("phone", "mail", "letter", "other")
_ANSWERS_BACK = timedelta(days=365)
_DAY_ENDS = time(17)


@dataclass(frozen=True, slots=True, kw_only=True)
class LateDocument:
    """One document that the recipient has not taken in by `due_at`."""

    id: str
    code: str
    issued_on: date | None
    subject: str
    state: str
    sent_at: datetime | None
    due_at: datetime
    answer: bool = False
    """It was to be answered by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Urging:
    """What stands out with one recipient. `contact` is who last answered from there; `free_at` is from when on it may be
    urged again, None when it may be now."""

    code: str
    name: str
    late: tuple[LateDocument, ...]
    contact: Staff | None = None
    last_at: datetime | None = None
    last_by: str = ""
    free_at: datetime | None = None


async def urging_of(desk: OfficeOut, scope: AgencyScope, code: str, every: timedelta) -> Urging:
    """All late documents of that recipient together."""
    async with desk.store.read(scope) as work:
        return await _urging_of(work, code, every, desk.clock.now())


async def urge(
    desk: OfficeOut,
    scope: AgencyScope,
    code: str,
    *,
    by: str,
    how: str,
    text: str,
    every: timedelta,
    only: Collection[str] = (),
) -> Urging:
    """Notes that `by`, a person, urged the recipient about its late documents, or about those of `only` that are. Clash
    when nothing is late, or it was urged a short while ago."""
    words = text.strip()
    if not words or len(words) > LONGEST_URGING or how not in HOWS:
        raise Clash(
            f"say how it was urged, and with what words (1 to {LONGEST_URGING} letters)", code="GW-URGE-TEXT"
        )
    now = desk.clock.now()
    async with desk.store.begin(scope) as work:
        await work.agency()
        found = await _urging_of(work, code, every, now)
        if found.free_at is not None:
            raise Clash(f"{code} was urged at {found.last_at:%Y-%m-%d %H:%M}; wait", code="GW-URGED")
        late = [each for each in found.late if not only or each.id in only]
        if not late:
            raise Clash(f"nothing of ours is late at {code}", code="GW-NOT-LATE")
        # Of two who press at once the second finds the claim of the first.
        before = found.last_at.isoformat() if found.last_at is not None else "never"
        if not await work.office.tasks.first_time(f"urged {_urging_place(code)} {before}", now):
            raise Clash(f"{code} is being urged by somebody else", code="GW-URGED")
        told = {"to": code, "how": how, "person": by, "note": words}
        await work.events.append(
            EventKind.MESSAGE_URGED, _urging_place(code), now, {**told, "of": [each.id for each in late]}
        )
        for each in late:
            await work.events.append(EventKind.MESSAGE_URGED, each.id, now, told)
        await work.commit()
    desk.wake()
    return found


async def _urging_of(work: OfficeWork, code: str, every: timedelta, now: datetime) -> Urging:
    page = await work.office.lists.page(
        Wanted(side=Side.OUT, overdue=True, party=code, sort=ListOrder.OLDEST), limit=MOST_LATE
    )
    sent = await work.deliveries.of_many([line.id for line in page.lines])
    late, ours, name = list[LateDocument](), list[str](), ""
    for line in page.lines:
        for delivery in sent.get(line.id, ()):
            if delivery.recipient.code.casefold() != code.casefold() or delivery.state not in AWAITED:
                continue
            name, ours = delivery.recipient.name or name, [*ours, delivery.id]
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
    known = {each.id for each in late}
    for document, delivery in await _late_answers(work, code, now):
        name, ours = delivery.recipient.name or name, [*ours, delivery.id]
        if document.id not in known and document.reply_by is not None:
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
    said = [
        each for each in await work.events.of(_urging_place(code)) if each.kind is EventKind.MESSAGE_URGED
    ]
    last = max(said, key=lambda each: each.at, default=None)
    free_at = last.at + every if last is not None else None
    return Urging(
        code=code,
        name=name,
        late=tuple(late),
        contact=await _contact(work, code, ours),
        last_at=last.at if last else None,
        last_by=str(last.data.get("person", "")) if last else "",
        free_at=free_at if free_at is not None and free_at > now else None,
    )


async def _late_answers(
    work: OfficeWork, code: str, now: datetime
) -> list[tuple[OutgoingDocument, Delivery]]:
    """What that recipient was to answer by a day that is over (T9), and has not."""
    today = local(now).date()
    wanted = await work.outgoing.wanting_replies(today - _ANSWERS_BACK, today - timedelta(days=1), MOST_LATE)
    wanted = [each for each in wanted if not each.is_sealed]
    ids = [each.id for each in wanted]
    if not ids:
        return []
    sent = await work.deliveries.of_many(ids)
    late = await late_answers(work, wanted, sent, today)
    return [
        (document, each)
        for document in wanted
        for each in sent.get(document.id, ())
        if each.id in late and each.recipient.code.casefold() == code.casefold()
    ]


async def _contact(work: OfficeWork, code: str, ours: Sequence[str]) -> Staff | None:
    """Who signed the newest status of theirs that names somebody to speak to: of these documents, else of the last ones."""
    known = {id: await work.facts.of(id) for id in ours}
    if not any(fact.staff for facts in known.values() for fact in facts):
        page = await work.office.lists.page(
            Wanted(side=Side.OUT, party=code, sort=ListOrder.NEWEST), limit=20
        )
        sent = await work.deliveries.of_many([line.id for line in page.lines])
        theirs = [
            each.id
            for all_ in sent.values()
            for each in all_
            if each.recipient.code.casefold() == code.casefold()
        ]
        known = dict(await work.facts.of_many(theirs)) if theirs else {}
    named = [
        fact
        for facts in known.values()
        for fact in facts
        if fact.staff and (fact.staff.phone or fact.staff.name)
    ]
    newest = max(named, key=lambda fact: fact.at, default=None)
    return newest.staff if newest is not None else None


def _urging_place(code: str) -> str:
    """Under what the urgings of one recipient are found, whatever they were about."""
    return f"urged:{code.casefold()}"


async def begin_anew(desk: OutDesk, scope: AgencyScope, id: str) -> OutgoingDocument:
    """Clash when nobody refused it."""
    async with desk.store.read(scope) as work:
        document = await work.outgoing.get(id)
        deliveries = await work.deliveries.of(id)
    further.check_has_left(document)
    refused = tuple(each.recipient for each in deliveries if each.state == "rejected")
    if not refused:
        raise Clash(f"no recipient has refused {id}")
    draft = replace(document.draft, external_id=None, callback_data=None, recipients=refused)
    order = Order(draft=draft, send=False, kind=Kind.DOCUMENT)
    accepted = await further.accepted_anew(desk, scope, document, order)
    if accepted.document is None:
        raise NotFound("the draft was begun, and is not there")
    return accepted.document


async def call_back(desk: OutDesk, scope: AgencyScope, id: str) -> OutgoingDocument:
    """Clash as soon as it is being packed: then it is cancelled or recalled instead."""
    now = desk.clock.now()
    async with desk.store.begin(scope) as work:
        document = await work.outgoing.get(id)
        files.refuse_sealed(document)
        if document.state not in (OutState.QUEUED, OutState.PAPER):
            raise Clash(f"{id} is {document.state}: it cannot be called back", code="GW-ALREADY-SENT")
        draft = replace(
            document,
            id=desk.clock.new_id("msg_"),
            packet_id=PacketId(desk.clock.new_id("pkt_")),
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
        await manage.cancel_in(desk, work, document, {"undone": draft.id})
        told = {"kind": draft.kind, "document_id": draft.document_id, "code": draft.draft.code, "undone": id}
        await work.events.append(EventKind.MESSAGE_ACCEPTED, draft.id, now, told)
        await work.commit()
    return draft
