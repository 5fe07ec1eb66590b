"""How an inbox row ends, and how a document stands after new facts: small writes shared by the steps of the way in.
In: an item or document and what became of it. Out: the values to store, or the stored document.
Also the rows that only time or room ends: packets whose document never came are given up after the profile's days; of
what nobody could prove, the oldest are let go over the limit, bytes and all, so that it does not fill the disk (threat
122). Row, digest and event stay, and what a proved sender sent is never let go."""

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


def landed(item: InboxPacket) -> dict[str, object]:
    """What an event tells of a packet that landed: nothing of it is believed yet."""
    told: dict[str, object] = {
        "file": item.file_digest,
        "size": item.size,
        "packet": item.transport_packet_id,
        "lane": item.lane,
    }
    if item.transport_session is not None:
        told["session"] = item.transport_session
    told |= {"node": item.transport_node} if item.transport_node is not None else {}
    return told | ({"axis": item.axis} if item.axis else {})


def known(
    item: InboxPacket,
    proved: Proved,
    *,
    state: str,
    code: str | None = None,
    reason: str | None = None,
    incoming_id: str | None = None,
    needs: tuple[str, str] | None = None,
) -> InboxPacket:
    """The row of a packet whose sender is proved."""
    model = proved.envelope.model
    about = model.response_for[0].document_id if model.response_for else None
    return replace(
        item,
        state=state,
        code=code,
        reason=reason,
        sender_code=proved.envelope.sender,
        document_id=model.document_id or about,
        kind=str(model.kind),
        needs=needs,
        incoming_id=incoming_id,
        steps=proved.envelope.steps,
    )


async def repeated(work: SqlWork, leased: LeasedInbox, proved: Proved, first: Identity) -> None:
    """The row of content that was admitted before. Terms lie outside of it: those of the first stand, and who looks at
    the row or the document reads that others came (W6a)."""
    differs = terms.digest(proved.envelope.signed.terms) != first.terms
    done = known(
        leased.item,
        proved,
        state="done",
        code="MSG-REPEAT",
        reason=labels.say(f"code.{TERMS_DIFFER}", "vi") if differs else None,
        incoming_id=first.incoming_id,
    )
    await work.inbox.settle(done, leased.lease)
    if not differs or first.incoming_id is None:
        return
    try:
        document = await work.incoming.get(first.incoming_id)
    except NotFound:  # the tombstone outlives what it names
        return
    if MARK_TERMS not in document.marks:
        await work.incoming.save(replace(document, marks=(*document.marks, MARK_TERMS)))


def unproved(
    item: InboxPacket, *, state: str, code: str, reason: str, steps: Sequence[object]
) -> InboxPacket:
    """The row of a packet that names a sender who is not proved; nothing of it is believed (A7)."""
    return replace(
        item,
        state=state,
        code=code,
        reason=reason,
        steps=tuple(step for step in steps if isinstance(step, Step)),
    )


async def stand(work: SqlWork, document: IncomingDocument, facts: Sequence[Fact]) -> IncomingDocument:
    """Stores the state that these facts make."""
    standing = fold_incoming(facts)
    # That it was opened again is over once it is closed again.
    kept = [mark for mark in document.marks if mark not in standing.marks and mark != REOPENED]
    return await work.incoming.save(replace(document, state=standing.state, marks=(*kept, *standing.marks)))


def checks(proved: Proved, checked: CheckedPacket) -> dict[str, str]:
    """What was checked on arrival, for the check panel of a clerk and the inbox of a document system."""
    signed = proved.envelope.signed
    unknown = any(note.code == "CERT-REVOCATION-UNKNOWN" for note in proved.envelope.notes)
    vouched = proved.is_vouched
    by = next((note.where for note in proved.envelope.notes if note.code == "SESSION-VOUCHED"), "")
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
    """The words that the sender's clerk reads in a 02: our label in Vietnamese, and the detail. NotFound for a code
    that is not in the table of interfaces.md 1.8."""
    if not (code.isupper() and labels.has(f"reason.{code}")):
        raise NotFound(f"there is no reason {code[:40]!r} for refusing; use one such as BAD_FORM or OTHER")
    words = labels.say(f"reason.{code}", "vi")
    return f"{words}: {detail}"[:500] if detail else words


# What is in memory at a time, however many wait.
WAITING_AT_ONCE = 200


async def give_up_overdue(services: IncomingServices) -> int:
    """Moves packets that waited too long to quarantine; how many."""
    before, over = services.clock.now() - services.profile.waiting_for, 0
    while True:
        found = await services.store.overdue_waiting(before, WAITING_AT_ONCE)
        ended = sum([await give_up_waiting(services, item) for item in found])
        over += ended
        if (
            len(found) < WAITING_AT_ONCE or not ended
        ):  # what somebody is at is looked at again ten minutes later
            return over


async def give_up_waiting(services: IncomingServices, found: InboxPacket) -> bool:
    """Moves one to quarantine, unless its document came, or a person decided, since it was found."""
    scope = AgencyScope(agency_id=found.agency_id, principal_id="node")
    try:
        async with services.store.begin(scope) as work:
            item = await work.inbox.get(found.id)
            if item.state != "waiting":
                return False
            needs = item.needs[1] if item.needs else "its document"
            over = replace(
                item, state="quarantined", code="WAITING-OVER", reason=f"the document {needs} never came"
            )
            await work.inbox.settle(over, None)
            told = {"state": "quarantined", "code": "WAITING-OVER", "needs": needs}
            await work.events.append(EventKind.INBOX_INVALID, item.id, services.clock.now(), told)
            await work.commit()
    except Clash:
        return False
    return True


DROPPED = "dropped"
_OLDEST_AT_ONCE = 100
_UNPROVED_STATES = ("quarantined", "malformed")


async def keep_quota(services: IncomingServices) -> int:
    """Lets go of the oldest until the rest is within the limit; how many."""
    over = await services.store.unproved_bytes() - services.profile.max_quarantine_bytes
    dropped = 0
    while over > 0 and (oldest := await services.store.oldest_unproved(_OLDEST_AT_ONCE)):
        before = over
        for item in oldest:
            if over <= 0:
                break
            if await _drop(services, item):
                dropped, over = dropped + 1, over - item.size
        if over == before:
            break  # workers or persons have all of them in hand
    return dropped


async def _drop(services: IncomingServices, found: InboxPacket) -> bool:
    scope = AgencyScope(agency_id=found.agency_id, principal_id="node")
    try:
        async with services.store.begin(scope) as work:
            item = await work.inbox.get(found.id)
            if item.state not in _UNPROVED_STATES or item.sender_code is not None:
                return False
            await work.inbox.settle(replace(item, state=DROPPED), None)
            await work.blobs.drop("inbox", item.id)
            told = {"file": item.file_digest, "size": item.size, "code": item.code}
            await work.events.append(EventKind.INBOX_DROPPED, item.id, services.clock.now(), told)
            await work.commit()
    except Clash:
        return False
    await services.blobs.forget([found.file_digest])
    return True
