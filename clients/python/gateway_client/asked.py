"""What a program says to a node: JSON objects by the names of the API's description (`GET /docs`), with types. Dates and
times are text as on the wire (`2026-11-20`, `2026-11-20T09:00:00+07:00`). A node names what is missing; nothing is
filled in."""

from __future__ import annotations

from typing import Required, TypedDict


class FileMeta(TypedDict, total=False):
    """A file that follows as a part of the same request, or one that was uploaded before, by its `id`."""

    id: str | None
    name: str | None
    role: Required[str]
    size: int | None
    sha256: str | None


class SignerIn(TypedDict, total=False):
    """Who signed the document, as printed under it."""

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
    """One recipient: a code (present, old or an alias), or a name with the code of its parent."""

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
    """A document to send, or with `"send": false` a draft to keep."""

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


class AssignmentIn(TypedDict, total=False):
    """Who works on it, and until when."""

    lead_unit: Required[str]
    coordinating_units: list[str]
    deadline: str | None
    instruction: str | None
    unit_deadlines: dict[str, str]


class StatusIn(TypedDict, total=False):
    """What the agency did with the document: a code 02 to 06, 15, 16, or its word (`accepted`)."""

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
