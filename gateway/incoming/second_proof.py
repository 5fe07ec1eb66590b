"""One identity over several axes (A9, several axes): a document that is here already, brought by another axis in another
envelope. In: a proved packet that is no repeat by its bytes or its id. Out: the first identity, where number, symbol,
day, subject and every file are equal; the packet is then kept as a second proof of that document, and the stronger of the
two proofs is shown. A packet that differs in anything is no repeat: a person decides (R117, duplicates)."""

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

# Proofs of the sender, weakest first: the session with an axis, a weak signature, a good one.
_STRENGTH = {"axis": 0, "weak": 1, "valid": 2}
_PROOF_CHECKS = ("envelope_signature", "certificate_confirmed", "revocation", "digests", "signing_time")


async def first_of(
    work: SqlWork, packet: InboxPacket, proved: Proved, checked: CheckedPacket
) -> Identity | None:
    """Find the identity of the document with the same content that another axis brought; None where there is none."""
    model, sender = proved.envelope.model, proved.envelope.sender
    if not packet.axis or not model.kind.is_whole or not model.document_id:
        return None
    for identity in await work.identities.by_document(sender, model.document_id):
        if identity.incoming_id is None or identity.kind is not model.kind:
            continue
        first = await work.inbox.get(identity.inbox_id)
        document = await work.incoming.get(identity.incoming_id)
        if document.state is InState.REJECTED:
            continue  # a refused document may be sent again: this is a new attempt (A9, R117)
        if first.axes and packet.axis not in first.axes and _has_same_content(document, proved, checked):
            return identity
    return None


def _has_same_content(document: IncomingDocument, proved: Proved, checked: CheckedPacket) -> bool:
    model = proved.envelope.model
    new = (
        (model.code.number if model.code else None) or "",
        (model.code.notation if model.code else None) or "",
        model.promulgation_date,
        model.subject or "",
    )
    files = [file.part.sha256 for file in checked.files]
    stored = (document.number, document.symbol, document.issued_on, document.subject)
    return new == stored and None not in files and files == [f.sha256 for f in document.files]


async def keep(
    services: IncomingServices,
    work: SqlWork,
    packet: InboxPacket,
    proved: Proved,
    checked: CheckedPacket,
    first: Identity,
) -> bool:
    """Store the packet as a further proof of the first one's document; return False where it is unreadable."""
    if first.incoming_id is None:
        return False
    document = await work.incoming.get(first.incoming_id)
    if document.state in UNREADABLE or PURGED in document.marks:
        return False
    checks = settle.checks(proved, checked)
    proof = OtherProof(
        inbox_id=packet.id,
        axis=packet.axis,
        envelope_digest=packet.file_digest,
        signature=checks["envelope_signature"],
        arrived_at=packet.received_at,
    )
    is_stronger = strength(proof.signature) > strength(document.checks.get("envelope_signature", ""))
    updated = replace(document, proofs=(*document.proofs, proof))
    if is_stronger:
        shown_checks = {name: checks[name] for name in _PROOF_CHECKS if name in checks}
        updated = replace(updated, checks=document.checks | shown_checks, vouched_by=proved.envelope.verdict)
        updated = replace(updated, marks=_proof_marks(updated, proved))
    await work.incoming.save(updated)
    details = {"axis": packet.axis, "packet": packet.id, "shown": is_stronger, "proof": proved.proof}
    await work.events.append(EventKind.INBOX_REPEATED, document.id, services.clock.now(), details)
    return True


async def note_axis(work: SqlWork, incoming_id: str | None, axis: str) -> None:
    """Record that this axis brought the document too."""
    if incoming_id is None:
        return
    document = await work.incoming.get(incoming_id)
    if axis not in document.axes:
        await work.incoming.save(replace(document, axes=(*document.axes, axis)))


def strength(signature: str) -> int:
    """Return the rank of a sender's proof; unknown words have the lowest."""
    return _STRENGTH.get(signature, -1)


def _proof_marks(document: IncomingDocument, proved: Proved) -> tuple[str, ...]:
    """Return the document's marks, with that of an unknown revocation set or removed by this proof."""
    other_marks = (mark for mark in document.marks if mark != translate.REVOCATION_UNKNOWN)
    return (*other_marks, *translate.marks_of(proved))
