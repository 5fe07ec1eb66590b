"""Turns an outgoing document into the envelope of the wire, and checks that it can be one. In: document, agency, time.
Out: `Envelope`, or a `Verdict` of the writer's own checks, which run before a document is reported as accepted and need
no bytes of files. Only this module turns fields of a draft into elements of the dialect; `incoming.translate` is its
counterpart."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import NAMESPACE_OID, uuid5

from gateway.domain import notice_words
from gateway.domain.account import HostedAgency
from gateway.domain.document import (
    DeliveryMode,
    DocumentChange,
    Draft,
    FileItem,
    Kind,
    OutgoingDocument,
    OutState,
    Urgency,
)
from gateway.domain.identity import DocumentId, PacketId
from gateway.domain.proof import StatusPacket, Terms
from gateway.edxml import attachment, build
from gateway.edxml.envelope import (
    Attachment,
    Business,
    DocumentInfo,
    Envelope,
    Organisation,
    Receiver,
    ReplacementInfo,
    ResponseFor,
    TraceHeader,
    attributes_of,
)
from gateway.errors import BreaksRule, Refused
from gateway.policy.verdict import NOTHING, ReasonCode, Verdict, reason
from gateway.words import labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.outgoing.intake import Order

# Cached, since every document of the agency needs it twice.
_sender = lru_cache(maxsize=256)(build.organisation_of)
# Has the length of the packet ids that are made on acceptance.
_NO_PACKET = PacketId("pkt_" + "0" * 26)
# So many recipients and files together surely fit in one envelope.
_FEW = 32


def envelope_of(document: OutgoingDocument, agency: HostedAgency, at: datetime) -> Envelope:
    """Return the envelope of a document, update, recall or replacement that is packed at this time."""
    draft = document.draft
    parts = tuple(_make_attachment(document, file) for file in document.files)
    return Envelope(
        kind=document.kind,
        sender=_sender(agency),
        to=tuple(Organisation(organ_id=r.code, organ_name=r.name) for r in draft.recipients),
        document_id=document.document_id,
        response_for=_list_references(document),
        trace=(TraceHeader(organ_id=agency.code, timestamp=build.wall_clock(at)),),
        business=_make_business(document),
        manifest=parts,
        attachments=parts,
        **attributes_of(draft),
    )


def terms(document: OutgoingDocument) -> Terms | None:
    """Return the terms of the document for which the dialect has no field (W6a, signed terms); None for a recall."""
    draft = document.draft
    if document.kind is Kind.RECALL:
        return None
    roles = {r.code: r.role for r in reversed(draft.recipients)}
    stated = Terms(
        reply_required=draft.reply_required,
        due_at=draft.due_at if draft.urgency is Urgency.TIMED_EXPRESS else None,
        delivery_mode=None if draft.delivery_mode is DeliveryMode.PAPER else draft.delivery_mode,
        roles=tuple(reversed(roles.items())),
    )
    return stated or None


def _list_references(document: OutgoingDocument) -> tuple[ResponseFor, ...]:
    """List the documents that this one answers; a recall also refers to the recalled document."""
    links = [
        ResponseFor(
            organ_id=link.agency, code=link.number, document_id=link.document_id, promulgation_date=link.date
        )
        for link in document.draft.replies_to
    ]
    if document.kind is Kind.RECALL and document.change and document.change.target:
        # The vendor's sample points to the recalled document here; other readers look into Bussiness: write both.
        links.insert(0, _refer_to_recalled(document, document.change))
    return tuple(links)


def _refer_to_recalled(document: OutgoingDocument, change: DocumentChange) -> ResponseFor:
    return ResponseFor(
        organ_id=document.document_id.split(",", 1)[0],
        code=document.draft.code,
        document_id=change.target,
        promulgation_date=document.draft.issued_on,
    )


def _make_business(document: OutgoingDocument) -> Business:
    change = document.change
    return Business(
        doc_type=build.OPERATIONS[document.kind],
        document_id=change.target if change and document.kind in (Kind.RECALL, Kind.UPDATE) else None,
        reason=_write_reason(change) if change else None,
        paper=1 if document.draft.delivery_mode is DeliveryMode.BOTH else 0,
        document_info=_make_document_info(change) if change and document.kind is Kind.UPDATE else None,
        replacements=tuple(
            ReplacementInfo(document_id=replaced, organ_ids=codes)
            for replaced, codes in (change.replaces if change else ())
        ),
        staff=(build.staff_of(document.draft.staff),) if document.draft.staff else (),
    )


def _write_reason(change: DocumentChange) -> str:
    return notice_words.write(
        notice_words.Parts(reason=change.reason, notice_no=change.notice_no, approved_by=change.approved_by)
    )


def _make_document_info(change: DocumentChange) -> DocumentInfo:
    removed = tuple(Receiver(organ_id=code, added=False) for code in change.receivers_removed)
    added = tuple(Receiver(organ_id=code, added=True) for code in change.receivers_added)
    return DocumentInfo(
        document_info=change.information_changed,
        document_receiver=change.receivers_changed,
        receivers=removed + added,
    )


def _make_attachment(document: OutgoingDocument, file: FileItem) -> Attachment:
    name = attachment.wire_name(file.name)
    _, content_type = attachment.coding_for(name)
    return Attachment(
        content_id=f"cid:{document.packet_id}-{file.n}",
        attachment_name=name,
        description=labels.say(f"file_role.{file.role}", "vi"),
        content_type=content_type,
    )


def judge_order(
    order: Order,
    draft: Draft,
    files: Sequence[FileItem],
    document_id: DocumentId,
    agency: HostedAgency,
    at: datetime,
) -> Verdict:
    """Judge whether an order that keeps every rule can be written as an envelope; recipients are resolved, files named as
    stored."""
    codes = {agency.code, *[r.code for r in draft.recipients]}
    is_small = len(draft.recipients) + len(files) <= _FEW and not draft.replies_to
    if order.kind is Kind.DOCUMENT and is_small and "null" not in codes:
        # The rules have already refused everything that the writer refuses; a property test proves it.
        return NOTHING
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
    return _judge(document, agency, at)


def refuse_unsendable(document: OutgoingDocument, agency: HostedAgency, at: datetime) -> None:
    """Refuse a packet that the node makes itself, such as a recall, where it cannot be written as an envelope."""
    verdict = _judge(document, agency, at)
    verdict.raise_if_refused()


def refuse_unsendable_status(packet: StatusPacket, agency: HostedAgency) -> None:
    """Refuse a status without a receipt where it cannot be written as an envelope."""
    try:
        build.prove_status(packet, agency)
    except BreaksRule as error:
        raise Refused(_refusal(error)) from error


def qualifier(document: OutgoingDocument) -> build.Qualifier:
    """Return the statements about this packet that its signature covers."""
    return build.Qualifier(packet_id=document.packet_id, kind=document.kind, terms=terms(document))


def entry_name(document: OutgoingDocument, file: FileItem) -> str:
    """Return the attachment's entry name as the vendor library forms it: a UUID and the original extension. The UUID is
    derived from the packet, so that repacking gives the same name."""
    ending = attachment.extension(attachment.wire_name(file.name)) or "unk"
    return f"{uuid5(NAMESPACE_OID, f'{document.packet_id}-{file.n}')}.{ending}"


def _judge(document: OutgoingDocument, agency: HostedAgency, at: datetime) -> Verdict:
    contents = [
        build.AttachmentContent(entry_name=entry_name(document, file), open=tuple) for file in document.files
    ]
    try:
        build.check(envelope_of(document, agency, at), contents, qualifier(document))
    except BreaksRule as error:
        return _refusal(error)
    return NOTHING


def _refusal(error: BreaksRule) -> Verdict:
    return Verdict(reasons=(reason(ReasonCode.UNSENDABLE, "", detail=error.detail),))
