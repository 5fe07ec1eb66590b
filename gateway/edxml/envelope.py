"""The frozen model that mirrors the XML of one packet. Text is as it stands in the canonical octets; absent is
None, never invented. `reader` makes it, `build` writes it; nobody else knows the wire's shape."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from gateway.domain.document import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    organ_id: str | None = None
    organization_in_charge: str | None = None
    organ_name: str | None = None
    organ_add: str | None = None
    email: str | None = None
    telephone: str | None = None
    fax: str | None = None
    website: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    number: str | None = None
    notation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentType:
    type: int | None = None
    detail: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerInfo:
    competence: str | None = None
    position: str | None = None
    full_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherInfo:
    priority: int | None = None
    sphere_of_promulgation: str | None = None
    typer_notation: str | None = None
    promulgation_amount: int | None = None
    page_amount: int | None = None
    reply_fors: str | None = None
    direction: bool | None = None
    reference_codes: str | None = None
    appendixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFor:
    """The document answered, or (in a status) the document reported on. `code` is number/notation."""

    organ_id: str | None = None
    code: str | None = None
    document_id: str | None = None
    promulgation_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceHeader:
    organ_id: str | None = None
    timestamp: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffInfo:
    department: str | None = None
    staff: str | None = None
    email: str | None = None
    mobile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One line of an update's receiver list; `added` False means removed."""

    organ_id: str
    added: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentInfo:
    document_info: bool | None = None
    document_receiver: bool | None = None
    receivers: tuple[Receiver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementInfo:
    document_id: str
    organ_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Business:
    """`Bussiness`, as the wire misspells it: 0 new, 1 recall, 2 update, 3 replacement."""

    doc_type: int | None = None
    document_id: str | None = None
    reason: str | None = None
    paper: int | None = None
    document_info: DocumentInfo | None = None
    replacements: tuple[ReplacementInfo, ...] = ()
    staff: tuple[StaffInfo, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One line of the manifest."""

    content_id: str | None = None
    content_type: str | None = None
    description: str | None = None
    attachment_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What stands beside an attachment's bytes; the bytes themselves are a `domain.proof.FileSlice`."""

    content_id: str | None = None
    attachment_name: str | None = None
    description: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    code: str
    description: str | None = None
    timestamp: datetime | None = None
    staff: StaffInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One packet. A status has `status` and one `response_for`; the other kinds have the full header."""

    kind: Kind
    sender: Organisation
    to: tuple[Organisation, ...] = ()
    document_id: str | None = None
    code: Code | None = None
    place: str | None = None
    promulgation_date: date | None = None
    document_type: DocumentType | None = None
    subject: str | None = None
    content: str | None = None
    signer: SignerInfo | None = None
    due_date: date | None = None
    other: OtherInfo | None = None
    response_for: tuple[ResponseFor, ...] = ()
    steering_type: int | None = None
    to_places: tuple[str, ...] = ()
    task_codes: tuple[str, ...] = ()
    application_type: str | None = None
    trace: tuple[TraceHeader, ...] = ()
    business: Business | None = None
    manifest: tuple[Reference, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    status: StatusReport | None = None
