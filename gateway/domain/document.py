"""Documents of an agency: the draft that it hands in, the outgoing document with its deliveries, and the incoming
document. Frozen values; `dataclasses.replace` makes a changed one. The forms on the wire are in `edxml.envelope`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum
from typing import Annotated

from gateway.domain.enums import ValueAtHand
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.signatures import FileVerdict, LegalValue
from gateway.domain.states import CODES, DECIDED

Day = date  # in a class with a field `date`, the type needs another name to be found at run time


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Rule of a field beside its type and its default: one row of the table of fields (`domain.fields`).

    `longest`: the most characters of a text, or of each text of a list. `is_required`: needed for sending. `lines`: line
    feeds and tabs are allowed. `without`: forbidden characters. `plain_digits`: ASCII digits only. `least` and
    `most`: limits of a number, or of the number of entries in a list. `api`: its name for programs, if different.
    `wire`: the path of its element below that of its part, starting from `MessageHeader`. `says`: its description for
    programs. `in_form`: people type it on a line of the form. `is_echoed`: answers about a document repeat it."""

    longest: int = 0
    is_required: bool = False
    lines: bool = False
    without: str = ""
    plain_digits: bool = False
    least: int = 0
    most: int = 0
    api: str = ""
    wire: str = ""
    says: str | None = None
    in_form: bool = False
    is_echoed: bool = False


_THREE_DIGITS = 999
"""PageAmount and PromulgationAmount have at most three digits on the wire."""


class Kind(ValueAtHand, StrEnum):
    """Kind of a packet; the values are those of `gw:Kind` and of the transport's type."""

    DOCUMENT = "edoc"
    UPDATE = "update"
    RECALL = "recall"
    REPLACEMENT = "replace"
    STATUS = "status"

    @property
    def is_whole(self) -> bool:
        """True for a document of its own, false for a packet about another document."""
        return self in (Kind.DOCUMENT, Kind.REPLACEMENT)

    @property
    def asks(self) -> bool:
        """True for a packet that asks for an answer about a document that was sent."""
        return self in (Kind.RECALL, Kind.UPDATE)


class Urgency(ValueAtHand, IntEnum):
    NORMAL = 0
    URGENT = 1
    VERY_URGENT = 2
    EXPRESS = 3
    TIMED_EXPRESS = 4

    @property
    def key(self) -> str:
        return URGENCY_KEYS[self]

    @property
    def lane(self) -> Lane:
        return Lane.URGENT if self > Urgency.NORMAL else Lane.NORMAL


URGENCY_KEYS = {
    Urgency.NORMAL: "thuong",
    Urgency.URGENT: "khan",
    Urgency.VERY_URGENT: "thuong_khan",
    Urgency.EXPRESS: "hoa_toc",
    Urgency.TIMED_EXPRESS: "hoa_toc_hen_gio",
}


class Lane(ValueAtHand, StrEnum):
    """Queue of the axis: an urgent document never waits behind a bulk send (R46, urgent lane)."""

    NORMAL = "normal"
    URGENT = "urgent"


class RecipientRole(ValueAtHand, StrEnum):
    TO_ACT = "to_act"
    TO_COORDINATE = "to_coordinate"
    TO_KNOW = "to_know"
    TO_REPORT = "to_report"


class DeliveryMode(ValueAtHand, StrEnum):
    """Way to the recipients. `BOTH` is sent over the axis and on paper; `PAPER` never goes over the axis (R6)."""

    ELECTRONIC = "electronic"
    BOTH = "both"
    PAPER = "paper"


class FileRole(ValueAtHand, StrEnum):
    LEAD = "lead"
    SOURCE = "source"
    APPENDIX = "appendix"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Agency that the document is for. As written by the caller: a code, or a name with its parent's code. As resolved:
    the code of today, with `given` and `mapped_by` where the caller wrote another one."""

    code: Annotated[str, Rule(longest=75)] = ""
    name: Annotated[str | None, Rule(longest=200)] = None
    parent: Annotated[str | None, Rule(longest=75)] = None
    role: RecipientRole = RecipientRole.TO_ACT
    given: str | None = None
    mapped_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileItem:
    """File of an outgoing document, with facts about its bytes."""

    n: int
    name: str
    role: FileRole
    content_type: str
    size: int
    sha256: Digest
    pages: int | None = None
    scanned_clean: bool = False
    """Whether a malware scanner examined it on arrival and found nothing."""

    stamped: bool = False
    """Whether a stamp of secrecy was found on its first page, when it came as the lead file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    name: Annotated[str, Rule(longest=50, is_required=True, wire="FullName")]
    title: Annotated[str | None, Rule(longest=100, wire="Position")] = None
    competence: Annotated[str | None, Rule(longest=100, wire="Competence")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """Person of an agency, as statuses and business headers name one."""

    name: Annotated[str | None, Rule(longest=200)] = None
    department: Annotated[str | None, Rule(longest=200)] = None
    phone: Annotated[str | None, Rule(longest=20)] = None
    email: Annotated[str | None, Rule(longest=100)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCode:
    """Code of the file of records that a document belongs to."""

    organ: Annotated[str, Rule(longest=75)]
    year: int
    notation: Annotated[str, Rule(longest=20)]

    def __str__(self) -> str:
        return f"{self.organ}.{self.year}.{self.notation}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyLink:
    """Reference to the document that this one answers."""

    agency: Annotated[str, Rule(longest=75, is_required=True)]
    number: Annotated[str, Rule(longest=42, is_required=True)]
    date: Day
    document_id: Annotated[DocumentId | None, Rule(longest=255)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentChange:
    """Data of an update, recall or replacement beside the document itself. On the wire, one text holds the reason with
    the number of the notice and the approver's name (`notice_words`)."""

    reason: Annotated[str, Rule(longest=300, is_required=True, lines=True)]
    target: DocumentId | None = None
    approved_by: Annotated[str | None, Rule(longest=100)] = None
    notice_no: Annotated[str | None, Rule(longest=42)] = None
    information_changed: bool = True
    receivers_changed: bool = False
    receivers_added: Annotated[tuple[str, ...], Rule(longest=75, most=1000)] = ()
    receivers_removed: Annotated[tuple[str, ...], Rule(longest=75, most=1000)] = ()
    replaces: tuple[tuple[DocumentId, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Metadata that an agency hands in with its files, in the order of the API. A missing value is empty or None until
    `policy.outgoing` reports it; it is never filled in."""

    external_id: Annotated[
        str | None, Rule(longest=200, says="The caller's own id; permanently unique per agency")
    ] = None
    number: Annotated[
        str,
        Rule(
            longest=11, is_required=True, without=",", plain_digits=True, wire="Code/CodeNumber", in_form=True
        ),
    ] = ""
    symbol: Annotated[
        str,
        Rule(
            longest=30,
            is_required=True,
            without=",",
            plain_digits=True,
            wire="Code/CodeNotation",
            in_form=True,
        ),
    ] = ""
    issued_on: Annotated[
        date | None, Rule(api="date", wire="PromulgationInfo/PromulgationDate", in_form=True)
    ] = None
    type_name: Annotated[
        str,
        Rule(
            longest=100,
            is_required=True,
            api="type",
            wire="DocumentType/TypeName",
            says="Key of /codes (`cong_van`), or the name of the type as printed",
        ),
    ] = ""
    type_key: str | None = None
    subject: Annotated[str, Rule(longest=500, is_required=True, lines=True, wire="Subject")] = ""
    urgency: Annotated[Urgency, Rule(most=4, wire="OtherInfo/Priority")] = Urgency.NORMAL
    secrecy: Annotated[
        str, Rule(says="Only `none` is accepted; any other value is refused and not stored")
    ] = "none"
    category: Annotated[
        str | None, Rule(longest=200, says="Kind of content, if the sender declares it (R3)")
    ] = None
    signer: Annotated[Signer | None, Rule(wire="SignerInfo")] = None
    signed_at: Annotated[datetime | None, Rule(says="Time of signing; never guessed", in_form=True)] = None
    pages: Annotated[
        int | None, Rule(least=1, most=_THREE_DIGITS, wire="OtherInfo/PageAmount", in_form=True)
    ] = None
    delivery_mode: Annotated[
        DeliveryMode | None,
        Rule(says="If absent, the class of the document decides; `paper` never goes over the axis"),
    ] = None
    """Where the sender states none, the mode of the document's class (`policy.outgoing`); always set on an accepted
    document."""
    file_code: Annotated[FileCode | None, Rule()] = None
    reply_required: Annotated[bool | None, Rule(says="Required to send (R53)")] = None
    reply_due: Annotated[date | None, Rule(wire="DueDate", in_form=True)] = None
    replies_to: Annotated[tuple[ReplyLink, ...], Rule(most=100)] = ()
    recipients: Annotated[tuple[Recipient, ...], Rule(most=1000)] = ()
    """Limit of one envelope; more recipients need several documents."""
    labels: Annotated[tuple[str, ...], Rule(longest=200, most=100, is_echoed=True)] = ()
    callback_data: Annotated[
        str | None, Rule(longest=20_000, lines=True, says="Stored and returned unchanged", is_echoed=True)
    ] = None
    content: Annotated[str | None, Rule(longest=500, lines=True, wire="Content")] = None
    place: Annotated[str | None, Rule(longest=50, wire="PromulgationInfo/Place", in_form=True)] = None
    due_at: Annotated[datetime | None, Rule(says="With urgency `hoa_toc_hen_gio`", in_form=True)] = None
    to_places: Annotated[tuple[str, ...], Rule(longest=150, most=500, wire="ToPlaces/Place")] = ()
    appendixes: Annotated[
        tuple[str, ...], Rule(longest=500, most=200, wire="OtherInfo/Appendixes/Appendix")
    ] = ()
    copies: Annotated[
        int | None, Rule(most=_THREE_DIGITS, wire="OtherInfo/PromulgationAmount", in_form=True)
    ] = None
    sphere: Annotated[str | None, Rule(longest=100, wire="OtherInfo/SphereOfPromulgation")] = None
    drafter: Annotated[str | None, Rule(longest=10, wire="OtherInfo/TyperNotation")] = None
    staff: Annotated[Staff | None, Rule()] = None

    @property
    def code(self) -> str:
        """Number and symbol as printed: number / notation; the notation alone while there is no number."""
        return f"{self.number}/{self.symbol}" if self.number else self.symbol


class OutState(ValueAtHand, StrEnum):
    """State of an outgoing document itself, beside the states of its deliveries."""

    DRAFT = "draft"
    BLOCKED = "blocked"
    QUEUED = "queued"
    PACKED = "packed"
    PAPER = "paper"
    """Accepted, but never sent over the axis: a person hands it over."""
    CANCELLED = "cancelled"


STANDING = (OutState.QUEUED, OutState.PACKED, OutState.PAPER)
"""States of a document that was issued and has not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """Destruction of a document's content: its act, the decision's number and day, and when the content left the node."""

    act: str
    decision: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingDocument:
    """Entry of the outgoing book, or a packet (update, recall, replacement) about one."""

    id: str
    agency_id: str
    kind: Kind
    packet_id: PacketId
    document_id: DocumentId
    draft: Draft
    files: tuple[FileItem, ...]
    state: OutState
    created_at: datetime
    accepted_by: str
    attempt: int = 1
    version: int = 1
    parent_id: str | None = None
    change: DocumentChange | None = None
    state_reason: str | None = None
    envelope_digest: Digest | None = None
    body_digest: Digest | None = None
    envelope_size: int | None = None
    packed_at: datetime | None = None
    content_digest: str | None = None
    is_sealed: bool = False
    legal_value: LegalValue | None = None
    signatures: tuple[FileVerdict, ...] = ()
    leaves_at: datetime | None = None
    """It can be called back until then, and is not packed before."""
    doubts: tuple[tuple[str, str], ...] = ()
    """Fields of a draft that were read from its file and are not confirmed yet, each with the reason for the doubt."""

    from_file: tuple[str, ...] = ()
    """Fields of a draft that are still as they were read from its file."""

    destroyed: Tombstone | None = None

    @property
    def lead_verdict(self) -> FileVerdict | None:
        """Verdict on the signatures of the lead file; None where it is no PDF."""
        n = next((file.n for file in self.files if file.role is FileRole.LEAD), None)
        return next((verdict for verdict in self.signatures if verdict.n == n), None)

    @property
    def reply_by(self) -> date | None:
        """Day on which the recipients' answer is due; None where no answer is required."""
        return self.draft.reply_due if self.kind.is_whole and self.draft.reply_required is True else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Delivery of one outgoing document to one recipient. `state` caches the standing of its facts (`domain.status`)."""

    id: str
    agency_id: str
    document_id: str
    recipient: Recipient
    attempt: int
    state: str
    updated_at: datetime
    marks: tuple[str, ...] = ()
    register_no: str | None = None
    """Arrival number that its receiver reported. Its year is in `register_year`."""
    register_year: int | None = None


class Source(ValueAtHand, StrEnum):
    """Source of an incoming document (R43, any source): the axis, or entry by hand."""

    AXIS = "axis"
    EMAIL = "email"
    PAPER = "paper"
    OTHER = "other-system"


class InState(ValueAtHand, StrEnum):
    """State of an incoming document."""

    NEW = "new"
    HELD = "held"
    ACCEPTED = CODES["03"].key
    ASSIGNED = CODES["04"].key
    PROCESSING = CODES["05"].key
    DONE = CODES["06"].key
    REJECTED = CODES["02"].key
    RECALLED = "recalled"
    REPLACED = "replaced"
    SEALED = "sealed"

    # A code that nothing here names gives a state too.
    for _key in sorted(DECIDED - {*vars().values()}):
        vars()[_key.upper()] = _key


UNDECIDED = (InState.NEW, InState.HELD)
"""States of a document that waits for a decision."""
WORKED_ON = (InState.ACCEPTED, InState.ASSIGNED, InState.PROCESSING)
UNREADABLE = (InState.RECALLED, InState.SEALED)
"""States of a document whose files and envelope nothing may read."""

PAPER_COPY, AXIS_COPY = "paper_copy", "axis_copy"
"""Mark of a document from the axis, and of one entered by hand: there is a copy of the other source, with the number in
the mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingFile:
    """File of an incoming document: the place of its bytes, and facts about the decoded ones."""

    n: int
    name: str
    content_type: str
    size: int
    sha256: Digest
    source: Digest
    offset: int
    length: int
    coding: str
    role: FileRole | None = None
    pages: int | None = None
    found_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDeadline:
    """Deadline of one coordinating unit, where it differs from the assignment's."""

    unit: str
    deadline: date


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPerson:
    """A person of a unit, by id, who has the unit's part of an assignment."""

    unit: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Informed:
    """A unit, or a person of it by id, that sees a document and has no work on it."""

    unit: str
    person: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Units that handle a document. Each person of a unit in `persons` has a part; a unit without such persons has one part
    for the unit. The person whose part leads is the first of the leading unit."""

    lead_unit: Annotated[str, Rule(longest=200)]
    coordinating_units: Annotated[tuple[str, ...], Rule(longest=200)] = ()
    deadline: date | None = None
    instruction: Annotated[str | None, Rule(longest=2000, lines=True)] = None
    deadlines: tuple[UnitDeadline, ...] = ()
    persons: tuple[UnitPerson, ...] = ()
    informed: tuple[Informed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherProof:
    """The same document in another envelope, from another axis (A9, several axes). `signature` is the word of its
    signature check."""

    inbox_id: str
    axis: str
    envelope_digest: Digest
    signature: str
    arrived_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingDocument:
    """Admitted document, without an arrival number until it is registered (03). `axes` are the axes that brought it, the
    first one first; `proofs` are further envelopes of it."""

    id: str
    agency_id: str
    inbox_id: str
    kind: Kind
    sender_code: str
    sender_name: str | None
    document_id: DocumentId
    packet_id: PacketId | None
    attempt: int
    number: str
    symbol: str
    issued_on: date | None
    type_name: str | None
    subject: str
    signer: Signer | None
    urgency: Urgency
    due_on: date | None
    body_digest: Digest
    envelope_digest: Digest
    envelope_size: int
    vouched_by: str
    arrived_at: datetime
    state: InState
    files: tuple[IncomingFile, ...] = ()
    signed_at: datetime | None = None
    pages: int | None = None
    reply_required: bool | None = None
    delivery_mode: DeliveryMode | None = None
    role: RecipientRole | None = None
    replies_to: tuple[ReplyLink, ...] = ()
    answers: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    assignment: Assignment | None = None
    register_no: str | None = None
    register_year: int | None = None
    replaced_by: str | None = None
    target_id: str | None = None
    change: DocumentChange | None = None
    marks: tuple[str, ...] = ()
    version: int = 1
    checks: dict[str, str] = field(default_factory=dict)
    legal_value: LegalValue | None = None
    signatures: tuple[FileVerdict, ...] = ()
    source: Source = Source.AXIS
    answered_by: tuple[str, ...] = ()
    """Ids of our documents that answer it."""
    due_at: datetime | None = None
    """Stated hour of a timed express letter."""
    axes: tuple[str, ...] = ()
    proofs: tuple[OtherProof, ...] = ()
    destroyed: Tombstone | None = None

    @property
    def code(self) -> str:
        """Number and symbol as printed, without a slash where one is missing."""
        return "/".join(part for part in (self.number, self.symbol) if part)

    @property
    def is_readable(self) -> bool:
        """True while its files and its envelope may be read."""
        return self.state not in UNREADABLE and self.destroyed is None

    @property
    def wants_reply(self) -> bool:
        """True while its sender waits for an answer that is still due."""
        return self.reply_required is True and not self.answered_by and self.state in UNDECIDED + WORKED_ON

    @property
    def lead(self) -> IncomingFile | None:
        """File that its sender marks as the lead, else the first."""
        leads = [file for file in self.files if file.role is FileRole.LEAD]
        return next(iter(leads or self.files), None)


Document = OutgoingDocument | IncomingDocument
