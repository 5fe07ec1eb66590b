"""Small writes that the steps of the way in share: ending an inbox row, and updating a document after new facts. In: a
packet or document and its outcome. Out: the values to store, or the stored document. Time and space end rows too: a
packet whose document never came is given up after the profile's days; the oldest unproved packets above the limit are
dropped with their bytes, so that they cannot fill the disk. Row, digest and event stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument
from gateway.domain.event import EventKind
from gateway.domain.proof import Identity, Step
from gateway.domain.queues import InboxPacket, LeasedInbox
from gateway.domain.status import REOPENED, Fact, fold_incoming
from gateway.edxml import terms
from gateway.errors import Clash, NotFound
from gateway.incoming.check import CheckedPacket
from gateway.incoming.services import IncomingServices
from gateway.incoming.verify import Proved
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

TERMS_DIFFER = "TERMS-DIFFER"
MARK_TERMS = "terms_differ"
# Number of packets that are loaded at a time.
WAITING_AT_ONCE = 200
DROPPED = "dropped"
_OLDEST_PAGE_SIZE = 100
_UNPROVED_STATES = ("quarantined", "malformed")


def landed(packet: InboxPacket) -> dict[str, object]:
    """Return the details of a landing for its event. Nothing comes from the packet, which is not trusted yet."""
    details: dict[str, object] = {
        "file": packet.file_digest,
        "size": packet.size,
        "packet": packet.transport_packet_id,
        "lane": packet.lane,
    }
    if packet.transport_session is not None:
        details["session"] = packet.transport_session
    details |= {"node": packet.transport_node} if packet.transport_node is not None else {}
    return details | ({"axis": packet.axis} if packet.axis else {})


def proved_row(
    packet: InboxPacket,
    proved: Proved,
    *,
    state: str,
    code: str | None = None,
    reason: str | None = None,
    incoming_id: str | None = None,
    needs: tuple[str, str] | None = None,
) -> InboxPacket:
    """Return the inbox row of a packet whose sender is proved, with its new state."""
    model = proved.envelope.model
    answered_id = model.response_for[0].document_id if model.response_for else None
    return replace(
        packet,
        state=state,
        code=code,
        reason=reason,
        sender_code=proved.envelope.sender,
        document_id=model.document_id or answered_id,
        kind=str(model.kind),
        needs=needs,
        incoming_id=incoming_id,
        steps=proved.envelope.steps,
    )


async def repeated(work: SqlWork, leased: LeasedInbox, proved: Proved, first: Identity) -> None:
    """Settle the row of a packet whose content was admitted before. The signed terms are not part of that content: those
    of the first packet stay valid, and row and document show that others came (W6a, signed terms)."""
    differs = terms.digest(proved.envelope.signed.terms) != first.terms
    row = proved_row(
        leased.item,
        proved,
        state="done",
        code="MSG-REPEAT",
        reason=labels.say(f"code.{TERMS_DIFFER}", "vi") if differs else None,
        incoming_id=first.incoming_id,
    )
    await work.inbox.settle(row, leased.lease)
    if not differs or first.incoming_id is None:
        return
    try:
        document = await work.incoming.get(first.incoming_id)
    except NotFound:  # the identity outlives its document
        return
    if MARK_TERMS not in document.marks:
        await work.incoming.save(replace(document, marks=(*document.marks, MARK_TERMS)))


def unproved_row(
    packet: InboxPacket, *, state: str, code: str, reason: str, steps: Sequence[object]
) -> InboxPacket:
    """Return the row of a packet whose named sender is not proved; nothing in it is trusted (A7, unproved senders)."""
    return replace(
        packet,
        state=state,
        code=code,
        reason=reason,
        steps=tuple(step for step in steps if isinstance(step, Step)),
    )


async def stand(work: SqlWork, document: IncomingDocument, facts: Sequence[Fact]) -> IncomingDocument:
    """Store the document with the state and marks that follow from these facts."""
    standing = fold_incoming(facts)
    # The mark of reopened work goes once the work is closed again.
    marks = [mark for mark in document.marks if mark not in standing.marks and mark != REOPENED]
    return await work.incoming.save(replace(document, state=standing.state, marks=(*marks, *standing.marks)))


def checks(proved: Proved, checked: CheckedPacket) -> dict[str, str]:
    """Return the checks made on arrival, as the clerk's check panel and document systems show them."""
    signed = proved.envelope.signed
    unknown = any(note.code == "CERT-REVOCATION-UNKNOWN" for note in proved.envelope.notes)
    vouched = proved.is_vouched
    by = next((note.place for note in proved.envelope.notes if note.code == "SESSION-VOUCHED"), "")
    return {
        "envelope_signature": "axis" if vouched else "weak" if signed.weak else "valid",
        "certificate_confirmed": "axis" if vouched else "true",
        "revocation": "axis" if vouched else "unknown" if unknown else "good",
        **({"axis_session": by} if vouched else {}),
        "digests": "match",
        "recipient": "ours",
        "rules": str(checked.ruling.decision),
        "reasons": "; ".join(str(reason) for reason in checked.ruling.verdict.reasons),
        "warnings": "; ".join(str(warning) for warning in checked.ruling.verdict.warnings),
        **({"first_page": str(page)} if (page := checked.ruling.first_page) else {}),
        "signing_time": signed.signing_time.isoformat() if signed.signing_time else "",
    }


def refusal_text(code: str, detail: str | None) -> str:
    """Return the text of a 02 for the sender's clerk: our Vietnamese label of the reason, and the detail. NotFound for a
    code that is no `RefusalReason`."""
    if not (code.isupper() and labels.has(f"reason.{code}")):
        raise NotFound(f"there is no reason {code[:40]!r} for refusing; use one such as BAD_FORM or OTHER")
    words = labels.say(f"reason.{code}", "vi")
    return f"{words}: {detail}"[:500] if detail else words


async def give_up_overdue(services: IncomingServices) -> int:
    """Move all packets that have waited too long to quarantine; return how many."""
    cutoff, count = services.clock.now() - services.profile.waiting_for, 0
    while True:
        overdue = await services.store.overdue_waiting(cutoff, WAITING_AT_ONCE)
        ended = sum([await give_up_waiting(services, packet) for packet in overdue])
        count += ended
        # Packets that others were working on are tried again ten minutes later.
        if len(overdue) < WAITING_AT_ONCE or not ended:
            return count


async def give_up_waiting(services: IncomingServices, overdue: InboxPacket) -> bool:
    """Move one waiting packet to quarantine, unless it was settled meanwhile; return whether it was moved."""
    scope = AgencyScope(agency_id=overdue.agency_id, principal_id="node")
    try:
        async with services.store.begin(scope) as work:
            packet = await work.inbox.get(overdue.id)
            if packet.state != "waiting":
                return False
            needs = packet.needs[1] if packet.needs else "its document"
            row = replace(
                packet, state="quarantined", code="WAITING-OVER", reason=f"the document {needs} never came"
            )
            await work.inbox.settle(row, None)
            details = {"state": "quarantined", "code": "WAITING-OVER", "needs": needs}
            await work.events.append(EventKind.INBOX_INVALID, packet.id, work.now(), details)
            await work.commit()
    except Clash:
        return False
    return True


async def keep_quota(services: IncomingServices) -> int:
    """Drop the oldest unproved packets until the remaining ones are within the limit; return how many."""
    excess = await services.store.unproved_bytes() - services.profile.max_quarantine_bytes
    dropped = 0
    while excess > 0 and (oldest := await services.store.oldest_unproved(_OLDEST_PAGE_SIZE)):
        excess_before = excess
        for packet in oldest:
            if excess <= 0:
                break
            if await _drop(services, packet):
                dropped, excess = dropped + 1, excess - packet.size
        if excess == excess_before:
            break  # workers or people are working on all of these
    return dropped


async def _drop(services: IncomingServices, oldest: InboxPacket) -> bool:
    """Drop one unproved packet with its bytes, unless others changed it; return whether it was dropped."""
    scope = AgencyScope(agency_id=oldest.agency_id, principal_id="node")
    try:
        async with services.store.begin(scope) as work:
            packet = await work.inbox.get(oldest.id)
            if packet.state not in _UNPROVED_STATES or packet.sender_code is not None:
                return False
            await work.inbox.settle(replace(packet, state=DROPPED), None)
            await work.blobs.drop("inbox", packet.id)
            details = {"file": packet.file_digest, "size": packet.size, "code": packet.code}
            await work.events.append(EventKind.INBOX_DROPPED, packet.id, services.clock.now(), details)
            await work.commit()
    except Clash:
        return False
    await services.blobs.forget([oldest.file_digest])
    return True
