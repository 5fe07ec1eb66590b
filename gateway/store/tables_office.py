"""Tables that only the office reads and writes, and the days of the calendar. They are defined here, because the database
has one schema whichever parts a node runs; their queries are in the office. In: nothing. Out: tables.

A list row's `place` orders rows by time and is never used twice: microseconds since 1970, and twelve bits that keep
documents of the same moment apart. It is the row's number in SQLite's full-text index, and the cursor of a page of a list.
A document that changed has a `list_change` until its list row is written again."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlmodel import Field

from gateway.store.row import DeclaredIndex, OfAgency, Row, ThingOfAgency, index, partial_index, within

# --- lists, search and figures --------------------------------------------------------------------------------------

# The bits of `tabs` for tabs with few documents. The other tabs, such as sent documents, have nearly every row, so that
# reading the whole list is as fast.
RARE_TABS: Final = (1, 4, 8, 16, 32, 64, 128, 256, 1024, 2048, 4096)
SEARCH_INDEX = "ix_list_search"
# Keys of collation are compared byte by byte, also by a server that would sort by the rules of its language.
SORTED = String().with_variant(String(collation="C"), "postgresql")
BIG_INTEGER = BigInteger().with_variant(Integer(), "sqlite")
ATTENTION: Any = text("attention_at IS NOT NULL")  # Any: accepted wherever a condition is
LEAD: Any = text("lead IS NOT NULL")
SENT: Any = text("sent_at IS NOT NULL")
URGENT: Any = text("urgency > 0")
UNREAD: Any = text("unread")
ATTACHED: Any = text("attached")
BARE: Any = text("NOT attached")
UNFAILED: Any = text("failed_at IS NULL")
# One condition for each bit, because a query planner proves that one of several conditions holds, but cannot reason about
# a mask of all the bits.
_FEW_HAVE: Any = text(" OR ".join([*(f"(tabs & {bit}) <> 0" for bit in RARE_TABS), "unread"]))
_FILTERED = ("tabs", "state", "origin", "urgency", "attached")
CONTENT_TABLES: Final = frozenset({"content_text", "content_due", "content_read", "content_state"})
"""Tables that no copy of the database has: the words are read again."""


def in_tab(tab: int) -> Any:  # Any: what `text` gives is accepted wherever a condition is
    """Return the condition that a row is in the tab, as literal SQL without parameters: a database uses a partial index
    only for a query with the same text."""
    return text(f"(tabs & {int(tab)}) <> 0")


def _partial(name: str, condition: Any, *columns: str) -> DeclaredIndex:
    return partial_index(name, condition, "agency_id", "side", *columns)


class ListRow(Row, table=True):
    """One document's row in the office's lists; `card` is JSON for display and never queried."""

    __tablename__ = "list_row"
    __table_args__: ClassVar[Any] = (
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_list_row_agency"),
        UniqueConstraint("agency_id", "id", name="uq_list_row_id"),
        # The index includes the columns for counts and filters, so that rows which a list does not show are not read.
        index("ix_list_row_place", "agency_id", "side", "place", *_FILTERED),
        index("ix_list_row_number", "agency_id", "side", "number_key", "place"),
        index("ix_list_row_party", "agency_id", "side", "party_key", "place"),
        index("ix_list_row_issued", "agency_id", "side", "issued_on", "place"),
        index("ix_list_row_type", "agency_id", "side", "type_key", "place"),
        index("ix_list_row_book", "agency_id", "side", "book", "place"),
        _partial("ix_list_row_attention", ATTENTION, "lead", "place", "attention_at", *_FILTERED),
        _partial("ix_list_row_sent", SENT, "sent_at", "state"),
        _partial("ix_list_row_few", _FEW_HAVE, "place", "tabs", "urgency", "unread"),
    )

    place: int = Field(sa_column=Column(BIG_INTEGER, primary_key=True, autoincrement=False))
    agency_id: str
    id: str
    side: str
    at: datetime
    state: str
    own_state: str
    tabs: int
    urgency: int
    issued_on: date | None = None
    due_at: datetime | None = None
    attention_at: datetime | None = None
    lead: int | None = Field(default=None, sa_column=Column(BIG_INTEGER))
    sent_at: datetime | None = None
    latest_at: datetime | None = None
    attached: bool
    origin: str | None = None
    book: str | None = None
    unread: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=false()))
    number_key: str = Field(sa_column=Column(SORTED, nullable=False))
    party_key: str = Field(sa_column=Column(SORTED, nullable=False))
    type_key: str = Field(sa_column=Column(SORTED, nullable=False))
    folded: str = Field(sa_type=Text)
    card: str = Field(sa_type=Text)


class ListChangeRow(ThingOfAgency, table=True):
    """Mark that a document's list row is older than the document. The unit of work that changes the document writes it; it
    is deleted when the list row is written again."""

    side: str
    document_id: str


class ListDayRow(OfAgency, table=True):
    """An agency's figures of one day on a Vietnamese calendar, computed again while that day's deliveries still change."""

    day: date = Field(primary_key=True)
    made_at: datetime
    body: str = Field(sa_type=Text)


class ListFillRow(OfAgency, table=True):
    """Progress of filling the lists: documents of one side have list rows up to this one, the oldest first."""

    side: str = Field(primary_key=True)
    at: datetime
    id: str
    done: bool


# --- words of files, for searching ----------------------------------------------------------------------------------


class ContentTextRow(Row, table=True):
    """Words of one page of a file. `place` orders pages within their agency, the newest document highest and its first
    page before the others; it is the page's number in SQLite's full-text index. `folded` is searched, `text` is shown."""

    __table_args__ = (
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_content_text_agency"),
        UniqueConstraint("agency_id", "document_id", "n", "page", name="uq_content_text_page"),
    )

    place: int = Field(sa_column=Column(BIG_INTEGER, primary_key=True, autoincrement=False))
    agency_id: str
    document_id: str
    n: int
    page: int
    folded: str = Field(sa_type=Text)
    text: str = Field(sa_type=Text)


class ContentDueRow(OfAgency, table=True):
    """Mark that a document's files are to be read. `place` is that of its list row; `tries` counts the readings begun, so
    that a file which stops the node is not tried for ever."""

    __table_args__ = (index("ix_content_due_place", "place"),)

    document_id: str = Field(primary_key=True)
    side: str
    place: int = Field(sa_column=Column(BIG_INTEGER, nullable=False))
    not_before: datetime
    tries: int = 0


class ContentReadRow(OfAgency, table=True):
    """Result of reading one file of a document."""

    document_id: str = Field(primary_key=True)
    n: int = Field(primary_key=True)
    reading: str
    at: datetime


class ContentStateRow(Row, table=True):
    """State of the words as a whole. `fill`: documents with a list row below this place have no mark yet. `traces`: on
    SQLite, how far the index is rewritten since words were removed; there is none when nothing of them is left."""

    name: str = Field(primary_key=True)
    place: int = Field(sa_column=Column(BIG_INTEGER, nullable=False))


# --- values that pages keep for the next pages ----------------------------------------------------------------------


class KeepingRow(Row, table=True):
    """Value that a page keeps for the session's later pages. `body` is base64, as backups hold only texts and numbers."""

    __tablename__ = "page_keeping"
    __table_args__ = (
        index("ix_page_keeping_session", "session_id", "at"),
        index("ix_page_keeping_until", "until"),
    )

    key: str = Field(primary_key=True)
    session_id: str
    body: str = Field(sa_type=Text)
    at: datetime
    until: datetime


# --- saved views ----------------------------------------------------------------------------------------------------


class SavedViewRow(OfAgency, table=True):
    """A person's saved list view. `folded` is the name without accents and case: names that read the same are one.
    `is_first` is unused: it marked the view that a list opened with."""

    person_id: str = Field(primary_key=True)
    side: str = Field(primary_key=True)
    folded: str = Field(primary_key=True)
    name: str
    query: str = Field(sa_type=Text)
    is_first: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=false()))
    saved_at: datetime


# --- notification settings of a person -----------------------------------------------------------------------------


class NotificationSettingsRow(OfAgency, table=True):
    """Notification settings of one person. `muted` is a JSON list of the kinds that the person does not get."""

    __tablename__ = "own_desk"

    person_id: str = Field(primary_key=True)
    read_until: datetime | None = None
    muted: str | None = Field(default=None, sa_type=Text)
    toured_at: datetime | None = None


# --- an agency's own labels -----------------------------------------------------------------------------------------


class TagRow(ThingOfAgency, table=True):
    """A label of the agency. `folded` is the name without accents and case, so two names that read the same are one."""

    __table_args__ = (UniqueConstraint("agency_id", "folded", name="uq_tag_name"),)

    folded: str
    name: str
    made_by: str
    made_at: datetime


class TagMarkRow(Row, table=True):
    __table_args__ = (
        ForeignKeyConstraint(["agency_id", "tag_id"], ["tag.agency_id", "tag.id"], name="fk_tag_mark_tag"),
        index("ix_tag_mark_document", "agency_id", "document_id"),
    )

    agency_id: str = Field(primary_key=True)
    tag_id: str = Field(primary_key=True)
    document_id: str = Field(primary_key=True)
    side: str
    marked_by: str
    marked_at: datetime


class OfficeRuleRow(ThingOfAgency, table=True):
    """Rule of the agency for incoming letters; `condition` and `acts` are JSON."""

    __tablename__ = "office_rule"

    name: str
    position: int
    condition: str = Field(sa_type=Text)
    acts: str = Field(sa_type=Text)
    made_by: str
    made_at: datetime
    is_on: bool
    tried_at: datetime | None = None
    tried_count: int


# --- notices of stops and incidents ---------------------------------------------------------------------------------


class NoticeRow(Row, table=True):
    """Notice of a stop or an incident; `wish` is the notice as requested (JSON)."""

    __table_args__ = (index("ix_notice_published_at", "published_at"),)

    id: str = Field(primary_key=True)
    wish: str = Field(sa_type=Text)
    published_at: datetime
    published_by: str
    closed_at: datetime | None = None
    closed_by: str = ""


# --- recalls that the head decides ----------------------------------------------------------------------------------


class RecallAskRow(ThingOfAgency, table=True):
    """Request to the head for a recall; `recipients` is a JSON list of codes."""

    __table_args__ = (
        within("recall_ask", "document_id", "outgoing_document"),
        index("ix_recall_ask_document", "agency_id", "document_id"),
        index("ix_recall_ask_state", "agency_id", "state", "asked_at"),
    )

    document_id: str
    reason: str = Field(sa_type=Text)
    notice_no: str
    take_back: bool = Field(sa_column=Column(Boolean, nullable=False))
    recipients: str = Field(sa_type=Text)
    asked_by: str
    asked_at: datetime
    asked_for: str | None = None
    state: str
    decided_by: str | None = None
    decided_for: str | None = None
    decided_at: datetime | None = None
    why: str = Field(default="", sa_type=Text)
    result: str | None = None


# --- documents submitted to a leader --------------------------------------------------------------------------------


class SubmissionRow(ThingOfAgency, table=True):
    __table_args__ = (
        within("submission", "document_id", "incoming_document"),
        index("ix_submission_document", "agency_id", "document_id"),
        index("ix_submission_state", "agency_id", "state", "asked_at"),
    )

    document_id: str
    leader: str
    note: str = Field(sa_type=Text)
    asked_by: str
    asked_at: datetime
    state: str
    decided_by: str | None = None
    decided_at: datetime | None = None
    opinion: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})


# --- acts that can still be undone -----------------------------------------------------------------------------------


class PendingActRow(OfAgency, table=True):
    """Act on an incoming document that a person may still undo: a document has one at most. `act_values` is JSON. One that
    failed when it was due keeps its reason until a person looks at it."""

    __table_args__ = (
        within("pending_act", "document_id", "incoming_document"),
        partial_index("ix_pending_act_due", UNFAILED, "due_at"),
    )

    document_id: str = Field(primary_key=True)
    id: str
    kind: str
    act_values: str = Field(sa_type=Text)
    version: int
    person_id: str
    made_at: datetime
    due_at: datetime
    failed_at: datetime | None = None
    fault: str = Field(default="", sa_column_kwargs={"server_default": ""})


# --- comments on an incoming document, between the persons of the agency who may read it --------------------------------


class LetterCommentRow(ThingOfAgency, table=True):
    """A comment; it stays in the agency and is deleted with the content of its document."""

    __table_args__ = (
        within("letter_comment", "document_id", "incoming_document"),
        index("ix_letter_comment_document", "agency_id", "document_id", "at"),
        index("ix_letter_comment_at", "agency_id", "at"),
    )

    document_id: str
    person_id: str
    at: datetime
    text: str = Field(sa_type=Text)


class LetterSeenRow(OfAgency, table=True):
    """A person who saw a document: when first, and until when its comments were read."""

    __table_args__ = (
        within("letter_seen", "document_id", "incoming_document"),
        index("ix_letter_seen_person", "agency_id", "person_id"),
    )

    document_id: str = Field(primary_key=True)
    person_id: str = Field(primary_key=True)
    at: datetime
    read_until: datetime


# --- signing in; these tables have digests, never a usable secret ---------------------------------------------------


class SessionRow(Row, table=True):
    """A browser session. `digest` is the SHA-256 of the token in the browser's cookie; `id` is shown to people."""

    __table_args__ = (
        ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_session_person"),
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_session_agency"),
        UniqueConstraint("id", name="uq_session_id"),
        index("ix_session_person", "person_id", "ended_at"),
        index("ix_session_ends", "ends_at"),
    )

    digest: str = Field(primary_key=True)
    id: str
    person_id: str
    agency_id: str | None = None
    factor: str
    began_at: datetime
    seen_at: datetime
    ends_at: datetime
    address: str
    agent: str
    ended_at: datetime | None = None
    ended_why: str | None = None


class SignInTryRow(Row, table=True):
    """Failed sign-ins by `key`, the digest of an address or of a typed name; the name may be unknown."""

    __table_args__ = (index("ix_sign_in_try_last", "last_at"),)

    key: str = Field(primary_key=True)
    failures: int
    last_at: datetime


class PasswordPastRow(Row, table=True):
    __table_args__ = (ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_password_past_person"),)

    person_id: str = Field(primary_key=True)
    at: datetime = Field(primary_key=True)
    hashed: str = Field(sa_type=Text)


class RecoveryCodeRow(Row, table=True):
    __table_args__ = (ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_recovery_code_person"),)

    person_id: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    used_at: datetime | None = None


# --- roles of persons; a post of the node itself has an empty agency ------------------------------------------------


class PostRow(Row, table=True):
    """Post of a person: a role in an agency, or in the whole node. Then `agency_id` is empty, so it is no foreign key."""

    __table_args__ = (
        ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_post_person"),
        index("ix_post_agency", "agency_id", "role"),
    )

    person_id: str = Field(primary_key=True)
    agency_id: str = Field(primary_key=True)
    role: str = Field(primary_key=True)
    unit: str = ""
    given_by: str
    given_at: datetime
    until: datetime | None = None


class UnitRow(ThingOfAgency, table=True):
    """A unit of an agency. `name_key` is its name without accents and case, `former` a JSON list of earlier names."""

    __table_args__ = (UniqueConstraint("agency_id", "name_key", name="uq_unit_name"),)

    name: str
    name_key: str
    parent_id: str | None = None
    position: int = 0
    former: str = Field(default="[]", sa_type=Text, sa_column_kwargs={"server_default": "[]"})
    closed_at: datetime | None = None


class UnitPartRow(ThingOfAgency, table=True):
    """A unit's part in an incoming document. `unit` is the unit's name as written, `unit_key` its form for comparing. With
    `person_id` it is that person's part, with `is_informed` it is for information alone."""

    __table_args__ = (
        within("unit_part", "document_id", "incoming_document"),
        index("ix_unit_part_document", "agency_id", "document_id"),
        index("ix_unit_part_state", "agency_id", "state", "unit_key", "deadline"),
    )

    document_id: str
    unit: str
    unit_key: str
    is_lead: bool
    deadline: date | None = None
    given_by: str
    given_at: datetime
    state: str
    ended_by: str | None = None
    ended_at: datetime | None = None
    why: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})
    person_id: str | None = None
    is_informed: bool = Field(
        default=False, sa_column=Column(Boolean, nullable=False, server_default=false())
    )


class DelegationRow(ThingOfAgency, table=True):
    __table_args__ = (
        index("ix_delegation_to", "to_id", "ends_at"),
        index("ix_delegation_made", "agency_id", "made_at", "id"),
    )

    from_id: str
    to_id: str
    made_at: datetime
    ends_at: datetime
    body: str = Field(sa_type=Text)


class MailboxRow(OfAgency, table=True):
    """A mailbox. Its name is unique in the node, and no person can sign in with it."""

    __table_args__ = (index("uq_mailbox_name", "name", unique=True),)

    name: str = Field(primary_key=True)
    role: str
    made_by: str
    made_at: datetime
    closed_at: datetime | None = None


class CalendarDayRow(Row, table=True):
    day: date = Field(primary_key=True)
    kind: str
    name: str
    set_at: datetime


class TaskNoteRow(OfAgency, table=True):
    """Notes of people on a task. The task itself is not stored; it is computed each time."""

    task: str = Field(primary_key=True)
    owner: str | None = None
    snoozed_until: datetime | None = None
    closed_at: datetime | None = None
    note: str = Field(sa_type=Text)
    noted_by: str
    noted_at: datetime


class ReminderRow(OfAgency, table=True):
    """Record of a reminder, so that it is not sent again after a restart or by another process. `leased_until`: a process
    is sending it in the mail of this id; none once the server has it."""

    __table_args__ = (index("ix_reminder_at", "at"),)

    key: str = Field(primary_key=True)
    at: datetime
    mail: str | None = None
    leased_until: datetime | None = None


class WorkFileRow(ThingOfAgency, table=True):
    """File of records; `kind` decides when it has to be in the archive once it is closed."""

    __table_args__ = (
        index("uq_work_file_code", "agency_id", "code", unique=True),
        index("ix_work_file_year", "agency_id", "year", "code"),
        partial_index("ix_work_file_open", text("archived_on IS NULL"), "agency_id", "closed_on"),
    )

    code: str
    title: str = Field(sa_type=Text)
    kind: str
    year: int = Field(sa_column_kwargs={"server_default": "0"})
    opened_on: date | None = None
    closed_on: date | None = None
    owner: str
    archived_on: date | None = None
    retention: str | None = None
    listed_by: str | None = None
    listed_on: date | None = None


class FileMemberRow(Row, table=True):
    """Document in a file of records."""

    __table_args__ = (
        within("file_member", "file_id", "work_file"),
        index("ix_file_member_document", "agency_id", "document_id"),
        index("ix_file_member_partner", "agency_id", "partner", "file_id"),
    )

    agency_id: str = Field(primary_key=True)
    file_id: str = Field(primary_key=True)
    document_id: str = Field(primary_key=True)
    partner: str
    symbol: str
    by: str
    at: datetime


class HandOverRow(ThingOfAgency, table=True):
    """Package of a file of records for the historical archive, and the archive's answer."""

    __table_args__ = (
        within("hand_over", "file_id", "work_file"),
        index("ix_hand_over_file", "agency_id", "file_id", "at"),
    )

    file_id: str
    code: str
    target: str = Field(sa_type=Text)
    sha256: str
    size: int = Field(sa_type=BigInteger)
    documents: int
    files: int
    by: str
    at: datetime
    state: str
    receipt: str | None = None
    answered_on: date | None = None
    note: str | None = Field(default=None, sa_type=Text)
    noted_by: str | None = None
    noted_at: datetime | None = None


class DocumentLinkRow(OfAgency, table=True):
    """Link that a person recorded from a document to another one."""

    __table_args__ = (index("ix_document_link_target", "agency_id", "target_id"),)

    document_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    target_id: str = Field(primary_key=True)
    by: str
    at: datetime


class RetentionTableRow(ThingOfAgency, table=True):
    """Table of retention as it was imported; the newest one counts."""

    __table_args__ = (index("ix_retention_table_at", "agency_id", "at", "id"),)

    at: datetime
    body: str = Field(sa_type=Text)


class NodeReminderRow(Row, table=True):
    """Record of a reminder of operators, which belongs to no agency."""

    __table_args__ = (index("ix_node_reminder_at", "at"),)

    key: str = Field(primary_key=True)
    at: datetime
    mail: str | None = None
    leased_until: datetime | None = None
