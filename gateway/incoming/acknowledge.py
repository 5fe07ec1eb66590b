"""Step 5 of the way in: answers a packet with a status. In: the answered packet and a status code. Out: an `answer` job
in the caller's transaction, which the packer signs, or a status that was signed before it; the outbox sends it like any
packet. Callers make sure that no status answers a status, and that no unproved sender gets an answer (A7, unproved
senders). A packet that comes again gets the same answers again, at most once a minute."""

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

# The longest Description that the writer allows.
_LONGEST = 500
# The longest packet id that is written out; a longer or unprintable one is replaced by its digest.
_LONGEST_ID = 64
# Answers younger than this are still on their way, so repeating them would only add load.
REPEAT_PAUSE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredPacket:
    """Packet that a status answers (`packet_id` to `verdict`, and its axis), with the document that it is about."""

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


def of_packet(packet: InboxPacket, proved: Proved, document_id: str | None = None) -> AnsweredPacket:
    """Describe a packet that is answered while it is taken in."""
    model, signed = proved.envelope.model, proved.envelope.signed
    target = model.response_for[0] if model.kind is Kind.STATUS and model.response_for else None
    code = f"{model.code.number}/{model.code.notation}" if model.code else target.code if target else None
    return AnsweredPacket(
        subject_id=packet.id,
        to_code=proved.envelope.sender,
        document_id=DocumentId(
            document_id or model.document_id or (target.document_id if target else "") or ""
        ),
        document_code=code,
        issued_on=model.promulgation_date or (target.promulgation_date if target else None),
        urgent=packet.lane is Lane.URGENT,
        packet_id=signed.packet_id,
        body_digest=None if proved.is_vouched else signed.body_digest,
        file_digest=packet.file_digest,
        size=packet.size,
        received_at=packet.received_at,
        verdict=proved.envelope.verdict,
        axis=packet.axis,
    )


def of_document(document: IncomingDocument) -> AnsweredPacket:
    """Describe the packet of a document that a clerk or a document system answers later."""
    return AnsweredPacket(
        subject_id=document.inbox_id,
        to_code=document.sender_code,
        document_id=document.document_id,
        document_code=f"{document.number}/{document.symbol}",
        issued_on=document.issued_on,
        urgent=document.urgency > Urgency.NORMAL,
        packet_id=document.packet_id,
        # The sender of an unsigned packet does not know this digest (R2, receipts).
        body_digest=document.body_digest if document.vouched_by != AXIS else None,
        file_digest=document.envelope_digest,
        size=document.envelope_size,
        received_at=document.arrived_at,
        verdict=document.vouched_by,
        axis=document.axes[0] if document.axes else "",
    )


class AnswerDetails(TypedDict, total=False):
    """Optional parts of an answer, besides its code."""

    description: str | None
    staff: Staff | None
    stated_at: datetime | None
    terms: Terms | None


async def queue_answer(
    services: IncomingServices,
    work: SqlWork,
    agency: HostedAgency,
    answered: AnsweredPacket,
    code: str,
    **details: Unpack[AnswerDetails],
) -> None:
    """Queue the answer for signing and sending, in the caller's transaction. Raises Refused where the given text or staff
    cannot be written, so that the person can correct it."""
    packet = _make_packet(services, agency, answered, code, **details)
    try:
        build.prove_status(packet, agency)
    except BreaksRule as error:
        if details.get("staff") is not None or details.get("description") is not None:
            # The person can word it differently, unless the fault lies in the answered packet.
            _refuse_unsayable(packet, agency, error)
    await work.jobs.add("answer", answered.subject_id, payload=packet)
    work.when_committed(services.wake)


async def sign(
    services: IncomingServices,
    agency: HostedAgency,
    answered: AnsweredPacket,
    code: str,
    **details: Unpack[AnswerDetails],
) -> PutStatus | None:
    """Sign the answer before the packet's unit of work. Returns a function that puts it into the outbox in that unit;
    None where it cannot be signed now, and `queue_answer` has to have it signed later."""
    packet = _make_packet(services, agency, answered, code, **details)
    return await services.sign_status(agency, packet, answered.subject_id)


def _make_packet(
    services: IncomingServices,
    agency: HostedAgency,
    answered: AnsweredPacket,
    code: str,
    **details: Unpack[AnswerDetails],
) -> StatusPacket:
    """Make the status packet with its receipt (R2, receipts)."""
    return StatusPacket(
        packet_id=PacketId(services.clock.new_id("pkt_")),
        sender_code=agency.code,
        to_code=answered.to_code,
        code=code,
        document_id=answered.document_id,
        document_code=answered.document_code,
        issued_on=answered.issued_on,
        stated_at=details.get("stated_at") or services.clock.now(),
        description=_add_reference(details.get("description"), answered.packet_id),
        staff=details.get("staff"),
        urgent=answered.urgent,
        terms=details.get("terms"),
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
        return  # the packet cannot be answered at all: the job fails with the reason, as a task for a person
    raise Refused(Verdict(reasons=(reason(ReasonCode.UNSENDABLE, "", detail=error.detail),))) from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _add_reference(description: str | None, packet_id: PacketId | None) -> str | None:
    """Append the answered packet's id to the description. Otherwise two answers about one document could have the same
    body, since times are whole seconds and the receipt lies in the signature, and one would count as a repeat (A4,
    repeats)."""
    if packet_id is None:
        return description
    packet_text = packet_id if text_fault(packet_id, _LONGEST_ID) is None else _digest(packet_id)
    reference = labels.say("status.reference", "vi", packet=packet_text)
    return f"{description[: _LONGEST - len(reference) - 3]} · {reference}" if description else reference


async def repeat_answers(services: IncomingServices, work: SqlWork, first: InboxPacket, by: str = "") -> None:
    """Put every answer to the packet into the outbox again, in the caller's transaction. `by` is another axis that has
    brought the packet for the first time: it gets the answers at once (A9, several axes)."""
    now = services.clock.now()
    rows = await work.outbox.of_subject(first.id)
    is_too_soon = any(now - row.created_at < REPEAT_PAUSE for row in rows)
    if not by and (not rows or is_too_soon):
        return
    answers = _first_per_packet(rows)
    for row in answers:
        await work.outbox.add(
            replace(
                row,
                id=services.clock.new_id("obx_"),
                targets=tuple(_retarget(target, by) for target in row.targets),
                created_at=now,
                state="waiting",
                attempts=0,
                not_before=None,
                last_error=None,
            )
        )
    details = {"answered_again": len(answers)} | ({"axis": by} if by else {})
    await work.events.append(EventKind.INBOX_REPEATED, first.id, now, details)


def _retarget(target: OutboxTarget, by: str) -> OutboxTarget:
    """Return the recipient without its earlier attempts, on the named axis, else on that of its first answer."""
    axis = by or (target.trail.axis if target.trail else "")
    return replace(target, trail=Trail(axis=axis) if axis else None, tried=0)


def _first_per_packet(rows: Sequence[OutboxItem]) -> list[OutboxItem]:
    first: dict[str, OutboxItem] = {}
    for row in rows:
        first.setdefault(row.packet_id, row)
    return list(first.values())
