"""Requests to a node and its answers: JSON objects by the names of the API's description (`GET /docs`), with types. Dates
and times are text as on the wire (`2026-11-20`, `2026-11-20T09:00:00+07:00`). A node names missing fields; nothing is
filled in. Fields that this version does not know are in the object all the same, and do no harm."""

from __future__ import annotations

from typing import Any, NotRequired, Required, TypedDict


class FileMeta(TypedDict, total=False):
    """A file that follows as a part of the same request, or one that was uploaded before, by its `id`."""

    id: str | None
    name: str | None
    role: Required[str]
    size: int | None
    sha256: str | None


class SignerIn(TypedDict, total=False):
    """The signer of the document, as printed under it."""

    name: str | None
    title: str | None
    competence: str | None


class FileCodeIn(TypedDict, total=False):
    """The file that the document belongs to."""

    organ: Required[str]
    year: Required[int]
    notation: Required[str]


class ReplyLinkIn(TypedDict, total=False):
    """The document that this one answers."""

    agency: Required[str]
    number: Required[str]
    date: Required[str]
    document_id: str | None


class RecipientIn(TypedDict, total=False):
    """One recipient: a code (current, old or an alias), or a name with the code of its parent."""

    code: str | None
    name: str | None
    parent: str | None
    role: Required[str]


class StaffIn(TypedDict, total=False):
    """A person whom the other side can ask."""

    name: str | None
    department: str | None
    phone: str | None
    email: str | None


class MessageIn(TypedDict, total=False):
    """A document to send, or with `"send": false` a draft to store."""

    files: list[FileMeta] | None
    external_id: str | None
    number: str
    symbol: str
    date: str | None
    type: str
    subject: str
    urgency: str
    secrecy: str
    category: str | None
    signer: SignerIn | None
    signed_at: str | None
    pages: int | None
    delivery_mode: str | None
    file_code: FileCodeIn | None
    reply_required: bool | None
    reply_due: str | None
    replies_to: list[ReplyLinkIn]
    recipients: list[RecipientIn]
    labels: list[str]
    callback_data: str | None
    content: str | None
    place: str | None
    due_at: str | None
    to_places: list[str]
    appendixes: list[str]
    copies: int | None
    sphere: str | None
    drafter: str | None
    staff: StaffIn | None
    send: bool
    undo_seconds: int
    confirm: list[str]


class UnitPersonIn(TypedDict):
    """A person of a unit, by sign-in name or id."""

    unit: str
    person: str


class InformedIn(TypedDict, total=False):
    """A unit, or a person of it by sign-in name or id."""

    unit: Required[str]
    person: str | None


class AssignmentIn(TypedDict, total=False):
    """The units that work on it, and the deadline."""

    lead_unit: Required[str]
    coordinating_units: list[str]
    deadline: str | None
    instruction: str | None
    unit_deadlines: dict[str, str]
    persons: list[UnitPersonIn]
    informed: list[InformedIn]


class StatusIn(TypedDict, total=False):
    """A status of the agency for the document: a code 02 to 06, 15, 16, or its word (`accepted`)."""

    code: Required[str]
    register_no: str | None
    register_year: int | None
    at: str | None
    staff: StaffIn | None
    note: str | None
    reason: str | None
    assignment: AssignmentIn | None
    answered_by: str | None
    reopen: bool


class PersonOut(TypedDict):
    """The signer of the document."""

    name: str | None
    title: NotRequired[str | None]
    competence: NotRequired[str | None]


class RecipientRequestOut(TypedDict):
    """Recall, take-back or update that a recipient was asked for, and its answer."""

    kind: str
    state: str
    asked_at: str
    answered_at: str | None
    reason: str | None


class RecipientOut(TypedDict):
    """One recipient with its own state. `given` and `mapped_by` are present if the caller wrote another code or a name."""

    code: str
    name: str | None
    role: str
    state: str
    state_text: str
    given: str | None
    mapped_by: str | None
    marks: list[str]
    register_no: str | None
    register_year: int | None
    updated_at: str | None
    request: RecipientRequestOut | None


class FileOut(TypedDict):
    """A file of a document of ours."""

    n: int
    name: str
    role: str
    content_type: str
    size: int
    sha256: str
    pages_found: int | None


class PdfSignerOut(TypedDict):
    """One signature: the signer, the claimed time and the trusted timestamp, and whether it holds."""

    name: str
    organisation: str
    role: str | None
    claimed_at: str | None
    trusted_at: str | None
    verdict: str
    verdict_text: str
    why: str | None
    why_text: str | None
    indication: str
    sub_indication: str | None
    now: str
    now_why: str | None
    serial: str
    issuer: str
    copy_form: str | None
    seal: str | None
    seal_code: str
    seal_act: str
    person: str | None
    person_name: str
    position: str
    capacity: str
    signer_text: str


class FileSignaturesOut(TypedDict):
    """The signatures of one file; the verdict is that of the worst."""

    n: int
    file: str
    verdict: str
    verdict_text: str
    why: str | None
    why_text: str | None
    rule: int
    signers: list[PdfSignerOut]


class WarningOut(TypedDict):
    """A warning that stops nothing."""

    type: str
    detail: str
    pointer: NotRequired[str]
    suggest: NotRequired[str | None]
    basis: NotRequired[str | None]


class LinksOut(TypedDict):
    """Links to more about it."""

    self: str
    events: str
    envelope: str | None


class Message(TypedDict):
    """An outgoing document, or a packet about one (update, recall, replacement)."""

    id: str
    state: str
    state_text: str
    kind: str
    document_id: str
    version: int
    attempt: int
    undo_until: str | None
    external_id: str | None
    number: str
    symbol: str
    date: str | None
    type: str
    subject: str
    urgency: str
    due_at: str | None
    secrecy: str
    signer: PersonOut | None
    signed_at: str | None
    pages: int | None
    delivery_mode: str | None
    reply_required: bool | None
    reply_due: str | None
    recipients: list[RecipientOut]
    files: list[FileOut]
    labels: list[str]
    callback_data: str | None
    parent: str | None
    reason: str | None
    created_at: str
    packed_at: str | None
    legal_value: str | None
    legal_value_text: str
    signatures: list[FileSignaturesOut]
    warnings: list[WarningOut]
    links: LinksOut


class ProblemItem(TypedDict):
    """One reason for the refusal."""

    pointer: str
    code: str
    detail: str
    suggest: str | None
    basis: str | None


class Validated(TypedDict):
    """The result of sending, had it been sent; nothing was stored."""

    allowed: bool
    problems: list[ProblemItem]
    warnings: list[WarningOut]
    recipients: list[RecipientOut]
    number: str | None


class DueOut(TypedDict):
    """Due time for this office: to take in, to decide, to answer."""

    accept_by: str
    basis: str


class SenderOut(TypedDict):
    """The sender, with its name at the time of signing and its current name."""

    code: str
    name: str | None
    name_now: str | None


class RequestOut(TypedDict):
    """The sender's request about a document that it sent: `recall`, `take_back`, `update`; `replace` needs no answer."""

    kind: str
    reason: str
    notice_no: str | None
    approved_by: str | None
    state: str | None
    state_text: str
    item: str | None
    asked_at: str | None


class ReplyLinkOut(TypedDict):
    """A document that this one answers."""

    agency: str
    number: str
    date: str
    document_id: str | None


class UnitPartOut(TypedDict):
    """One unit's part in the document."""

    unit: str
    lead: bool
    deadline: str | None
    state: str
    late: bool
    reason: str
    person: str | None
    informed: bool


class AssignmentOut(TypedDict):
    """The units that work on it, and the deadline."""

    lead_unit: str
    coordinating_units: list[str]
    deadline: str | None
    instruction: str | None
    units: list[UnitPartOut]


class InboxFileOut(TypedDict):
    """A file of an incoming document."""

    n: int
    name: str
    role: str | None
    content_type: str
    size: int
    sha256: str
    pages: int | None
    link: str


class LeaseOut(TypedDict):
    """The lease of an entry: its end and its holder."""

    until: str
    by: str


_From = TypedDict("_From", {"from": SenderOut})


class InboxItem(_From):
    """An incoming document."""

    id: str
    state: str
    state_text: str
    version: int
    handover: str
    arrived_at: str
    due: DueOut | None
    document_id: str
    attempt: int
    number: str
    symbol: str
    date: str | None
    type: str | None
    subject: str
    signer: PersonOut | None
    urgency: str
    due_at: str | None
    secrecy: str
    signed_at: str | None
    role: str | None
    reply_required: bool | None
    reply_due: str | None
    delivery_mode: str | None
    pages: int | None
    business: str
    request: RequestOut | None
    about: str | None
    replies_to: list[ReplyLinkOut]
    assignment: AssignmentOut | None
    register_no: str | None
    register_year: int | None
    replaced_by: str | None
    marks: list[str]
    vouched_by: str
    axes: list[str]
    checks: dict[str, str | bool | None]
    files: list[InboxFileOut]
    files_readable: bool
    legal_value: str | None
    legal_value_text: str
    signatures: list[FileSignaturesOut]
    lease: LeaseOut | None


class StatusWarning(TypedDict):
    """A warning about a recorded status."""

    type: str
    detail: str


class StatusSet(TypedDict):
    """The status is recorded, and its signed answer is on its way."""

    repeated: bool
    register_no: str | None
    warnings: list[StatusWarning]
    item: InboxItem


class Acknowledged(TypedDict):
    """It is not offered again."""

    id: str
    handover: str
    repeated: bool


class StatusOfIn(StatusIn, total=False):
    """A status for one of several documents."""

    id: Required[str]
    version: int | None


class AckOutcome(TypedDict):
    """Outcome of one acknowledgement; `problem` is its refusal."""

    id: str
    status: int
    result: Acknowledged | None
    problem: dict[str, Any] | None


class StatusOutcome(TypedDict):
    """Outcome of one status; `problem` is its refusal."""

    id: str
    status: int
    result: StatusSet | None
    problem: dict[str, Any] | None


class EventOut(TypedDict):
    """One event. `sequence` has no gaps within an agency; events outside of this key's rights or wishes are left out."""

    id: str
    type: str
    created_at: str
    agency: str
    sequence: int
    subject: str
    data: dict[str, Any]


class PartOut(TypedDict):
    """One stored part."""

    n: int
    size: int
    sha256: str


class UploadedFile(TypedDict):
    """The file as the node found it."""

    sha256: str
    type: str
    pages: int | None
    signatures: FileSignaturesOut | None


class UploadOut(TypedDict):
    """One upload. A message names it by `id` once it is complete."""

    id: str
    name: str
    size: int
    part_size: int
    part_count: int
    parts: list[PartOut]
    missing: list[int]
    complete: bool
    file: UploadedFile | None
    created_at: str
    expires_at: str


class AgencyServed(TypedDict):
    """An agency that the key speaks for."""

    id: str
    code: str
    name: str
    numbering: str
    aliases: list[str]


class CertificateBound(TypedDict):
    """The client certificate that a key takes; `sha256` is of its DER."""

    sha256: str
    name: str
    expires_at: str


class Me(TypedDict):
    """The caller and its key."""

    key: str
    name: str
    kind: str
    scopes: list[str]
    networks: list[str]
    agencies: list[AgencyServed]
    agency: str | None
    expires_at: str | None
    way: str
    certificate: CertificateBound | None
