"""Tables of the agencies' rows. What the rows mean is described in `domain`, and the module of each repository has their
queries. Tables of the node itself are in `tables_node`, those of the office in `tables_office`; importing this module
loads the whole schema.

The key of every tenant table starts with `agency_id`, and its foreign keys too, so that no row can refer to another
agency. A column `body` has the whole domain value as JSON; the other columns are for queries."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    LargeBinary,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlmodel import Field

from gateway.store import tables_figures, tables_node, tables_office, tables_records  # noqa: F401 - the rest of the schema
from gateway.store.row import OfAgency, Row, ThingOfAgency, index, partial_index, within

_WANTS_REPLY = text("reply_by IS NOT NULL")
_RETURNED = text("state IN ('failed', 'rejected')")
_MARKED = text("marks <> '[]'")
_IS_REQUEST = text("track = 'request' AND code = 'asked'")
_HAS_COUNT = text("count > 0")
# Large content as a file in the folder, and as an object in a bucket.
_IN_FOLDER = text("body IS NULL AND object_name IS NULL")
_IN_BUCKET = text("object_name IS NOT NULL")
_OWNED = text("agency_id IS NOT NULL")
MAY_BE_FREE = text("state IN ('free', 'reserved')")
HAS_SUBJECT = text("subject_id <> ''")
# Filler of `BlobRow.head`, longer than the part of an overflowing row that SQLite keeps on the row's own page.
HEAD = bytes(1_000)
_WAITS = text("handed_over IS NULL")
_IS_WAITING = text("state = 'waiting'")


def _key() -> Any:  # Any: Field() gives whatever type the annotation beside it names
    return Field(primary_key=True)


class OutgoingRow(ThingOfAgency, table=True):
    """One outgoing document. `external_id` is NULL for a child packet that only carries its parent's draft; `lead` is the
    digest of the lead file; `own_id` is the sending system's id; `trace` is the trace of the API call that made it;
    `number_word` is the same for all spellings of a number. `type_name` is NULL in
    rows that were written before there was such a column."""

    __tablename__ = "outgoing_document"
    __table_args__ = (
        within("outgoing_document", "parent_id", "outgoing_document"),
        UniqueConstraint("agency_id", "external_id", name="uq_outgoing_external_id"),
        UniqueConstraint("agency_id", "packet_id", name="uq_outgoing_packet_id"),
        index("ix_outgoing_created", "agency_id", "created_at", "id"),
        index("ix_outgoing_state", "agency_id", "state", "created_at"),
        index("ix_outgoing_document_id", "agency_id", "document_id"),
        index("ix_outgoing_parent", "agency_id", "parent_id"),
        index("ix_outgoing_issued", "agency_id", "issued_on", "id"),
        index("ix_outgoing_number", "agency_id", "number", "symbol"),
        index("ix_outgoing_word", "agency_id", "number_word", "issued_on"),
        index("ix_outgoing_lead", "agency_id", "lead", "created_at", "id"),
        partial_index("ix_outgoing_own_id", text("own_id IS NOT NULL"), "agency_id", "own_id"),
        partial_index("ix_outgoing_reply_by", _WANTS_REPLY, "agency_id", "reply_by"),
    )

    kind: str
    packet_id: str
    document_id: str
    parent_id: str | None = None
    external_id: str | None = None
    state: str
    number: str
    symbol: str
    issued_on: date | None = None
    created_at: datetime
    version: int
    folded: str = Field(sa_type=Text)
    body: str = Field(sa_type=Text)
    lead: str = ""
    own_id: str | None = None
    trace: str | None = None
    reply_by: date | None = None
    type_name: str | None = None
    number_word: str = Field(default="", sa_column_kwargs={"server_default": ""})


class DeliveryRow(Row, table=True):
    """Delivery of one document to one recipient; `position` is the recipient's place in the document's list."""

    __table_args__ = (
        within("delivery", "document_id", "outgoing_document"),
        index("ix_delivery_document", "agency_id", "document_id", "state"),
        index("ix_delivery_state", "agency_id", "state"),
        index("ix_delivery_code", "agency_id", "code", "document_id"),
        index("ix_delivery_updated", "state", "updated_at"),
        partial_index("ix_delivery_returned", _RETURNED, "agency_id", "updated_at"),
        partial_index("ix_delivery_marked", _MARKED, "agency_id", "updated_at"),
    )

    agency_id: str = _key()
    id: str = _key()
    document_id: str
    attempt: int
    position: int
    code: str
    state: str
    updated_at: datetime
    recipient: str = Field(sa_type=Text)
    marks: str = Field(sa_type=Text)
    register_no: str | None = None
    register_year: int | None = None


class FactRow(OfAgency, table=True):
    """One fact about a delivery or an incoming document. `key` is a digest over the parts that identify the fact, because
    absent parts must compare equal, which NULLs do not."""

    __table_args__ = (partial_index("ix_fact_asked", _IS_REQUEST, "agency_id", "at"),)

    subject_id: str = _key()
    key: str = _key()
    track: str
    code: str
    at: datetime
    body: str = Field(sa_type=Text)


class IncomingRow(ThingOfAgency, table=True):
    __tablename__ = "incoming_document"
    __table_args__ = (
        index("ix_incoming_arrived", "agency_id", "arrived_at", "id"),
        index("ix_incoming_state", "agency_id", "state", "arrived_at"),
        index("ix_incoming_document_id", "agency_id", "document_id"),
        index("ix_incoming_number", "agency_id", "number_key", "arrived_at"),
        index("ix_incoming_lead", "agency_id", "lead", "arrived_at", "id"),
        index("ix_incoming_sender", "agency_id", "sender_folded", "arrived_at", "id"),
        partial_index("ix_incoming_reply_by", _WANTS_REPLY, "agency_id", "reply_by"),
    )

    inbox_id: str
    kind: str
    sender_code: str
    sender_folded: str
    document_id: str
    packet_id: str | None = None
    state: str
    number: str
    symbol: str
    number_key: str = Field(default="", sa_column_kwargs={"server_default": ""})
    lead: str = Field(default="", sa_column_kwargs={"server_default": ""})
    issued_on: date | None = None
    arrived_at: datetime
    reply_by: date | None = None
    version: int
    folded: str = Field(sa_type=Text)
    body: str = Field(sa_type=Text)


class HandoverRow(Row, table=True):
    __table_args__ = (
        within("handover", "incoming_id", "incoming_document"),
        index("ix_handover_state", "agency_id", "state", "offered_at"),
    )

    agency_id: str = _key()
    incoming_id: str = _key()
    state: str
    offered_at: datetime
    leased_by: str | None = None
    leased_until: datetime | None = None
    acked_at: datetime | None = None


class IdentityRow(OfAgency, table=True):
    """Identity of an admitted packet (A4, A9: admitted once). It outlives the rows it names, so they are no foreign
    keys."""

    __table_args__ = (
        UniqueConstraint("agency_id", "sender", "packet_id", name="uq_identity_packet"),
        index("ix_identity_document", "agency_id", "sender", "document_id"),
    )

    sender: str = _key()
    body_digest: str = _key()
    kind: str
    packet_id: str | None = None
    document_id: str | None = None
    inbox_id: str
    incoming_id: str | None = None
    at: datetime
    terms: str | None = None


class Leasable(ThingOfAgency):
    """Common columns of rows that workers claim. Until `lease_until`, only the worker that has `lease_token` may finish the
    row; `attempts` counts claims."""

    attempts: int = 0
    not_before: datetime | None = None
    last_error: str | None = Field(default=None, sa_type=Text)
    lease_token: str | None = None
    lease_until: datetime | None = None


class OutboxRow(Leasable, table=True):
    __table_args__ = (
        # R46 (urgent first): `urgent` sorts after `normal`, so the lane is in descending order.
        index("ix_outbox_claim", "state", "lane DESC", "created_at", "id"),
        index("ix_outbox_state", "state", "created_at"),
        index("ix_outbox_created", "agency_id", "created_at", "id"),
        index("ix_outbox_subject", "agency_id", "subject_id"),
        index("ix_outbox_signed_by", "signed_by", "created_at"),
    )

    packet_id: str
    kind: str
    sender_code: str
    lane: str
    envelope_digest: str
    envelope_size: int = Field(sa_type=BigInteger)
    targets: str = Field(sa_type=Text)
    subject_id: str
    created_at: datetime
    state: str
    settled_at: datetime | None = None
    signed_by: str | None = None


class InboxRow(Leasable, table=True):
    __table_args__ = (
        UniqueConstraint("agency_id", "file_digest", name="uq_inbox_file_digest"),
        # R46 (urgent first): `urgent` sorts after `normal`, so the lane is in descending order.
        index("ix_inbox_claim", "state", "lane DESC", "received_at", "id"),
        index("ix_inbox_state", "state", "received_at"),
        index("ix_inbox_received", "agency_id", "received_at", "id"),
        index("ix_inbox_needs", "agency_id", "needs_document_id"),
    )

    file_digest: str
    size: int = Field(sa_type=BigInteger)
    received_at: datetime
    transport_packet_id: str
    transport_kind: str
    transport_sender: str
    transport_node: str | None = None
    transport_session: str | None = None
    lane: str
    state: str
    code: str | None = None
    reason: str | None = Field(default=None, sa_type=Text)
    sender_code: str | None = None
    document_id: str | None = None
    kind: str | None = None
    needs_sender: str | None = None
    needs_document_id: str | None = None
    incoming_id: str | None = None
    steps: str = Field(sa_type=Text)
    settled_at: datetime | None = None
    untried: str = Field(default="[]", sa_type=Text, sa_column_kwargs={"server_default": "[]"})
    released: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    axes: str = Field(default="", sa_column_kwargs={"server_default": ""})


class JobRow(Leasable, table=True):
    """One job that is not finished: a finished job's row is deleted, and events record its work."""

    __table_args__ = (
        index("ix_job_kind", "kind", "created_at"),
        index("ix_job_subject", "agency_id", "subject_id"),
    )

    kind: str
    subject_id: str
    created_at: datetime
    payload: str | None = Field(default=None, sa_type=Text)


class BlobRow(Row, table=True):
    """Content by its digest: the bytes of small content are in `body`, large content has a file, or in a bucket the object
    of this name. The first owner that refers to small content is in this row for as long as it does so; every other owner
    has a row of `blob_ref`.

    SQLite overwrites a deleted row with zeros, but where it once moved a row to another page, copies of the row's first
    1,002 bytes remain. Where there is a `body`, `head` fills those bytes, so that no byte of the content is ever copied."""

    __table_args__ = (
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_blob_agency"),
        partial_index("ix_blob_owner", _OWNED, "agency_id", "owner_kind", "owner_id"),
        partial_index("ix_blob_file", _IN_FOLDER, "digest"),
        partial_index("ix_blob_object", _IN_BUCKET, "digest"),
        {"sqlite_with_rowid": False},
    )

    digest: str = _key()
    size: int = Field(sa_type=BigInteger)
    stored_at: datetime
    agency_id: str | None = None
    owner_kind: str | None = None
    owner_id: str | None = None
    head: bytes = Field(default=b"", sa_type=LargeBinary)
    body: bytes | None = Field(default=None, sa_type=LargeBinary)
    object_name: str | None = None


class BlobRefRow(OfAgency, table=True):
    """Reference of an owner to content; by the foreign key only stored content can be referred to."""

    __table_args__ = (
        ForeignKeyConstraint(["digest"], ["blob.digest"], name="fk_blob_ref_blob"),
        index("ix_blob_ref_digest", "digest"),
    )

    owner_kind: str = _key()
    owner_id: str = _key()
    digest: str = _key()


class IdempotencyRow(OfAgency, table=True):
    """Idempotency key of an API request, with the response once there is one; `status` is NULL while the request runs."""

    __table_args__ = (index("ix_idempotency_created", "created_at"),)

    owner: str = _key()
    key: str = _key()
    digest: str
    created_at: datetime
    until: datetime
    status: int | None = None
    body: str | None = Field(default=None, sa_type=Text)


class ReplacedRow(Row, table=True):
    """One DocumentId that the replacement `incoming_id` names as replaced; its facts say whether it was registered."""

    __tablename__ = "replaced_document"
    __table_args__ = (within("replaced_document", "incoming_id", "incoming_document"),)

    agency_id: str = _key()
    sender_folded: str = _key()
    document_id: str = _key()
    incoming_id: str = _key()


class RegisterCounterRow(OfAgency, table=True):
    book: str = _key()
    year: int = _key()
    last: int


class GivenNumberRow(OfAgency, table=True):
    """One number of a book of outgoing documents, with its state; `domain.numbers` describes them."""

    __table_args__ = (
        partial_index("ix_given_number_free", MAY_BE_FREE, "agency_id", "book", "year", "number"),
        partial_index("ix_given_number_subject", HAS_SUBJECT, "agency_id", "subject_id"),
    )

    book: str = _key()
    year: int = _key()
    number: int = _key()
    state: str
    at: datetime
    by: str
    until: datetime | None = None
    subject_id: str = ""
    document_id: str = Field(default="", sa_type=Text)
    code: str = ""
    reason: str = Field(default="", sa_type=Text)


class RegisterEntryRow(Row, table=True):
    __table_args__ = (
        within("register_entry", "incoming_id", "incoming_document"),
        UniqueConstraint("agency_id", "book", "year", "number", name="uq_register_number"),
    )

    agency_id: str = _key()
    incoming_id: str = _key()
    book: str
    year: int
    number: str
    entered_at: datetime
    entered_by: str | None = None
    catch_up: str | None = Field(default=None, sa_type=Text)
    struck_at: datetime | None = None
    struck_by: str | None = None
    struck_reason: str | None = Field(default=None, sa_type=Text)


class PaperOutgoingRow(ThingOfAgency, table=True):
    """Outgoing mail that was sent on paper: an entry of the register without a document of the exchange."""

    __table_args__ = (
        UniqueConstraint("agency_id", "year", "number", "symbol", name="uq_paper_outgoing_number"),
        index("ix_paper_outgoing_issued", "agency_id", "issued_on", "id"),
        index("ix_paper_outgoing_word", "agency_id", "number_word", "issued_on"),
    )

    number: str
    symbol: str
    issued_on: date
    year: int
    entered_at: datetime
    entered_by: str
    catch_up: str | None = Field(default=None, sa_type=Text)
    struck_at: datetime | None = None
    struck_by: str | None = None
    struck_reason: str | None = Field(default=None, sa_type=Text)
    body: str = Field(sa_type=Text)
    number_word: str = Field(default="", sa_column_kwargs={"server_default": ""})


class PaperPartRow(Row, table=True):
    __table_args__ = (
        ForeignKeyConstraint(
            ["agency_id", "delivery_id"], ["delivery.agency_id", "delivery.id"], name="fk_paper_part_delivery"
        ),
        index("ix_paper_part_document", "agency_id", "document_id"),
        index("ix_paper_part_handed", "agency_id", "handed_over"),
        partial_index("ix_paper_part_waiting", _WAITS, "agency_id", "opened_at", "delivery_id"),
    )

    agency_id: str = _key()
    delivery_id: str = _key()
    document_id: str
    opened_at: datetime
    handed_over: date | None = None
    means: str | None = None
    note: str = Field(default="", sa_type=Text)
    closed_at: datetime | None = None
    closed_by: str | None = None


class HoldRow(ThingOfAgency, table=True):
    """One sealed hold. `open_subject` is the subject while the hold is open and the hold's own id afterwards, so that its
    unique index allows one open hold per subject."""

    __table_args__ = (
        index("uq_hold_open_subject", "agency_id", "open_subject", unique=True),
        index("ix_hold_begun", "agency_id", "begun_at", "id"),
    )

    open_subject: str
    state: str
    begun_at: datetime
    is_settled: bool
    body: str = Field(sa_type=Text)


class HoldContentRow(Row, table=True):
    """Digest of one content of a hold, so that the hold is found without reading its body. The row outlives the content."""

    __table_args__ = (
        within("hold_content", "hold_id", "hold"),
        index("ix_hold_content_digest", "agency_id", "digest"),
    )

    agency_id: str = _key()
    hold_id: str = _key()
    digest: str = _key()
    size: int = Field(sa_type=BigInteger)


class RecipientGroupRow(OfAgency, table=True):
    """Named group of recipients. `folded` is the name without accents and case, so two names that read the same are one."""

    folded: str = _key()
    name: str
    members: str = Field(sa_type=Text)
    saved_by: str
    saved_at: datetime
    version: int


class ProgramReadingRow(OfAgency, table=True):
    """Readings of one document by one program. The first has an event of its own; `count` further ones, from `first_at` to
    `last_at` of one day, have none yet."""

    __table_args__ = (partial_index("ix_program_reading_untold", _HAS_COUNT, "last_at"),)

    document_id: str = _key()
    reader_id: str = _key()
    first_at: datetime
    last_at: datetime
    count: int


class UploadRow(ThingOfAgency, table=True):
    """Upload of one file in parts. `file` and `signatures` are JSON, set when the upload is complete."""

    __table_args__ = (index("ix_upload_expires", "expires_at"),)

    name: str = Field(sa_type=Text)
    size: int = Field(sa_type=BigInteger)
    part_size: int = Field(sa_type=BigInteger)
    created_at: datetime
    created_by: str
    expires_at: datetime
    announced: str | None = None
    file: str | None = Field(default=None, sa_type=Text)
    signatures: str | None = Field(default=None, sa_type=Text)


class UploadPartRow(Row, table=True):
    """One part of an upload; its bytes are stored as content under `sha256`."""

    __table_args__ = (within("upload_part", "upload_id", "upload"),)

    agency_id: str = _key()
    upload_id: str = _key()
    n: int = _key()
    size: int = Field(sa_type=BigInteger)
    sha256: str


class WebhookRow(ThingOfAgency, table=True):
    """One webhook endpoint. Types, scopes and secrets are JSON; the secrets are sealed. `cursor` is the agency's number of
    the last event that was sent. The lease belongs to the worker that sends to the endpoint now."""

    url: str = Field(sa_type=Text)
    types: str = Field(sa_type=Text)
    scopes: str = Field(sa_type=Text)
    note: str = Field(sa_type=Text)
    secrets: str = Field(sa_type=Text)
    created_at: datetime
    created_by: str
    state: str
    paused_why: str | None = None
    paused_at: datetime | None = None
    cursor: int = Field(sa_type=BigInteger)
    suspects: int
    due_at: datetime | None = None
    last_ok_at: datetime | None = None
    last_try_at: datetime | None = None
    slow: bool
    version: int
    lease_token: str | None = None
    lease_until: datetime | None = None


class WebhookDeliveryRow(Row, table=True):
    """Delivery of one event to one webhook, without the event itself. `tries` is a JSON list of the newest tries."""

    __table_args__ = (
        within("webhook_delivery", "webhook_id", "webhook"),
        partial_index("ix_webhook_delivery_left", _IS_WAITING, "agency_id", "webhook_id", "due_at"),
        index("ix_webhook_delivery_at", "at"),
    )

    agency_id: str = _key()
    webhook_id: str = _key()
    sequence: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    event_id: str
    kind: str
    state: str
    attempts: int
    first_at: datetime
    at: datetime
    due_at: datetime | None = None
    tries: str = Field(sa_type=Text)


class SystemItemRow(OfAgency, table=True):
    """Item offered to a document system: a status, or a document about which it reported more than its receipt."""

    __table_args__ = (index("ix_system_item_state", "agency_id", "state", "updated_at"),)

    system: str = _key()
    doc_id: str = _key()
    kind: str
    subject_id: str
    state: str
    tries: int
    not_before: datetime | None = None
    reason: str = Field(sa_type=Text)
    offered_at: datetime
    updated_at: datetime


class SystemCursorRow(OfAgency, table=True):
    """Sequence number up to which the agency's events were searched for statuses that concern the document system."""

    system: str = _key()
    sequence: int = Field(sa_type=BigInteger)
