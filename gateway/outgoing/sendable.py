"""Whether what is about to be accepted can be packed: the writer's own checks, made before anybody is told that it was
accepted. In: an order with its files, a recall, a status. Out: a `Verdict`, or Refused. Needs no bytes of files."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import NAMESPACE_OID, uuid5

from gateway.domain.account import HostedAgency
from gateway.domain.document import Draft, FileItem, OutgoingDocument, OutState
from gateway.domain.identity import DocumentId, PacketId
from gateway.domain.receipt import StatusPacket
from gateway.edxml import attachment, build, saying
from gateway.errors import BreaksRule, Refused
from gateway.outgoing import translate
from gateway.policy.verdict import ReasonCode, Verdict, reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.outgoing.order import Order

# As long as those that are made when it is accepted.
_NO_PACKET = PacketId("pkt_" + "0" * 26)


def order(
    order: Order,
    draft: Draft,
    files: Sequence[FileItem],
    document_id: DocumentId,
    agency: HostedAgency,
    at: datetime,
) -> Verdict:
    """Of an order whose recipients are resolved and whose files have the names that they are stored under."""
    document = OutgoingDocument(
        id="",
        agency_id=agency.id,
        kind=order.kind,
        packet_id=_NO_PACKET,
        document_id=document_id,
        draft=draft,
        files=tuple(files),
        state=OutState.QUEUED,
        created_at=at,
        accepted_by="",
        change=order.change,
    )
    return _verdict(document, agency, at)


def refuse_unsendable(document: OutgoingDocument, agency: HostedAgency, at: datetime) -> None:
    """Of a packet that the node makes itself, as a recall."""
    verdict = _verdict(document, agency, at)
    if not verdict.allowed:
        raise Refused(verdict)


def refuse_unsendable_status(packet: StatusPacket, agency: HostedAgency) -> None:
    """Of a status that no receipt goes with."""
    try:
        saying.prove(packet, agency)
    except BreaksRule as error:
        raise Refused(_refusal(error)) from error


def qualifier(document: OutgoingDocument) -> build.Qualifier:
    """What the signature of this packet says of it."""
    return build.Qualifier(packet_id=document.packet_id, kind=document.kind, terms=translate.terms(document))


def entry_name(document: OutgoingDocument, item: FileItem) -> str:
    """As the vendor library: a UUID and the original extension. Fixed per packet, so that a repeat is alike."""
    ending = attachment.extension(attachment.wire_name(item.name)) or "unk"
    return f"{uuid5(NAMESPACE_OID, f'{document.packet_id}-{item.n}')}.{ending}"


def _verdict(document: OutgoingDocument, agency: HostedAgency, at: datetime) -> Verdict:
    contents = [build.Content(entry_name=entry_name(document, item), open=tuple) for item in document.files]
    try:
        build.check(translate.document(document, agency, at), contents, qualifier(document))
    except BreaksRule as error:
        return _refusal(error)
    return Verdict()


def _refusal(error: BreaksRule) -> Verdict:
    return Verdict(reasons=(reason(ReasonCode.UNSENDABLE, "", detail=error.detail),))
