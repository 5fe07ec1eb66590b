"""Views of an incoming document and a packet in quarantine for programs. In: the document, its hand-over, the sender's name
of today. Out: `InboxItem` and `Quarantined`. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field

from gateway.api.message_view import PersonOut
from gateway.api.pdf_view import FileSignaturesOut, legal_value_text, signatures
from gateway.api.shapes import (
    BASE,
    BUSINESS,
    BusinessWord,
    FileRoleWord,
    HandoverWord,
    InWord,
    ModeWord,
    Moment,
    PacketWord,
    ResponseModel,
    RoleWord,
    UrgencyWord,
    ValueWord,
    media_type,
    shown_fields,
    shown_type,
    with_fields,
)
from gateway.api.words import Lang, say
from gateway.document_view.facts import packet_word, received_word
from gateway.document_view.seals import lead_verdict
from gateway.domain.document import Assignment, IncomingDocument, InState
from gateway.domain.handling import PartState, UnitPart
from gateway.domain.queues import InboxPacket
from gateway.incoming.document_context import DocumentContext
from gateway.store.incoming import Handover

_CHECKS = (
    "envelope_signature",
    "pdf_signature",
    "seal",
    "signatory",
    "certificate_confirmed",
    "revocation",
    "digests",
    "recipient",
    "duplicate_of",
)

_TRUTHS: Mapping[str, bool] = {"true": True, "false": False}

_DOCUMENT_FIELDS = shown_fields(IncomingDocument)
_WORDLESS: Mapping[str, Any] = {
    name: () if f.is_list else f.empty for name, f in _DOCUMENT_FIELDS.items() if f.holds is str
}
OF_AROUND = ("assignment", "handover", "due", "request", "about", "checks", "files_readable", "lease")
"""The fields that need more than the document itself."""


class DueOut(ResponseModel):
    """Deadline of this office: to take in, to decide or to answer."""

    accept_by: Moment
    basis: str = Field(description="Name of the time limit")


class SenderOut(ResponseModel):
    """The sender, with its name at the time of signing and its current name."""

    code: str
    name: str | None
    name_now: str | None


class InboxFileOut(ResponseModel):
    n: int
    name: str
    role: FileRoleWord | None
    content_type: str
    size: int
    sha256: str
    pages: int | None
    link: str


class LeaseOut(ResponseModel):
    until: Moment
    by: str


class UnitPartOut(ResponseModel):
    """One unit's part in the document."""

    unit: str
    lead: bool
    deadline: dt.date | None
    state: PartState = Field(
        description="open, done, or returned: handed back by its head, waiting to be assigned again"
    )
    late: bool = Field(description="Open after its deadline")
    reason: str = Field(description="Reason for handing it back, or empty")
    person: str | None = Field(description="Person of the unit who has the part, or null")
    informed: bool = Field(description="The unit or person only sees the document; `done` once it was seen")


class AssignmentOut(ResponseModel):
    lead_unit: str
    coordinating_units: list[str]
    deadline: dt.date | None
    instruction: str | None
    units: list[UnitPartOut] = Field(description="Each unit's own part, seen by your agency alone")


class ReplyLinkOut(ResponseModel):
    agency: str
    number: str
    date: dt.date
    document_id: str | None


class RequestOut(ResponseModel):
    """Request of the sender about a document that it sent: `recall`, `take_back`, `update`; `replace` needs no answer."""

    kind: str
    reason: str
    notice_no: str | None
    approved_by: str | None
    state: str | None = Field(description="asked, agreed, refused or withdrawn; null if no answer is needed")
    state_text: str
    item: str | None = Field(description="The item that brought it; null for a take-back")
    asked_at: Moment | None


@with_fields({name: shown_type(f) for name, f in _DOCUMENT_FIELDS.items()})
class InboxItem(ResponseModel):
    """An incoming document."""

    id: str
    state: InWord
    state_text: str
    version: int
    handover: HandoverWord = Field(description="available, leased or acked: the hand-over to your system")
    arrived_at: Moment
    due: DueOut | None
    sender: SenderOut = Field(alias="from")
    document_id: str
    attempt: int
    number: str
    symbol: str
    date: dt.date | None
    type: str | None
    subject: str
    signer: PersonOut | None
    urgency: UrgencyWord
    due_at: Moment | None = Field(description="The stated hour of a timed express letter")
    secrecy: str
    signed_at: Moment | None
    role: RoleWord | None
    reply_required: bool | None
    reply_due: dt.date | None
    delivery_mode: ModeWord | None
    pages: int | None
    business: BusinessWord
    request: RequestOut | None = Field(
        description="Request of a recall, update or replacement; for a document, the open request that waits for "
        "your 15 or 16"
    )
    about: str | None = Field(description="The item that this recall, update or replacement is about")
    replies_to: list[ReplyLinkOut]
    assignment: AssignmentOut | None
    register_no: str | None
    register_year: int | None
    replaced_by: str | None
    marks: list[str]
    vouched_by: str
    axes: list[str] = Field(
        description="Axes over which it came, in order of arrival; empty if the node has one axis"
    )
    checks: dict[str, str | bool | None] = Field(
        description="Results of the checks on arrival; null: not checked"
    )
    files: list[InboxFileOut]
    files_readable: bool = Field(
        description="False for a recalled or sealed document: its files and envelope answer 409"
    )
    legal_value: ValueWord | None = Field(
        description="official, official-unproved, copy or information; null until it is known"
    )
    legal_value_text: str
    signatures: list[FileSignaturesOut] = Field(description="Signatures inside the PDFs")
    lease: LeaseOut | None


class Quarantined(ResponseModel):
    """A packet that did not become a document: what is known about it, never its content."""

    id: str
    state: PacketWord
    state_text: str
    code: str | None
    reason: str | None
    received_at: Moment
    settled_at: Moment | None
    sender_claimed: str | None = Field(description="Sender according to the packet or the axis; not proved")
    document_id: str | None
    kind: str | None
    size: int
    sha256: str
    axes: list[str] = Field(description="Axes over which it came; empty if the node has one axis")


def inbox_item(
    document: IncomingDocument,
    context: DocumentContext | None,
    name_now: str | None,
    lang: Lang,
    today: dt.date | None = None,
) -> InboxItem:
    """Make the view of an incoming document."""
    if document.state is InState.SEALED:
        document = _without_words(document)
    context = context or DocumentContext()
    handover, request = context.handover, context.request
    # Lists every check that exists, done or not.
    done_checks = {name: _TRUTHS.get(word, word) for name, word in document.checks.items()}
    return InboxItem.from_object(
        document,
        state_text=received_word(document.state, lang),
        handover=handover.state if handover else "available",
        due=DueOut(accept_by=context.due.at, basis=say(context.due.words, lang)) if context.due else None,
        sender=SenderOut(code=document.sender_code, name=document.sender_name, name_now=name_now),
        date=document.issued_on,
        type=document.type_name,
        urgency=document.urgency.key,
        secrecy="none",
        reply_due=document.due_on,
        business=BUSINESS.get(document.kind, document.kind),
        request=RequestOut.from_object(
            request, state_text=say(f"request.{request.state}", lang) if request.state else ""
        )
        if request
        else None,
        about=context.target_id,
        assignment=_assignment(document.assignment, context.parts, today) if document.assignment else None,
        checks=dict.fromkeys(_CHECKS) | done_checks | {"duplicate_of": context.duplicate_of},
        files=[
            InboxFileOut.from_object(
                file,
                content_type=media_type(file.found_type or file.content_type),
                link=f"{BASE}/inbox/{document.id}/files/{file.n}",
            )
            for file in document.files
        ],
        files_readable=context.is_readable,
        legal_value_text=legal_value_text(document.legal_value, lead_verdict(document), lang),
        signatures=signatures(document.signatures, lang),
        lease=_lease(handover) if handover else None,
    )


def quarantine_view(row: InboxPacket, lang: Lang) -> Quarantined:
    """Describe a packet that waits, is held, or was set aside."""
    return Quarantined.from_object(
        row,
        state_text=packet_word(row.state, lang),
        sender_claimed=row.sender_code or row.transport_sender or None,
        sha256=row.file_digest,
    )


def _assignment(assignment: Assignment, parts: Sequence[UnitPart], today: dt.date | None) -> AssignmentOut:
    return AssignmentOut.from_object(
        assignment,
        units=[
            UnitPartOut.from_object(
                part,
                lead=part.is_lead,
                late=today is not None and part.is_late(today),
                reason=part.why,
                person=part.person_id,
                informed=part.is_informed,
            )
            for part in parts
        ],
    )


def _without_words(document: IncomingDocument) -> IncomingDocument:
    """Blank a sealed document's texts, which may be the secret (R4, sealed content); numbers, dates, digests and verdicts
    stay."""
    return replace(
        document,
        **_WORDLESS,
        subject="",
        files=tuple(replace(file, name="") for file in document.files),
        signatures=tuple(replace(signature, file="", detail="") for signature in document.signatures),
        checks={name: word for name, word in document.checks.items() if name not in ("reasons", "warnings")},
        assignment=None,
    )


def _lease(handover: Handover) -> LeaseOut | None:
    if handover.state != "leased" or not handover.leased_until or not handover.leased_by:
        return None
    return LeaseOut(until=handover.leased_until, by=handover.leased_by)
