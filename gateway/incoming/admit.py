"""Step 4 of the way in: makes one incoming document of an allowed packet, exactly once, without a number. In: a proved
packet and its ruling. Out: committed: identity claimed, document, facts, hand-over, answers, event, inbox row settled.
One transaction; the identity is claimed from verified content inside it (A3, A4, A9)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import IncomingDocument, InState, Kind
from gateway.domain.event import EventKind
from gateway.domain.identity import PacketId
from gateway.domain.pace import Way
from gateway.domain.status import Fact, RequestKind, Track, fold_incoming, open_request
from gateway.edxml import terms
from gateway.errors import BadSignature, BreaksRule, Conflict, OtherContent
from gateway.incoming import acknowledge, check, judge_again, related, seal, settle, translate
from gateway.incoming import desk as desks
from gateway.incoming.check import CheckedPacket
from gateway.incoming.desk import InDesk
from gateway.incoming.verify import Proved
from gateway.policy.door import clean_name
from gateway.policy.incoming import Admission, PacketEnding, answers
from gateway.ports import Identity, InboxPacket, LeasedInbox, Work

_NEW = (Kind.DOCUMENT, Kind.REPLACEMENT)
_NOT_TAKEN_IN = (InState.NEW, InState.HELD)


async def run(desk: InDesk, leased: LeasedInbox, proved: Proved, checked: CheckedPacket) -> None:
    """Admits the packet, or settles it as what it is: a repeat, waiting, returned. Conflict and OtherContent are the
    caller's to settle."""
    item = leased.item
    settle = await ready(desk, leased, proved, checked)
    async with desk.store.begin(AgencyScope(agency_id=item.agency_id, principal_id="node")) as work:
        first = await settle(work)
        if first is not None:
            await _repeat(desk, work, leased, proved, first)
        await work.commit()
    if first is not None:
        # At once, not with the next sweep: the first may be under seal.
        await desk.blobs.forget({item.file_digest, checked.source})


async def ready(
    desk: InDesk, leased: LeasedInbox, proved: Proved, checked: CheckedPacket
) -> Callable[[Work], Awaitable[Identity | None]]:
    """What is asked before a unit of work, and the part that runs in it. That gives the first of a repeat, which is left
    as it is."""
    agency = await desk.agency(leased.item.agency_id)
    before = await related.sent_under_former(desk, agency, translate.replies(proved.envelope.model))

    async def settle(work: Work) -> Identity | None:
        item = leased.item
        await judge_again.note_pending(work, item, proved)
        first = await work.identities.by_body(proved.envelope.sender, proved.envelope.signed.body_digest)
        if first is None:
            await same_id_other_body(work, proved)
            if proved.envelope.signed.path == "general" and checked.source != item.file_digest:
                await work.blobs.add(checked.source, "inbox", item.id)
            await _by_kind(desk, work, agency, leased, proved, checked, before)
        return first

    return settle


async def _by_kind(
    desk: InDesk,
    work: Work,
    agency: HostedAgency,
    leased: LeasedInbox,
    proved: Proved,
    checked: CheckedPacket,
    before: related.SentUnderFormer,
) -> None:
    await _alarm(desk, work, leased.item, proved, checked)
    if checked.ruling.decision is Admission.SEALED:
        await claim_identity(work, leased.item, proved, None, desk.clock.now())
        known = settle.known(leased.item, proved, state=seal.SEALED)
        await seal.declared(desk, work, leased, known, checked.ruling.detail or "declared on arrival")
    elif checked.ruling.decision is Admission.UNACTIONABLE:
        await _return(desk, work, agency, leased, proved, checked)
    elif proved.envelope.model.kind in _NEW:
        await _document(desk, work, agency, leased, proved, checked, before)
    else:
        await _request(desk, work, agency, leased, proved, checked)


async def _repeat(desk: InDesk, work: Work, leased: LeasedInbox, proved: Proved, first: Identity) -> None:
    await acknowledge.answer_again(desk, work, await work.inbox.get(first.inbox_id))
    await settle.repeated(work, leased, proved, first)
    # The first has the same content. Copies would fill the disk, and outlive the purge of a recalled document.
    await work.blobs.drop("inbox", leased.item.id)


async def same_id_other_body(work: Work, proved: Proved) -> None:
    """Conflict when its signed id was used for another body (A4)."""
    packet_id = proved.envelope.signed.packet_id
    if packet_id is None:
        return
    first = await work.identities.by_packet(proved.envelope.sender, packet_id)
    if first is not None:
        raise Conflict(
            f"packet {packet_id} of {proved.envelope.sender} came before with body {first.body_digest}; "
            f"this one has {proved.envelope.signed.body_digest}: the first stays"
        )


async def _return(
    desk: InDesk,
    work: Work,
    agency: HostedAgency,
    leased: LeasedInbox,
    proved: Proved,
    checked: CheckedPacket,
) -> None:
    """Nobody could act on it: 02 to the proved sender, and the row says why (interfaces.md 1.5)."""
    item, code = leased.item, checked.ruling.code or "DAMAGED"
    await claim_identity(work, item, proved, None, desk.clock.now())
    await acknowledge.put(
        desk,
        work,
        agency,
        acknowledge.of_packet(item, proved),
        "02",
        description=settle.refusal_text(code, checked.ruling.detail),
    )
    returned = settle.known(
        item,
        proved,
        state="returned",
        code="MSG-NOT-OURS" if code == "WRONG_ADDRESSEE" else code,
        reason=checked.ruling.detail,
    )
    await work.inbox.settle(returned, leased.lease)
    await work.events.append(EventKind.INBOX_RETURNED, item.id, desk.clock.now(), {"reason": code})


async def _alarm(desk: InDesk, work: Work, item: InboxPacket, proved: Proved, checked: CheckedPacket) -> None:
    """An event for each file that carries malware, whatever becomes of the packet."""
    told = [
        {
            "from": proved.envelope.sender,
            "file": clean_name(one.part.name),
            "sha256": one.part.sha256,
            "malware": one.facts.malware,
        }
        for one in checked.looked
        if one.facts is not None and one.facts.malware is not None
    ]
    kinds = [(EventKind.ALERT_MALWARE, each) for each in told]
    await work.events.append_many(item.id, desk.clock.now(), kinds)


async def _document(
    desk: InDesk,
    work: Work,
    agency: HostedAgency,
    leased: LeasedInbox,
    proved: Proved,
    checked: CheckedPacket,
    before: related.SentUnderFormer,
) -> None:
    item, model = leased.item, proved.envelope.model
    attempt = await _attempt(work, proved, model.document_id or "", released=item.released)
    old = checked.old
    held = checked.ruling.decision is not Admission.ALLOWED or (old is not None and not old.is_settled)
    document = translate.document(
        desk.clock.new_id("inb_"),
        item,
        proved,
        checked.looked,
        source=checked.source,
        attempt=attempt,
        state=InState.HELD if held else InState.NEW,
        codes=_codes(agency, checked),
        checks=settle.checks(proved, checked),
    )
    document = replace(
        check.with_signatures(document, checked.looked, desk),
        answers=await related.answered_by(desk, work, agency, document, before),
        marks=(*document.marks, old.mark) if old else document.marks,
    )
    newer = await related.replacement_before(work, document)
    if newer is not None:
        document = replace(document, state=InState.REPLACED, replaced_by=newer.id)
    document = replace(
        document, marks=related.marks_with_copy(document, await related.other_copies(work, document))
    )
    await check.plan_asking_again(desk, work, document)
    notice = old.notice if old else None
    await _add(desk, work, agency, leased, proved, document, held=held, notice=notice, newer=newer)
    for waiting in await work.inbox.waiting_for(document.sender_code, document.document_id):
        await work.inbox.reopen(waiting.id)


def _codes(agency: HostedAgency, checked: CheckedPacket) -> tuple[str, ...]:
    return (*desks.ours(agency), *((checked.old.code,) if checked.old else ()))


async def _attempt(work: Work, proved: Proved, document_id: str, *, released: bool) -> int:
    """A9: a known DocumentId with another body is a new attempt once each earlier one ended in 02 (R117)."""
    earlier = await work.identities.by_document(proved.envelope.sender, document_id)
    for one in earlier:
        if one.incoming_id is None or released:
            continue
        if (await work.incoming.get(one.incoming_id)).state is not InState.REJECTED:
            raise OtherContent(
                f"document {document_id} of {proved.envelope.sender} is here as {one.incoming_id} with other "
                "content, and was not refused; a clerk decides which one holds"
            )
    return len(earlier) + 1


async def _request(
    desk: InDesk,
    work: Work,
    agency: HostedAgency,
    leased: LeasedInbox,
    proved: Proved,
    checked: CheckedPacket,
) -> None:
    """An update or recall: it changes nothing before it is answered. Without its document it waits. One that breaks a
    rule is held: a recall may be agreed to by itself, and an update's files go into a document that is taken in."""
    item, model = leased.item, proved.envelope.model
    if checked.ruling.decision is not Admission.ALLOWED and not item.released:
        raise BreaksRule(
            f"the {model.kind} of {proved.envelope.sender} breaks a rule: {checked.ruling.verdict}"
        )
    target_id = translate.target_of(model) or ""
    target = await acted_on(work, proved.envelope.sender, target_id)
    if target is None:
        await _wait(desk, work, agency, leased, proved, target_id)
        return
    request = translate.document(
        desk.clock.new_id("inb_"),
        item,
        proved,
        checked.looked,
        source=checked.source,
        attempt=1,
        state=InState.NEW,
        codes=_codes(agency, checked),
        target_id=target.id,
        checks=settle.checks(proved, checked),
    )
    request = check.with_signatures(request, checked.looked, desk)
    await check.plan_asking_again(desk, work, request)
    if model.kind is Kind.UPDATE and await related.is_stale(work, target, request):
        request = replace(request, state=InState.DONE, marks=(*request.marks, related.STALE_MARK))
        await _add(desk, work, agency, leased, proved, request, held=False, code=related.STALE_CODE)
        return
    await ask(
        desk,
        work,
        target,
        RequestKind.RECALL if model.kind is Kind.RECALL else RequestKind.UPDATE,
        request.packet_id or PacketId(item.id),
        request.change.reason if request.change else None,
    )
    await _add(desk, work, agency, leased, proved, request, held=False)
    sent = answers(
        model.kind,
        PacketEnding.ADMITTED,
        desk.profile,
        authenticated=True,
        taken_in=target.state not in _NOT_TAKEN_IN,
    )
    if "15" in sent and agency.answer_recall:
        await agree(desk, work, agency, target, request)


async def acted_on(work: Work, sender: str, document_id: str) -> IncomingDocument | None:
    """The document that this sender's request acts on; None when it is not here. It must be its own (A5)."""
    found = await work.incoming.by_document_id(sender, document_id)
    originals = [one for one in found if one.kind in _NEW]
    if originals:
        return originals[0]
    issuer = document_id.split(",", 1)[0].strip()
    if issuer.casefold() != sender.casefold() and await work.incoming.by_document_id(issuer, document_id):
        raise BadSignature(
            "MSG-NOT-PARTY", f"{sender} acts on document {document_id}, which {issuer} issued", step=11
        )
    return None


async def _wait(
    desk: InDesk, work: Work, agency: HostedAgency, leased: LeasedInbox, proved: Proved, target_id: str
) -> None:
    item, now = leased.item, desk.clock.now()
    waiting = settle.known(
        item, proved, state="waiting", code="WAITING", needs=(proved.envelope.sender, target_id)
    )
    await work.inbox.settle(waiting, leased.lease)
    await _arrived(desk, work, agency, item, proved, PacketEnding.WAITING)
    await work.events.append(EventKind.INBOX_WAITING, item.id, now, {"needs": target_id})


async def ask(
    desk: InDesk, work: Work, target: IncomingDocument, kind: RequestKind, request_id: str, why: str | None
) -> None:
    """The sender's request is now open on the document; OtherContent while an earlier one is (held for the clerk)."""
    facts = list(await work.facts.of(target.id))
    standing = fold_incoming(facts)
    if (earlier := open_request(standing)) is not None and earlier.request_id != request_id:
        raise OtherContent(
            f"{target.sender_code} asks for a {kind} of {target.id} while its {earlier.kind} of "
            f"{earlier.asked_at:%Y-%m-%d %H:%M} is not answered; answer that one, then release this",
            code="REQUEST-OPEN",
        )
    asked = Fact(
        track=Track.REQUEST,
        code="asked",
        at=desk.clock.now(),
        request_id=request_id,
        request_kind=kind,
        reason=why,
    )
    await work.facts.add(target.id, asked)
    await settle.stand(work, target, [*facts, asked])
    await work.events.append(
        EventKind.INBOX_REQUEST, target.id, desk.clock.now(), {"kind": kind, "request": request_id}
    )


async def agree(
    desk: InDesk, work: Work, agency: HostedAgency, target: IncomingDocument, request: IncomingDocument
) -> None:
    """15 by itself: the recall of a document not yet taken in."""
    now = desk.clock.now()
    facts = list(await work.facts.of(target.id))
    agreed = Fact(track=Track.REQUEST, code="15", at=now, stated_at=now, request_id=request.packet_id)
    await work.facts.add(target.id, agreed)
    await settle.stand(work, await work.incoming.get(target.id), [*facts, agreed])
    stored = await work.incoming.get(request.id)
    await work.incoming.save(
        replace(stored, state=InState.DONE, marks=(*stored.marks, "request_agreed:recall"))
    )
    await acknowledge.put(desk, work, agency, acknowledge.of_document(request), "15", stated_at=now)
    await work.events.append(EventKind.INBOX_STATUS, target.id, now, {"code": "15", "by_itself": True})


async def _add(
    desk: InDesk,
    work: Work,
    agency: HostedAgency,
    leased: LeasedInbox,
    proved: Proved,
    document: IncomingDocument,
    *,
    held: bool,
    code: str | None = None,
    notice: str | None = None,
    newer: IncomingDocument | None = None,
) -> None:
    item, now = leased.item, desk.clock.now()
    await claim_identity(work, item, proved, document.id, now)
    await work.incoming.add(document)
    await work.facts.add(document.id, Fact(track=Track.BUSINESS, code="01", at=now))
    if held:
        await work.facts.add(document.id, Fact(track=Track.OTHER, code="held", at=now))
    else:
        await work.handovers.offer(document.id)
    if newer is not None:
        await work.facts.add(document.id, related.replaced_fact(newer, now))
    ending = PacketEnding.HELD if held else PacketEnding.ADMITTED
    await _arrived(desk, work, agency, item, proved, ending, notice)
    done = settle.known(item, proved, state="done", code=code, incoming_id=document.id)
    await work.inbox.settle(done, leased.lease)
    if not item.steps:  # it came to no end before: it waited for no person and for no other packet
        admitted = partial(desk.stopwatch.took, Way.ARRIVAL_TO_ADMITTED, item.lane, item.received_at)
        work.when_committed(admitted)
    told = {
        "from": document.sender_code,
        "kind": document.kind,
        "document_id": document.document_id,
        "proof": proved.proof,
    }
    await work.events.append(
        EventKind.INBOX_HELD if held else EventKind.INBOX_RECEIVED,
        document.id,
        now,
        told | ({"code": code} if code else {}) | ({"replaced_by": newer.id} if newer else {}),
    )


async def _arrived(
    desk: InDesk,
    work: Work,
    agency: HostedAgency,
    item: InboxPacket,
    proved: Proved,
    ending: PacketEnding,
    notice: str | None = None,
) -> None:
    """01, once per packet: a packet that waited was answered when it was stored. `notice` tells its sender a new code."""
    if "01" not in answers(proved.envelope.model.kind, ending, desk.profile, authenticated=True):
        return
    stored = Fact(track=Track.BUSINESS, code="01", at=desk.clock.now())
    if await work.facts.add(item.id, stored):
        answered = acknowledge.of_packet(item, proved)
        await acknowledge.put(desk, work, agency, answered, "01", description=notice)


async def claim_identity(
    work: Work, item: InboxPacket, proved: Proved, incoming_id: str | None, at: datetime
) -> None:
    """The packet's identity is taken, in this transaction, from what was verified."""
    signed, model = proved.envelope.signed, proved.envelope.model
    await work.identities.claim(
        Identity(
            sender=proved.envelope.sender,
            body_digest=signed.body_digest,
            kind=model.kind,
            packet_id=signed.packet_id,
            document_id=model.document_id if model.kind in _NEW else None,
            inbox_id=item.id,
            incoming_id=incoming_id,
            at=at,
            terms=terms.digest(signed.terms),
        )
    )
