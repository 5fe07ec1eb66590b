"""View of an outgoing document for programs and at the command line: one function for all answers, so that create, read,
list and act agree. In: the document, its deliveries, warnings; or stored documents. Out: `Message`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import Field

from gateway.api.pdf_view import FileSignaturesOut, legal_value_text, signatures
from gateway.api.shapes import (
    BASE,
    FileRoleWord,
    KindWord,
    ModeWord,
    Moment,
    OutWord,
    RequestStateWord,
    RequestWord,
    ResponseModel,
    RoleWord,
    RuleWord,
    UrgencyWord,
    ValueWord,
    media_type,
    shown_fields,
    shown_type,
    with_fields,
)
from gateway.api.words import Lang, reason_text, say
from gateway.document_view.facts import state_word, without_reference
from gateway.document_view.seals import lead_verdict
from gateway.domain.document import Delivery, Draft, OutgoingDocument, OutState, Recipient
from gateway.domain.status import RequestStanding, document_word
from gateway.outgoing import answering
from gateway.policy.verdict import Reason
from gateway.words.legal import basis_of_code

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

REPLY_LATE = "reply_late"
"""The mark of a recipient whose reply is overdue."""
OF_DELIVERIES = ("state", "state_text", "recipients")
"""The fields that need the recipients' deliveries."""


class RecipientRequestOut(ResponseModel):
    """Recall, take-back or update that a recipient was asked for, and its answer."""

    kind: RequestWord
    state: RequestStateWord = Field(description="asked, agreed (15) or refused (16)")
    asked_at: Moment
    answered_at: Moment | None
    reason: str | None = Field(description="What the recipient wrote with its answer")


class RecipientOut(ResponseModel):
    """One recipient with its own state. `given` and `mapped_by` are present if the caller wrote another code or a
    name."""

    code: str
    name: str | None
    role: RoleWord
    state: OutWord
    state_text: str
    given: str | None
    mapped_by: str | None
    marks: list[str]
    register_no: str | None = Field(description="Its arrival number there, if the recipient reported it")
    register_year: int | None
    updated_at: Moment | None
    request: RecipientRequestOut | None = Field(
        description="The last recall, take-back or update that it was asked for; null if none, or if it was withdrawn"
    )


class FileOut(ResponseModel):
    n: int
    name: str
    role: FileRoleWord
    content_type: str
    size: int
    sha256: str
    pages_found: int | None = Field(description="Counted in a PDF; null if the node cannot")


class WarningOut(ResponseModel):
    """A warning, which does not stop the document."""

    type: RuleWord
    detail: str
    pointer: str = ""
    suggest: str | None = None
    basis: str | None = Field(None, description="Articles that the rule rests on, as people cite them")


class LinksOut(ResponseModel):
    self: str
    events: str
    envelope: str | None


class PersonOut(ResponseModel):
    name: str | None
    title: str | None = None
    competence: str | None = None


@with_fields({name: shown_type(f) for name, f in shown_fields(Draft).items()})
class Message(ResponseModel):
    """An outgoing document, or a packet about one (update, recall, replacement)."""

    id: str
    state: OutWord
    state_text: str
    kind: KindWord
    document_id: str
    version: int
    attempt: int
    undo_until: Moment | None = Field(
        description="Time until which it can be cancelled; null once it may have left"
    )
    external_id: str | None
    number: str
    symbol: str
    date: dt.date | None
    type: str
    subject: str
    urgency: UrgencyWord
    due_at: Moment | None = Field(description="The stated hour of a timed express letter")
    secrecy: str
    signer: PersonOut | None
    signed_at: Moment | None
    pages: int | None
    delivery_mode: ModeWord | None = Field(
        description="Null in a draft without one: then the class of the document decides"
    )
    reply_required: bool | None
    reply_due: dt.date | None
    recipients: list[RecipientOut]
    files: list[FileOut]
    parent: str | None = Field(description="The document that this update, recall or replacement is about")
    reason: str | None = Field(description="Reason why it was changed, recalled or blocked")
    created_at: Moment
    packed_at: Moment | None
    legal_value: ValueWord | None = Field(
        description="official, official-unproved, copy or information; null until it is known"
    )
    legal_value_text: str
    signatures: list[FileSignaturesOut] = Field(
        description="Signatures inside the PDFs when they were handed in"
    )
    warnings: list[WarningOut]
    links: LinksOut


async def load_messages(
    work: SqlWork,
    documents: Sequence[OutgoingDocument],
    lang: Lang,
    today: dt.date,
    *,
    bare: bool = False,
    normalized: bool = False,
) -> list[Message]:
    """Make the view of stored documents, or `bare` without the fields that need deliveries."""
    deliveries: Mapping[str, Sequence[Delivery]] = {}
    if not bare:
        deliveries = await work.deliveries.of_documents([document.id for document in documents])
    late = await answering.late_answers(work, documents, deliveries, today)
    requests = await answering.last_requests(work, deliveries)
    return [
        message(d, deliveries.get(d.id, ()), lang, normalized=normalized, late=late, requests=requests)
        for d in documents
    ]


def message(
    document: OutgoingDocument,
    deliveries: Sequence[Delivery],
    lang: Lang,
    *,
    warnings: Sequence[Reason] = (),
    normalized: bool = False,
    late: Collection[str] = (),
    requests: Mapping[str, RequestStanding] = MappingProxyType({}),
) -> Message:
    """Make the view of an outgoing document."""
    draft, path = document.draft, f"{BASE}/messages/{document.id}"
    state = state_of(document, deliveries)
    return Message.from_object(
        document,
        draft,
        state=state,
        state_text=state_word(state, lang),
        undo_until=document.leaves_at if document.state is OutState.QUEUED else None,
        parent=document.parent_id,
        reason=document.change.reason if document.change else document.state_reason,
        recipients=recipients(document, deliveries, lang, late, requests),
        files=[
            FileOut.from_object(file, content_type=media_type(file.content_type), pages_found=file.pages)
            for file in document.files
        ],
        legal_value_text=legal_value_text(document.legal_value, lead_verdict(document), lang),
        signatures=signatures(document.signatures, lang),
        warnings=[*warning_views(warnings, lang), *([normal_form(lang)] if normalized else [])],
        links=LinksOut(
            self=path,
            events=f"{path}/events",
            envelope=f"{path}/envelope" if document.envelope_digest else None,
        ),
        date=draft.issued_on,
        type=draft.type_key or draft.type_name,
        urgency=draft.urgency.key,
    )


def state_of(document: OutgoingDocument, deliveries: Sequence[Delivery]) -> str:
    """Return the one state of the whole document."""
    return document_word(document.state, [delivery.state for delivery in deliveries])


def recipients(
    document: OutgoingDocument,
    deliveries: Sequence[Delivery],
    lang: Lang,
    late: Collection[str],
    requests: Mapping[str, RequestStanding],
) -> list[RecipientOut]:
    """Describe its deliveries, or without any the recipients of the draft in the document's own state. `late`: ids of
    deliveries whose reply is overdue; `requests`: the last one by the id of its delivery."""
    if not deliveries:
        return [recipient(r, document_word(document.state, ()), lang) for r in document.draft.recipients]
    views = [recipient(d.recipient, d.state, lang, d, requests.get(d.id)) for d in deliveries]
    return [
        view.model_copy(update={"marks": [*view.marks, REPLY_LATE]}) if delivery.id in late else view
        for view, delivery in zip(views, deliveries, strict=True)
    ]


def warning_views(reasons: Sequence[Reason], lang: Lang) -> list[WarningOut]:
    """Write warnings of the rules in the reader's language."""
    return [
        WarningOut.from_object(
            w, type=w.code, detail=reason_text(w, lang), basis=basis_of_code(w.code, lang) or None
        )
        for w in reasons
    ]


def normal_form(lang: Lang) -> WarningOut:
    """Warn that text came in another Unicode form than NFC and was normalised."""
    return WarningOut(type="normalized", detail=say("api.normalized", lang))


def recipient(
    addressee: Recipient,
    state: str,
    lang: Lang,
    delivery: Delivery | None = None,
    request: RequestStanding | None = None,
) -> RecipientOut:
    """Describe one recipient in a state."""
    return RecipientOut.from_object(
        addressee,
        state=state,
        state_text=state_word(state, lang),
        marks=list(delivery.marks) if delivery else [],
        register_no=delivery.register_no if delivery else None,
        register_year=delivery.register_year if delivery else None,
        updated_at=delivery.updated_at if delivery else None,
        request=RecipientRequestOut.from_object(request, reason=without_reference(request.reason))
        if request
        else None,
    )
