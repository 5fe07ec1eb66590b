"""Input models of outgoing documents, with their conversion into the domain. In: JSON members. Out: `Draft` and
`DocumentChange`. Rules are not checked here; missing values stay missing, so that the rules can name them, and none is ever
filled in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

from gateway.api.shapes import AgencyCode, Count, Line, Name, RequestModel, Sha256, Text, with_fields
from gateway.api.words import type_name
from gateway.domain.document import (
    URGENCY_KEYS,
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
    Urgency,
)
from gateway.domain.fields import FIELDS, fields_of
from gateway.domain.fields import Field as DocumentField
from gateway.domain.wall_clock import FIRST_DAY, LAST_DAY

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

UrgencyKey = Literal["thuong", "khan", "thuong_khan", "hoa_toc", "hoa_toc_hen_gio"]
_URGENCIES = {key: urgency for urgency, key in URGENCY_KEYS.items()}

# Bounds lists that only choose among the recipients of a document; longer ones are refused as malformed.
_MOST_RECIPIENTS = 2000


# Codes of agencies that a call is about, and refusals that a person has read and accepts.
Chosen = Annotated[list[AgencyCode], Field(default_factory=list, max_length=_MOST_RECIPIENTS)]
UndoSeconds = Annotated[
    int,
    Field(
        ge=0,
        le=120,
        description="Seconds for which it does not leave and can be cancelled, until `undo_until`",
    ),
]
Confirmed = Annotated[
    list[Line],
    Field(
        default_factory=list,
        max_length=20,
        description="Codes from `confirm` of an earlier refusal that you have read and accept",
    ),
]


class RecipientIn(RequestModel):
    """One recipient: a code (current, old or an alias), or a name with the code of its parent."""

    code: Line | None = Field(None, description="Agency code, current or old")
    name: Line | None = Field(None, description="Name of the agency, if the code is not known")
    parent: Line | None = Field(None, description="Code of the agency above it, with `name`")
    role: RecipientRole = Field(description="Role of the recipient (R48)")


class SignerIn(RequestModel):
    """Person who signed the document, as printed under it."""

    name: Line | None = None
    title: Line | None = None
    competence: Line | None = Field(None, description="TM., KT., TL., TUQ., Q. if printed")


class StaffIn(RequestModel):
    """A person whom the other side can ask."""

    name: Line | None = None
    department: Line | None = None
    phone: Line | None = None
    email: Line | None = None


class FileCodeIn(RequestModel):
    """The file that the document belongs to."""

    organ: AgencyCode
    year: int = Field(ge=FIRST_DAY.year, le=LAST_DAY.year)
    notation: Line


class ReplyLinkIn(RequestModel):
    """The document that this one answers."""

    agency: AgencyCode
    number: Line
    date: dt.date
    document_id: Line | None = None


_PARTS: Mapping[type, Any] = {
    Signer: SignerIn,
    FileCode: FileCodeIn,
    ReplyLink: ReplyLinkIn,
    Recipient: RecipientIn,
    Staff: StaffIn,
}
_FIELD_TYPES: Mapping[type, Any] = {int: Count, dt.datetime: AwareDatetime, Urgency: UrgencyKey, **_PARTS}
_AS_IT_IS = frozenset({str, bool, int, type(None), dt.date, dt.datetime})
_DOMAIN_TYPES = {model: part for part, model in _PARTS.items()}


class FileMeta(RequestModel):
    """A file that follows as a part of the same request, found by its `name`, or one that was uploaded before, found by
    its `id`. `size` and `sha256` are compared with the received file, if given."""

    id: Line | None = Field(None, description="Id of a complete upload")
    name: Name | None = Field(
        None, description="Required without `id`; with it, a new name", validate_default=True
    )
    role: FileRole
    size: int | None = Field(None, ge=0)
    sha256: Sha256 | None = None

    @field_validator("name")
    @classmethod
    def _require_name(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is None and info.data.get("id") is None:
            raise PydanticKnownError("missing")
        return name


class WithFiles(RequestModel):
    """Meta of a request whose files follow, or were uploaded before. Without `files`, the name of each part is the role of
    its file."""

    files: list[FileMeta] | None = Field(None, max_length=200)


def _model_field(field: DocumentField) -> tuple[Any, Any]:
    """Return the field's type and default for pydantic."""
    rule = field.rule
    kind: Any = _FIELD_TYPES.get(field.holds, field.holds)
    if kind is str:
        kind = Text if rule.lines else Line
    if field.is_list:
        most = _MOST_RECIPIENTS if field.holds is Recipient else rule.most
        return list[kind], Field(default_factory=list, max_length=most, description=rule.says)
    default = field.default.key if field.holds is Urgency else field.default
    return kind | None if field.may_be_absent else kind, Field(default, description=rule.says)


@with_fields({f.name: _model_field(f) for f in FIELDS})
class DocumentIn(WithFiles):
    """Fields of a document."""

    def to_draft(self) -> Draft:
        """Convert to the draft, with its recipients as given."""
        own = vars(self)
        attributes = {
            f.attribute: value if type(value := own[f.name]) in _AS_IT_IS else _to_domain(value)
            for f in FIELDS
        }
        type_text = attributes["type_name"]
        attributes["type_name"] = type_name(type_text)
        attributes["type_key"] = type_text if attributes["type_name"] != type_text else None
        attributes["urgency"] = _URGENCIES[attributes["urgency"]]
        return Draft(**attributes)


class MessageIn(DocumentIn):
    """A document to send, or with `"send": false` a draft to store."""

    send: bool = Field(True, description="`false` stores a draft")
    confirm: Confirmed
    undo_seconds: UndoSeconds = 0


class UpdateIn(MessageIn):
    """An update of a sent document (packet type 2): its new data, and the reason."""

    reason: Text = ""
    approved_by: Line | None = None
    information_changed: bool = True
    receivers_added: Chosen
    receivers_removed: Chosen

    def to_change(self, parent: OutgoingDocument) -> DocumentChange:
        changed = bool(self.receivers_added or self.receivers_removed)
        return self.into(DocumentChange, target=parent.document_id, receivers_changed=changed)


class ReplaceIn(MessageIn):
    """A document that replaces a sent one (packet type 3), with the reason."""

    reason: Text = ""
    approved_by: Line | None = None

    def to_change(self, parent: OutgoingDocument) -> DocumentChange:
        return self.into(DocumentChange, replaces=((parent.document_id, ()),))


class RecallIn(RequestModel):
    """Request to cancel a sent document. `notice` sends a recall notice (packet type 1); `take_back` sends
    the bare status 13, for partners that do not support notices."""

    reason: Text = ""
    approved_by: Line | None = Field(None, description="The leader who approved it; required for a notice")
    notice_no: Line | None = Field(None, description="Number of the recall notice; required for a notice")
    form: Literal["notice", "take_back"] = "notice"
    recipients: Chosen


class ResendIn(RequestModel):
    """Recipients to send the same packet to again; default: all to whom sending failed."""

    recipients: Chosen


class FurtherIn(RequestModel):
    """Further recipients of a document that has left."""

    recipients: list[RecipientIn] = Field(min_length=1, max_length=_MOST_RECIPIENTS)
    confirm: Confirmed

    def to_recipients(self) -> tuple[Recipient, ...]:
        return tuple(map(_to_domain, self.recipients))


class SendIn(RequestModel):
    """A draft to send."""

    confirm: Confirmed
    undo_seconds: UndoSeconds = 0


class NothingIn(RequestModel):
    """A call without content."""


def _to_domain(value: Any) -> Any:
    """Convert a value of any field to the domain."""
    if isinstance(value, list):
        return tuple(map(_to_domain, value))
    part = _DOMAIN_TYPES.get(type(value))
    if part is None:
        return value
    return value.into(part, **{name: "" for name in _never_absent(part) if getattr(value, name) is None})


@cache
def _never_absent(part: type[DataclassInstance]) -> Sequence[str]:
    """Return the texts of a part that are empty where nothing is said."""
    return [f.attribute for f in fields_of(part) if f.empty is not None]
