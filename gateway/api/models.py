"""What a caller may say about an outgoing document, as pydantic models with their crossing into the domain. In: JSON
members. Out: `Draft` and `DocumentChange`. Whether a rule allows it is not asked here; what is missing stays missing,
so that the rules can name it, and nothing is ever filled in (interfaces.md 3.3)."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

from gateway.api.shapes import AgencyCode, Asked, Count, Line, Name, Sha256, Text
from gateway.api.words import type_name
from gateway.domain.document import (
    URGENCY_KEYS,
    DeliveryMode,
    DocumentChange,
    Draft,
    FileCode,
    FileRole,
    OutgoingDocument,
    Recipient,
    RecipientRole,
    ReplyLink,
    Signer,
    Staff,
)
from gateway.domain.fields import MOST
from gateway.domain.identity import DocumentId

UrgencyKey = Literal["thuong", "khan", "thuong_khan", "hoa_toc", "hoa_toc_hen_gio"]
_URGENCIES = {key: urgency for urgency, key in URGENCY_KEYS.items()}

# Of a list that only chooses among the recipients of a document: what does not fit is refused as no JSON of ours.
_MOST_RECIPIENTS = 2000


# Codes of agencies that a call is about, and what a person has read and borne with.
Chosen = Annotated[list[AgencyCode], Field(default_factory=list, max_length=_MOST_RECIPIENTS)]
UndoSeconds = Annotated[
    int,
    Field(
        ge=0, le=120, description="For so long it does not leave, and can be cancelled: until `undo_until`"
    ),
]
Confirmed = Annotated[
    list[Line],
    Field(
        default_factory=list,
        max_length=20,
        description="Codes of `confirm` of an earlier refusal, read and borne with",
    ),
]


class RecipientIn(Asked):
    """One recipient: a code (present, old or an alias), or a name with the code of its parent."""

    code: Line | None = Field(None, description="Agency code, of today or an old one")
    name: Line | None = Field(None, description="Name of the agency, where the code is not known")
    parent: Line | None = Field(None, description="Code of the agency above it, with `name`")
    role: RecipientRole = Field(description="What the recipient is to do with the document (R48)")


class SignerIn(Asked):
    """Who signed the document, as printed under it."""

    name: Line | None = None
    title: Line | None = None
    competence: Line | None = Field(None, description="TM., KT., TL., TUQ., Q. where printed")


class StaffIn(Asked):
    """A person whom the other side can ask."""

    name: Line | None = None
    department: Line | None = None
    phone: Line | None = None
    email: Line | None = None


class FileCodeIn(Asked):
    """The file that the document belongs to (rules.md 12.3)."""

    organ: AgencyCode
    year: int = Field(ge=1900, le=2999)
    notation: Line


class ReplyLinkIn(Asked):
    """The document that this one answers."""

    agency: AgencyCode
    number: Line
    date: dt.date
    document_id: Line | None = None


class FileMeta(Asked):
    """A file that follows as a part of the same request, found by its `name`, or one that was uploaded before, found by
    its `id`. `size` and `sha256` are compared with what came, where given."""

    id: Line | None = Field(None, description="Of a complete upload")
    name: Name | None = Field(
        None, description="Needed without `id`; with it another name", validate_default=True
    )
    role: FileRole
    size: int | None = Field(None, ge=0)
    sha256: Sha256 | None = None

    @field_validator("name")
    @classmethod
    def _named(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is None and info.data.get("id") is None:
            raise PydanticKnownError("missing")
        return name


class WithFiles(Asked):
    """Meta of a request whose files follow, or were uploaded before. Without `files`, the name of each part is the role of
    its file."""

    files: list[FileMeta] | None = Field(None, max_length=200)


class MessageIn(WithFiles):
    """A document to send, or with `"send": false` a draft to keep."""

    external_id: Line | None = Field(None, description="The caller's own id; unique per agency for ever")
    number: Line = ""
    symbol: Line = ""
    date: dt.date | None = None
    type: Line = Field("", description="Key of /codes (`cong_van`), or the name of the type as printed")
    subject: Text = ""
    urgency: UrgencyKey = "thuong"
    secrecy: Line = Field("none", description="Only `none` may pass; anything else is refused and not stored")
    category: Line | None = Field(None, description="Kind of content, as far as the sender declares it (R3)")
    signer: SignerIn | None = None
    signed_at: AwareDatetime | None = Field(None, description="When it was signed; never guessed")
    pages: Count | None = None
    delivery_mode: DeliveryMode | None = Field(
        None, description="As the class of the document says, where absent; `paper` never goes over the axis"
    )
    file_code: FileCodeIn | None = None
    reply_required: bool | None = Field(None, description="Required to send (R53)")
    reply_due: dt.date | None = None
    replies_to: list[ReplyLinkIn] = Field(default_factory=list, max_length=MOST["replies_to"])
    recipients: list[RecipientIn] = Field(default_factory=list, max_length=_MOST_RECIPIENTS)
    labels: list[Line] = Field(default_factory=list, max_length=MOST["labels"])
    callback_data: Text | None = Field(None, description="Kept and returned as is")
    content: Text | None = None
    place: Line | None = None
    due_at: AwareDatetime | None = Field(None, description="With urgency `hoa_toc_hen_gio`")
    to_places: list[Line] = Field(default_factory=list, max_length=MOST["to_places"])
    appendixes: list[Line] = Field(default_factory=list, max_length=MOST["appendixes"])
    copies: Count | None = None
    sphere: Line | None = None
    drafter: Line | None = None
    staff: StaffIn | None = None
    send: bool = Field(True, description="`false` keeps a draft")
    confirm: Confirmed
    undo_seconds: UndoSeconds = 0

    def to_draft(self) -> Draft:
        """The draft with its recipients as given."""
        return self.into(
            Draft,
            issued_on=self.date,
            type_name=type_name(self.type),
            type_key=self.type if type_name(self.type) != self.type else None,
            signer=_signer(self.signer),
            recipients=tuple(_recipient(each) for each in self.recipients),
            urgency=_URGENCIES[self.urgency],
            file_code=self.file_code.into(FileCode) if self.file_code else None,
            replies_to=tuple(_reply_link(each) for each in self.replies_to),
            staff=self.staff.into(Staff) if self.staff else None,
        )


class UpdateIn(MessageIn):
    """An update of a sent document (packet type 2): what it now says, and why."""

    reason: Text = ""
    approved_by: Line | None = None
    information_changed: bool = True
    receivers_added: Chosen
    receivers_removed: Chosen

    def to_change(self, parent: OutgoingDocument) -> DocumentChange:
        changed = bool(self.receivers_added or self.receivers_removed)
        return self.into(DocumentChange, target=parent.document_id, receivers_changed=changed)


class ReplaceIn(MessageIn):
    """A document that takes the place of a sent one (packet type 3): a document of its own, and why."""

    reason: Text = ""
    approved_by: Line | None = None

    def to_change(self, parent: OutgoingDocument) -> DocumentChange:
        return self.into(DocumentChange, replaces=((parent.document_id, ()),))


class RecallIn(Asked):
    """The wish to have a sent document cancelled. `notice` sends a recall notice (packet type 1); `take_back` sends
    the bare status 13, for partners that know no notice."""

    reason: Text = ""
    approved_by: Line | None = Field(None, description="The leader who approved it; required for a notice")
    notice_no: Line | None = Field(None, description="Number of the recall notice; required for a notice")
    form: Literal["notice", "take_back"] = "notice"
    recipients: Chosen


class ResendIn(Asked):
    """Whom to send the same packet to again; nobody named: all whose sending failed."""

    recipients: Chosen


class FurtherIn(Asked):
    """Who else is to get a document that has left."""

    recipients: list[RecipientIn] = Field(min_length=1, max_length=_MOST_RECIPIENTS)
    confirm: Confirmed

    def to_recipients(self) -> tuple[Recipient, ...]:
        return tuple(_recipient(each) for each in self.recipients)


class SendIn(Asked):
    """A draft to send."""

    confirm: Confirmed
    undo_seconds: UndoSeconds = 0


class NothingIn(Asked):
    """A call that needs no more than its path."""


def _signer(given: SignerIn | None) -> Signer | None:
    if given is None:
        return None
    return given.into(Signer, name=given.name or "")


def _recipient(given: RecipientIn) -> Recipient:
    return given.into(Recipient, code=given.code or "")


def _reply_link(given: ReplyLinkIn) -> ReplyLink:
    known = DocumentId(given.document_id) if given.document_id else None
    return given.into(ReplyLink, document_id=known)
