"""Ends an inbox row, and updates a document after new facts: small writes shared by the steps of the way in. In: a
packet or document and its outcome. Out: the values to store, or the stored document. Time and room end rows too: packets
whose document never came are given up after the profile's days; of the unproved ones the oldest are dropped over the
limit, bytes and all, so that they do not fill the disk (threat 122). Row, digest and event stay."""

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


def landed(packet: InboxPacket) -> dict[str, object]:
    """Return the details of a landing for its event: nothing in the packet is trusted yet."""
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
    """Return the row of a packet whose sender is proved."""
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
    """Settle the row of content that was admitted before. Terms lie outside of it: those of the first stand, and the row
    and the document show that others came (W6a, signed terms)."""
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
    except NotFound:  # the tombstone outlives what it names
        return
    if MARK_TERMS not in document.marks:
        await work.incoming.save(replace(document, marks=(*document.marks, MARK_TERMS)))


def unproved_row(
    packet: InboxPacket, *, state: str, code: str, reason: str, steps: Sequence[object]
) -> InboxPacket:
    """Return the row of a packet that names a sender who is not proved; nothing in it is trusted (A7)."""
    return replace(
        packet,
        state=state,
        code=code,
        reason=reason,
        steps=tuple(step for step in steps if isinstance(step, Step)),
    )


async def stand(work: SqlWork, document: IncomingDocument, facts: Sequence[Fact]) -> IncomingDocument:
    """Store the state that these facts make."""
    standing = fold_incoming(facts)
    # The mark of reopened work ends once it is closed again.
    marks = [mark for mark in document.marks if mark not in standing.marks and mark != REOPENED]
    return await work.incoming.save(replace(document, state=standing.state, marks=(*marks, *standing.marks)))


def checks(proved: Proved, checked: CheckedPacket) -> dict[str, str]:
    """Return the checks made on arrival, for the check panel of a clerk and the inbox of a document system."""
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
    """Return the text of a 02 for the sender's clerk: our label in Vietnamese, and the detail. NotFound for a code that
    is not in the table of interfaces.md 1.8."""
    if not (code.isupper() and labels.has(f"reason.{code}")):
        raise NotFound(f"there is no reason {code[:40]!r} for refusing; use one such as BAD_FORM or OTHER")
    words = labels.say(f"reason.{code}", "vi")
    return f"{words}: {detail}"[:500] if detail else words


# Packets in memory at a time, however many wait.
WAITING_AT_ONCE = 200


async def give_up_overdue(services: IncomingServices) -> int:
    """Move packets that waited too long to quarantine; return how many."""
    cutoff, count = services.clock.now() - services.profile.waiting_for, 0
    while True:
        overdue = await services.store.overdue_waiting(cutoff, WAITING_AT_ONCE)
        ended = sum([await give_up_waiting(services, packet) for packet in overdue])
        count += ended
        # Packets that are in other hands are looked at again ten minutes later.
        if len(overdue) < WAITING_AT_ONCE or not ended:
            return count


async def give_up_waiting(services: IncomingServices, overdue: InboxPacket) -> bool:
    """Move one to quarantine, unless its document came, or a person decided, since it was found."""
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
            await work.events.append(EventKind.INBOX_INVALID, packet.id, services.clock.now(), details)
            await work.commit()
    except Clash:
        return False
    return True


DROPPED = "dropped"
_OLDEST_PAGE_SIZE = 100
_UNPROVED_STATES = ("quarantined", "malformed")


async def keep_quota(services: IncomingServices) -> int:
    """Drop the oldest unproved packets until the rest is within the limit; return how many."""
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
            break  # workers or persons have all of them in hand
    return dropped


async def _drop(services: IncomingServices, oldest: InboxPacket) -> bool:
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
