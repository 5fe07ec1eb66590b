"""A status packet instead of a document: facts about what we sent, or a take-back (13) of what we hold. In: a proved
status. Out: one fact on the delivery or document it is about, once; or waiting, or quarantine when it is not its
sender's to say (A5). A status is never answered by a status of itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import Delivery, Kind, OutgoingDocument, Staff
from gateway.domain.event import EventKind
from gateway.domain.identity import PacketId
from gateway.domain.pace import Way
from gateway.domain.proof import Receipt, Terms
from gateway.domain.status import (
    CODES,
    Fact,
    RequestKind,
    Track,
    arrival_number,
    fold_delivery,
    open_request,
    queued_at,
)
from gateway.edxml.envelope import StatusReport
from gateway.errors import BadSignature, InvalidEnvelope
from gateway.incoming import admit, check, judge_again, settle
from gateway.incoming.desk import InDesk, from_wall_clock, is_ours
from gateway.incoming.verify import Proved
from gateway.ports import Identity, LeasedInbox, Work

_REQUESTS = {Kind.RECALL: RequestKind.RECALL, Kind.UPDATE: RequestKind.UPDATE}


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What a status speaks about: one delivery, or one to each code that its sender took over from, of which document;
    whether the receipt proves it, and the request it answers."""

    document: OutgoingDocument
    deliveries: Sequence[Delivery]
    proved: bool
    request_id: str | None


async def run(desk: InDesk, leased: LeasedInbox, proved: Proved) -> None:
    """Applies one status, once. Raises InvalidEnvelope for what its sender has no standing to say."""
    scope = AgencyScope(agency_id=leased.item.agency_id, principal_id="node")
    apply = await ready(desk, leased, proved)
    async with desk.store.begin(scope) as work:
        first = await apply(work)
        if first is not None:
            await settle.repeated(work, leased, proved, first)
        await work.commit()


async def ready(
    desk: InDesk, leased: LeasedInbox, proved: Proved
) -> Callable[[Work], Awaitable[Identity | None]]:
    """As `admit.ready`."""
    item = leased.item
    agency = await desk.agency(item.agency_id)
    status = proved.envelope.model.status
    about = proved.envelope.model.response_for
    if status is None or not about or not is_ours(agency, about[0].organ_id):
        raise _not_party(f"the status of {proved.envelope.sender} is not about a document of {agency.code}")
    known_as = await check.codes_of_sender(desk, proved.envelope.sender)

    async def apply(work: Work) -> Identity | None:
        await judge_again.note_pending(work, item, proved)
        first = await work.identities.by_body(proved.envelope.sender, proved.envelope.signed.body_digest)
        if first is None and status.code == "13":
            await _take_back(desk, work, leased, proved, status)
        elif first is None:
            await _apply(desk, work, agency, leased, proved, status, known_as)
        return first

    return apply


async def _take_back(
    desk: InDesk, work: Work, leased: LeasedInbox, proved: Proved, status: StatusReport
) -> None:
    """13: the sender asks for its document back. It waits for the clerk, who answers 15 or 16."""
    item, signed = leased.item, proved.envelope.signed
    document_id = proved.envelope.model.response_for[0].document_id or ""
    target = await admit.acted_on(work, proved.envelope.sender, document_id)
    if target is None:
        await _wait(desk, work, leased, proved, document_id)
        return
    request_id = signed.packet_id or PacketId(item.id)
    await admit.ask(desk, work, target, RequestKind.TAKE_BACK, request_id, status.description)
    await admit.claim_identity(work, item, proved, target.id, desk.clock.now())
    await work.inbox.settle(settle.known(item, proved, state="done", incoming_id=target.id), leased.lease)


async def _apply(
    desk: InDesk,
    work: Work,
    agency: HostedAgency,
    leased: LeasedInbox,
    proved: Proved,
    status: StatusReport,
    known_as: Collection[str],
) -> None:
    item, now = leased.item, desk.clock.now()
    about = await _about(work, agency, proved, status, known_as)
    if about is None:
        document_id = proved.envelope.model.response_for[0].document_id or ""
        await _wait(desk, work, leased, proved, document_id)
        return
    row = CODES.get(status.code)
    track = row.track if row else Track.OTHER
    terms = proved.envelope.signed.terms or Terms()
    fact = Fact(
        track=track,
        code=status.code,
        at=now,
        stated_at=from_wall_clock(status.timestamp),
        packet_digest=proved.envelope.signed.body_digest,
        proved=about.proved,
        request_id=about.request_id if track is Track.REQUEST else None,
        reason=status.description,
        staff=_staff(status),
        register_no=terms.register_no,
        register_year=terms.register_year,
    )
    await admit.claim_identity(work, item, proved, None, now)
    await work.inbox.settle(settle.known(item, proved, state="done"), leased.lease)
    for delivery in about.deliveries:
        facts = list(await work.facts.of(delivery.id))
        await work.facts.add(delivery.id, fact)
        if track is Track.BUSINESS and status.code == "01":
            _time(desk, work, about.document, facts)
        standing = fold_delivery([*facts, fact])
        await work.deliveries.save_state(delivery.id, standing.shown, standing.marks, now)
        if told := arrival_number([*facts, fact]):
            await work.deliveries.save_number(delivery.id, *told)
        await work.events.append(
            EventKind.REQUEST_ANSWERED if track is Track.REQUEST else EventKind.DELIVERY_STATUS,
            delivery.document_id,
            now,
            {
                "delivery": delivery.id,
                "from": proved.envelope.sender,
                "code": status.code,
                "state": standing.shown,
                "proved": about.proved,
                "stated_at": fact.stated_at.isoformat() if fact.stated_at else None,
                "reason": status.description,
                **({"register_no": terms.register_no, "register_year": terms.register_year} if terms else {}),
                "proof": proved.proof,
            },
        )


def _time(desk: InDesk, work: Work, document: OutgoingDocument, before: Sequence[Fact]) -> None:
    """From when it could leave to its first 01; a 01 that comes again tells of no other way."""
    queued = queued_at(before)
    if queued is None or any(fact.track is Track.BUSINESS for fact in before):
        return
    left = max(queued, document.leaves_at or queued)
    work.when_committed(partial(desk.stopwatch.took, Way.ACCEPT_TO_01, document.draft.urgency.lane, left))


async def _about(
    work: Work, agency: HostedAgency, proved: Proved, status: StatusReport, known_as: Collection[str]
) -> _About | None:
    receipt = proved.envelope.signed.receipt
    if receipt is not None and receipt.of_packet_id is not None:
        return await _by_receipt(work, agency, proved, status, receipt, known_as)
    return await _by_document(work, proved, status, known_as)


async def _by_receipt(
    work: Work,
    agency: HostedAgency,
    proved: Proved,
    status: StatusReport,
    receipt: Receipt,
    known_as: Collection[str],
) -> _About | None:
    """R3: the receipt names one packet of ours to this sender, and the bytes we sent."""
    if not is_ours(agency, receipt.of_sender):
        raise _not_party(f"the receipt is for a packet of {receipt.of_sender}, not of {agency.code}")
    told = proved.envelope.model.response_for[0].document_id
    if told != receipt.of_document_id:
        raise _not_what_was_sent(proved, receipt, f"the status itself is about document {told}")
    packet = await work.outgoing.by_packet_id(receipt.of_packet_id or "")
    if packet is None:
        return await _by_take_back(work, proved, receipt, known_as)
    if receipt.of_document_id != packet.document_id or receipt.body_digest != packet.body_digest:
        raise _not_what_was_sent(proved, receipt, f"body {packet.body_digest} was sent")
    found = _to(await work.deliveries.of(packet.id), proved.envelope.sender, known_as)
    if not found:
        raise _not_party(f"{proved.envelope.sender} was no recipient of packet {packet.packet_id}")
    if status.code in ("15", "16") and packet.kind in _REQUESTS and packet.parent_id:
        asked = _to(await work.deliveries.of(packet.parent_id), proved.envelope.sender, known_as)
        if asked:
            return _About(document=packet, deliveries=asked, proved=True, request_id=packet.packet_id)
    return _About(document=packet, deliveries=found, proved=True, request_id=None)


async def _by_take_back(
    work: Work, proved: Proved, receipt: Receipt, known_as: Collection[str]
) -> _About | None:
    """The packet answered is a 13 of ours, or the receipt names none that we sent about this document. Of a 13 its
    file digest is kept, so a receipt of the same file alone is a proof."""
    documents = await _sent(work, receipt.of_document_id or "")
    for document in documents:
        for delivery in _to(await work.deliveries.of(document.id), proved.envelope.sender, known_as):
            for row in await work.outbox.of_subject(delivery.id):
                if row.packet_id == receipt.of_packet_id:
                    same = row.envelope_digest == receipt.file_digest
                    return _About(
                        document=document,
                        deliveries=(delivery,),
                        proved=same,
                        request_id=receipt.of_packet_id,
                    )
    if not documents:
        return None
    raise _not_what_was_sent(proved, receipt, "no such packet was sent")


async def _by_document(
    work: Work, proved: Proved, status: StatusReport, known_as: Collection[str]
) -> _About | None:
    """Without a receipt of a packet: the newest document of that id which went to this sender; counts as unproved."""
    document_id = proved.envelope.model.response_for[0].document_id or ""
    documents = await _sent(work, document_id)
    if not documents:
        return None
    for document in documents:
        found = _to(await work.deliveries.of(document.id), proved.envelope.sender, known_as)
        if found:
            request = open_request(fold_delivery(await work.facts.of(found[0].id)))
            request_id = request.request_id if request and status.code in ("15", "16") else None
            return _About(document=document, deliveries=found, proved=False, request_id=request_id)
    raise _not_party(f"{proved.envelope.sender} was no recipient of document {document_id}")


async def _sent(work: Work, document_id: str) -> Sequence[OutgoingDocument]:
    found = await work.outgoing.by_document_id(document_id)
    return [one for one in found if one.kind in (Kind.DOCUMENT, Kind.REPLACEMENT)]


def _to(deliveries: Sequence[Delivery], sender: str, known_as: Collection[str]) -> Sequence[Delivery]:
    """The one to this sender, else every one to a code that it took over from."""
    alike = [one for one in deliveries if one.recipient.code.casefold() in known_as]
    return [one for one in alike if one.recipient.code.casefold() == sender.casefold()] or alike


async def _wait(desk: InDesk, work: Work, leased: LeasedInbox, proved: Proved, document_id: str) -> None:
    """Kept until the document it speaks of is here; a status packet gets no 01."""
    waiting = settle.known(
        leased.item,
        proved,
        state="waiting",
        code="WAITING",
        needs=(proved.envelope.sender, document_id),
    )
    await work.inbox.settle(waiting, leased.lease)
    await work.events.append(
        EventKind.INBOX_WAITING, leased.item.id, desk.clock.now(), {"needs": document_id, "kind": "status"}
    )


def _staff(status: StatusReport) -> Staff | None:
    if status.staff is None:
        return None
    return Staff(
        name=status.staff.staff,
        department=status.staff.department,
        phone=status.staff.mobile,
        email=status.staff.email,
    )


def _not_what_was_sent(proved: Proved, receipt: Receipt, why: str) -> InvalidEnvelope:
    return BadSignature(
        "RCPT-DIGEST",
        f"the receipt of {proved.envelope.sender} names packet {receipt.of_packet_id}, document "
        f"{receipt.of_document_id} and body {receipt.body_digest}: {why}",
        step=11,
    )


def _not_party(detail: str) -> InvalidEnvelope:
    return BadSignature("MSG-NOT-PARTY", detail, step=11)
