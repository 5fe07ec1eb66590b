"""One identity over several axes (A9): a document that is here already, brought by another axis in an envelope of its own.
In: a proved packet that is no repeat by its bytes or its id. Out: the first, where number, symbol, day, subject and
every file are equal; the packet is then kept as a second proof of that document, and the stronger of the two is shown.
What differs in anything is no repeat: a person decides (R117)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.domain.document import UNREADABLE, IncomingDocument, InState, OtherProof
from gateway.domain.event import EventKind
from gateway.domain.proof import Identity
from gateway.domain.queues import InboxPacket
from gateway.incoming import settle, translate
from gateway.incoming.check import CheckedPacket
from gateway.incoming.seal import PURGED
from gateway.incoming.services import IncomingServices
from gateway.incoming.verify import Proved

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

# What vouches for the sender: the session with an axis, a signature that is weak, one that is not.
_STRENGTH = {"axis": 0, "weak": 1, "valid": 2}
_OF_PROOF = ("envelope_signature", "certificate_confirmed", "revocation", "digests", "signing_time")


async def first_of(
    work: SqlWork, item: InboxPacket, proved: Proved, checked: CheckedPacket
) -> Identity | None:
    """The identity of the same document, where another axis than this packet's brought it."""
    model, sender = proved.envelope.model, proved.envelope.sender
    if not item.axis or not model.kind.is_whole or not model.document_id:
        return None
    for one in await work.identities.by_document(sender, model.document_id):
        if one.incoming_id is None or one.kind is not model.kind:
            continue
        first = await work.inbox.get(one.inbox_id)
        document = await work.incoming.get(one.incoming_id)
        if document.state is InState.REJECTED:
            continue  # its number may be used again: what comes now is a new attempt, by whichever axis (A9, R117)
        if first.axes and item.axis not in first.axes and _is_same(document, proved, checked):
            return one
    return None


def _is_same(document: IncomingDocument, proved: Proved, checked: CheckedPacket) -> bool:
    model = proved.envelope.model
    said = (
        (model.code.number if model.code else None) or "",
        (model.code.notation if model.code else None) or "",
        model.promulgation_date,
        model.subject or "",
    )
    files = [one.part.sha256 for one in checked.looked]
    known = (document.number, document.symbol, document.issued_on, document.subject)
    return said == known and None not in files and files == [each.sha256 for each in document.files]


async def keep(
    services: IncomingServices,
    work: SqlWork,
    item: InboxPacket,
    proved: Proved,
    checked: CheckedPacket,
    first: Identity,
) -> bool:
    """Writes it down beside the first. False: of what nobody may read any more no further copy is kept."""
    if first.incoming_id is None:
        return False
    document = await work.incoming.get(first.incoming_id)
    if document.state in UNREADABLE or PURGED in document.marks:
        return False
    found = settle.checks(proved, checked)
    proof = OtherProof(
        inbox_id=item.id,
        axis=item.axis,
        envelope_digest=item.file_digest,
        signature=found["envelope_signature"],
        arrived_at=item.received_at,
    )
    is_stronger = strength(proof.signature) > strength(document.checks.get("envelope_signature", ""))
    told = replace(document, proofs=(*document.proofs, proof))
    if is_stronger:
        shown = {name: found[name] for name in _OF_PROOF if name in found}
        told = replace(told, checks=document.checks | shown, vouched_by=proved.envelope.verdict)
        told = replace(told, marks=_marks(told, proved))
    await work.incoming.save(told)
    about = {"axis": item.axis, "packet": item.id, "shown": is_stronger, "proof": proved.proof}
    await work.events.append(EventKind.INBOX_REPEATED, document.id, services.clock.now(), about)
    return True


async def note_axis(work: SqlWork, incoming_id: str | None, axis: str) -> None:
    """The document came by this axis too."""
    if incoming_id is None:
        return
    document = await work.incoming.get(incoming_id)
    if axis not in document.axes:
        await work.incoming.save(replace(document, axes=(*document.axes, axis)))


def strength(signature: str) -> int:
    """Of what vouches for a packet's sender; unknown words are worth nothing."""
    return _STRENGTH.get(signature, -1)


def _marks(document: IncomingDocument, proved: Proved) -> tuple[str, ...]:
    """Whether the revocation is known is said of the proof that is shown."""
    others = (each for each in document.marks if each != translate.REVOCATION_UNKNOWN)
    return (*others, *translate.marks_of(proved))
