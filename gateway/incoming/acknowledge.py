"""Step 5 of the way in: what we answer. In: the packet answered and a status code. Out: an `answer` job in the caller's
transaction, which the packer signs, or what is signed before it; the outbox sends it like any other packet. A status is
never answered by a status of itself; nobody unproved is answered (A7): both are decided before this is called.
A packet that came again is answered again with the same bytes, once a minute at most: ten thousand copies make one
receipt and not ten thousand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, TypedDict, Unpack

from gateway.domain.account import HostedAgency
from gateway.domain.document import IncomingDocument, Kind, Lane, Staff, Urgency
from gateway.domain.event import EventKind
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.proof import Receipt, StatusPacket, Terms
from gateway.domain.queues import InboxPacket, OutboxItem, OutboxTarget
from gateway.domain.routes import Trail
from gateway.edxml import build
from gateway.edxml.names import text_fault
from gateway.errors import BreaksRule, Refused
from gateway.incoming.services import IncomingServices
from gateway.incoming.verify import Proved
from gateway.policy.trust import AXIS
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.store.work import PutStatus, SqlWork

# The writer's maximum for Description (edxml.md 2.4).
_LONGEST = 500
# Of the id of a packet in words; a longer one, or one that nobody can write, is told by its digest.
_LONGEST_ID = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredPacket:
    """The packet that a status answers (`body_digest` … `received_at`), by which of several axes it came, and the document
    it is about."""

    subject_id: str
    to_code: str
    document_id: DocumentId
    document_code: str | None
    issued_on: date | None
    urgent: bool
    packet_id: PacketId | None
    body_digest: Digest | None
    file_digest: Digest
    size: int
    received_at: datetime
    verdict: str
    axis: str = ""


def of_packet(item: InboxPacket, proved: Proved, document_id: str | None = None) -> AnsweredPacket:
    """For answers given while a packet comes in."""
    model, signed = proved.envelope.model, proved.envelope.signed
    about = model.response_for[0] if model.kind is Kind.STATUS and model.response_for else None
    code = f"{model.code.number}/{model.code.notation}" if model.code else about.code if about else None
    return AnsweredPacket(
        subject_id=item.id,
        to_code=proved.envelope.sender,
        document_id=DocumentId(
            document_id or model.document_id or (about.document_id if about else "") or ""
        ),
        document_code=code,
        issued_on=model.promulgation_date or (about.promulgation_date if about else None),
        urgent=item.lane is Lane.URGENT,
        packet_id=signed.packet_id,
        body_digest=None if proved.is_vouched else signed.body_digest,
        file_digest=item.file_digest,
        size=item.size,
        received_at=item.received_at,
        verdict=proved.envelope.verdict,
        axis=item.axis,
    )


def of_document(document: IncomingDocument) -> AnsweredPacket:
    """For answers that a clerk or document system gives later."""
    return AnsweredPacket(
        subject_id=document.inbox_id,
        to_code=document.sender_code,
        document_id=document.document_id,
        document_code=f"{document.number}/{document.symbol}",
        issued_on=document.issued_on,
        urgent=document.urgency > Urgency.NORMAL,
        packet_id=document.packet_id,
        # R2: of what nobody signed the sender has no such digest.
        body_digest=document.body_digest if document.vouched_by != AXIS else None,
        file_digest=document.envelope_digest,
        size=document.envelope_size,
        received_at=document.arrived_at,
        verdict=document.vouched_by,
        axis=document.axes[0] if document.axes else "",
    )


class Said(TypedDict, total=False):
    """What an answer may say besides its code."""

    description: str | None
    staff: Staff | None
    stated_at: datetime | None
    terms: Terms | None


async def put(
    services: IncomingServices,
    work: SqlWork,
    agency: HostedAgency,
    answered: AnsweredPacket,
    code: str,
    **said: Unpack[Said],
) -> None:
    """The answer will be signed and sent, if the caller commits."""
    packet = _packet(services, agency, answered, code, **said)
    try:
        build.prove_status(packet, agency)
    except BreaksRule as error:
        if said.get("staff") is not None or said.get("description") is not None:
            # What a person says can be said otherwise, unless the packet that is answered is at fault.
            _refuse_unsayable(packet, agency, error)
    await work.jobs.put("answer", answered.subject_id, payload=packet)
    work.when_committed(services.wake)


async def sign(
    services: IncomingServices,
    agency: HostedAgency,
    answered: AnsweredPacket,
    code: str,
    **said: Unpack[Said],
) -> PutStatus | None:
    """The same answer, signed before anything of its packet is committed: what puts it into the outbox in the unit of work
    that commits it. None where that cannot be; then `put` has it signed later."""
    packet = _packet(services, agency, answered, code, **said)
    return await services.sign_status(agency, packet, answered.subject_id)


def _packet(
    services: IncomingServices,
    agency: HostedAgency,
    answered: AnsweredPacket,
    code: str,
    **said: Unpack[Said],
) -> StatusPacket:
    """It carries the receipt of R2."""
    return StatusPacket(
        packet_id=PacketId(services.clock.new_id("pkt_")),
        sender_code=agency.code,
        to_code=answered.to_code,
        code=code,
        document_id=answered.document_id,
        document_code=answered.document_code,
        issued_on=answered.issued_on,
        stated_at=said.get("stated_at") or services.clock.now(),
        description=_referring(said.get("description"), answered.packet_id),
        staff=said.get("staff"),
        urgent=answered.urgent,
        terms=said.get("terms"),
        axis=answered.axis,
        receipt=Receipt(
            of_packet_id=answered.packet_id,
            of_document_id=answered.document_id,
            of_sender=answered.to_code,
            body_digest=answered.body_digest,
            file_digest=answered.file_digest,
            size=answered.size,
            received_at=answered.received_at,
            status_code=code,
            verdict=answered.verdict,
        ),
    )


def _refuse_unsayable(packet: StatusPacket, agency: HostedAgency, error: BreaksRule) -> None:
    bare = replace(packet, description=None, staff=None)
    try:
        build.prove_status(bare, agency)
    except BreaksRule:
        return  # nobody can answer this packet: the job ends with the reason, and with a task for a person
    raise Refused(Verdict(reasons=(reason(ReasonCode.UNSENDABLE, "", detail=error.detail),))) from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _referring(description: str | None, packet_id: PacketId | None) -> str | None:
    """The text with the packet that is answered. A status says its time in whole seconds and its receipt lies inside
    the Signature, so without this two answers to two packets about one document could have one and the same body, and
    the second would count as a repeat of the first (A4)."""
    if packet_id is None:
        return description
    told = packet_id if text_fault(packet_id, _LONGEST_ID) is None else _digest(packet_id)
    reference = labels.say("status.reference", "vi", packet=told)
    return f"{description[: _LONGEST - len(reference) - 3]} · {reference}" if description else reference


# Answers younger than this are still on their way; repeating them would only feed the storm.
REPEAT_PAUSE = timedelta(minutes=1)


async def answer_again(services: IncomingServices, work: SqlWork, first: InboxPacket, by: str = "") -> None:
    """Puts every answer that the packet was given into the outbox again, in the caller's transaction. `by` is another axis
    that it has just come by for the first time: it is answered there too (A9), without a pause."""
    now = services.clock.now()
    rows = await work.outbox.of_subject(first.id)
    is_too_soon = any(now - row.created_at < REPEAT_PAUSE for row in rows)
    if not by and (not rows or is_too_soon):
        return
    for row in _one_per_packet(rows):
        await work.outbox.put(
            replace(
                row,
                id=services.clock.new_id("obx_"),
                targets=tuple(_once_more(target, by) for target in row.targets),
                created_at=now,
                state="waiting",
                attempts=0,
                not_before=None,
                last_error=None,
            )
        )
    told = {"answered_again": len(rows)} | ({"axis": by} if by else {})
    await work.events.append(EventKind.INBOX_REPEATED, first.id, now, told)


def _once_more(target: OutboxTarget, by: str) -> OutboxTarget:
    """By the axis named, else by that of the first time; what else its tries left behind is over."""
    axis = by or (target.trail.axis if target.trail else "")
    return replace(target, trail=Trail(axis=axis) if axis else None, tried=0)


def _one_per_packet(rows: Sequence[OutboxItem]) -> list[OutboxItem]:
    newest: dict[str, OutboxItem] = {}
    for row in rows:
        newest.setdefault(row.packet_id, row)
    return list(newest.values())
