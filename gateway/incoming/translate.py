"""Translates the envelope of the wire into an incoming document. In: a verified packet and the facts about its files.
Out: `IncomingDocument`. Only this module turns elements of the dialect into our fields; `outgoing.translate` is its
counterpart. A field that the sender left out stays None."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from typing import Any

from gateway.domain import notice_words
from gateway.domain.document import (
    DeliveryMode,
    DocumentChange,
    FileRole,
    IncomingDocument,
    IncomingFile,
    InState,
    Kind,
    RecipientRole,
    ReplyLink,
    Signer,
    Urgency,
)
from gateway.domain.fields import escape_turning
from gateway.domain.identity import Digest, DocumentId
from gateway.domain.proof import FileSlice, Terms
from gateway.domain.queues import InboxPacket
from gateway.domain.signatures import FileFacts
from gateway.edxml.envelope import Envelope, fields_in
from gateway.incoming.verify import Proved
from gateway.policy.admission import stored_names
from gateway.words import labels

# Mark of a document that passed while revocation was unknown (K4, revocation); it stays until an authority has answered.
REVOCATION_UNKNOWN = "revocation_unknown"
_FIELDS = frozenset(f.name for f in fields(IncomingDocument))
_BLANK = {"number": "", "symbol": "", "issued_on": None, "type_name": None, "subject": ""}
_URGENCIES: Mapping[int | None, Urgency] = {int(urgency): urgency for urgency in Urgency}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile:
    """File of a packet with the facts about it; None where its encoding is damaged."""

    part: FileSlice
    facts: FileFacts | None


def document(
    id: str,
    packet: InboxPacket,
    proved: Proved,
    checked_files: Sequence[CheckedFile],
    *,
    source: Digest,
    attempt: int,
    state: InState,
    codes: Collection[str],
    target_id: str | None = None,
    checks: dict[str, str] | None = None,
) -> IncomingDocument:
    """Make the document that this packet becomes. `source` is the digest of the octets that its file slices lie in;
    `codes` are the codes that address this agency."""
    signed, model = proved.envelope.signed, proved.envelope.model
    terms = signed.terms or Terms()
    return IncomingDocument(
        id=id,
        agency_id=packet.agency_id,
        inbox_id=packet.id,
        kind=model.kind,
        sender_code=proved.envelope.sender,
        sender_name=_escape(model.sender.organ_name),
        document_id=DocumentId(model.document_id or ""),
        packet_id=signed.packet_id,
        attempt=attempt,
        **_shared_fields(model),
        due_on=model.due_date,
        body_digest=signed.body_digest,
        envelope_digest=packet.file_digest,
        envelope_size=packet.size,
        vouched_by=proved.envelope.verdict,
        arrived_at=packet.received_at,
        state=state,
        files=_files(checked_files, source),
        reply_required=_reply_required(terms, model),
        due_at=terms.due_at,
        delivery_mode=_delivery_mode(terms, model),
        role=_our_role(terms, model, codes),
        replies_to=replies(model),
        recipients=tuple(to.organ_id for to in model.to if to.organ_id),
        target_id=target_id,
        change=_change(model),
        marks=marks_of(proved),
        checks=checks or {},
        axes=packet.axes,
    )


def _shared_fields(model: Envelope) -> dict[str, Any]:
    """Return the incoming document's fields that have an element of their own, texts escaped for display. Any: of any
    type."""
    shared = {name: value for name, value in fields_in(model).items() if name in _FIELDS}
    texts = {name: value for name, value in shared.items() if isinstance(value, str | tuple)}
    escaped = {name: _escape_all(value) for name, value in texts.items() if name not in ("number", "symbol")}
    return _BLANK | shared | escaped | {"signer": _signer(model), "urgency": _urgency(shared.get("urgency"))}


def _reply_required(terms: Terms, model: Envelope) -> bool | None:
    """Tell whether an answer is required: as the sender states it, else if there is a due date; None if nothing is
    stated."""
    if terms.reply_required is not None:
        return terms.reply_required
    return True if model.due_date else None


def _delivery_mode(terms: Terms, model: Envelope) -> DeliveryMode | None:
    """Return the delivery mode: as stated in the Terms (W6a, signed terms), else both for Paper 1; None if nothing is
    stated."""
    if terms.delivery_mode is not None:
        return terms.delivery_mode
    return DeliveryMode.BOTH if model.business and model.business.paper == 1 else None


def _our_role(terms: Terms, model: Envelope, codes: Collection[str]) -> RecipientRole | None:
    """Return our role as recipient: that of the first addressed code that is ours or led here (A5, addressees)."""
    ours = {code.strip().casefold() for code in codes}
    addressed = (to.organ_id for to in model.to if to.organ_id and to.organ_id.strip().casefold() in ours)
    return next((role for code in addressed if (role := terms.role_of(code)) is not None), None)


def marks_of(proved: Proved) -> tuple[str, ...]:
    """Return the marks that follow from the proof of a packet."""
    unknown = any(note.code == "CERT-REVOCATION-UNKNOWN" for note in proved.envelope.notes)
    return (REVOCATION_UNKNOWN,) if unknown else ()


def target_of(model: Envelope) -> str | None:
    """Return the DocumentId that an update or recall acts on: in Bussiness, else a recall's ResponseFor, else its own."""
    if model.business and model.business.document_id:
        return model.business.document_id
    for response_for in model.response_for:
        if model.kind is Kind.RECALL and response_for.document_id:
            return response_for.document_id
    return model.document_id


def _signer(model: Envelope) -> Signer | None:
    if model.signer is None or not model.signer.full_name:
        return None
    return Signer(
        name=escape_turning(model.signer.full_name),
        title=_escape(model.signer.position),
        competence=_escape(model.signer.competence),
    )


def _escape(text: str | None) -> str | None:
    return text and escape_turning(text)


def _escape_all(value: Any) -> Any:
    """Escape all texts of a field for display. Any: a field may be of any type."""
    if isinstance(value, str):
        return escape_turning(value)
    return tuple(map(_escape_all, value)) if isinstance(value, tuple) else value


def _urgency(priority: int | None) -> Urgency:
    """Return the urgency; an unknown priority counts as normal, and the reader records it as a finding."""
    return _URGENCIES.get(priority, Urgency.NORMAL)


def _files(checked_files: Sequence[CheckedFile], source: Digest) -> tuple[IncomingFile, ...]:
    """Make the document's files, with unique names for display and storage; the envelope keeps the signed names."""
    names = stored_names([file.part.name for file in checked_files])
    return tuple(
        IncomingFile(
            n=n,
            name=name,
            content_type=file.part.content_type or "application/octet-stream",
            size=file.part.size or 0,
            sha256=file.part.sha256 or Digest("0" * 64),
            source=source,
            offset=file.part.offset,
            length=file.part.length,
            coding=file.part.coding,
            role=_role(file.part.description),
            pages=file.facts.pages if file.facts else None,
            found_type=file.facts.found_type if file.facts else None,
        )
        for n, (name, file) in enumerate(zip(names, checked_files, strict=True), 1)
    )


def lead_of(files: Sequence[CheckedFile]) -> CheckedFile | None:
    """Return the file that its sender marks as the lead, else the first."""
    leads = [file for file in files if _role(file.part.description) is FileRole.LEAD]
    return next(iter(leads or files), None)


def _role(description: str | None) -> FileRole | None:
    """Return the role that a description names in the words of `outgoing.translate`; None for any other text."""
    return _roles_by_words().get(description or "")


@cache
def _roles_by_words() -> Mapping[str, FileRole]:
    return {labels.say(f"file_role.{role}", "vi"): role for role in FileRole}


def replies(model: Envelope) -> tuple[ReplyLink, ...]:
    """List the documents that this one answers. In a recall, ResponseFor names the recalled document instead."""
    return tuple(
        ReplyLink(
            agency=r.organ_id,
            number=r.code,
            date=r.promulgation_date or date.min,
            document_id=DocumentId(r.document_id) if r.document_id else None,
        )
        for r in model.response_for
        if model.kind is not Kind.RECALL and r.organ_id and r.code
    )


def _change(model: Envelope) -> DocumentChange | None:
    if model.business is None or model.kind is Kind.DOCUMENT:
        return None
    info, notice = model.business.document_info, notice_words.read(model.business.reason or "")
    receivers = info.receivers if info else ()
    return DocumentChange(
        reason=escape_turning(notice.reason),
        notice_no=notice.notice_no,
        approved_by=_escape(notice.approved_by),
        target=DocumentId(target_of(model) or ""),
        information_changed=bool(info.document_info) if info else False,
        receivers_changed=bool(info.document_receiver) if info else False,
        receivers_added=tuple(r.organ_id for r in receivers if r.added),
        receivers_removed=tuple(r.organ_id for r in receivers if not r.added),
        replaces=tuple((DocumentId(r.document_id), r.organ_ids) for r in model.business.replacements),
    )
