"""Tables of the node itself, whose keys do not start with an agency: hosted agencies and accounts, programs' API calls,
persons and their decisions, events with their numbers, the sealed log, samples of the node's own work, revocation, and
the versions that `memory` watches. In: nothing. Out: tables.

Three related tables that name an agency are here too: the agencies that an API key serves; events, because the node's own
events have no agency; and packets that wait for a certificate's revocation status."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field

from gateway.store.row import OfAgency, Row, ThingOfAgency, index, partial_index

MEMORY_TABLES = frozenset({"memory_version"})


class HostedAgencyRow(Row, table=True):
    __table_args__ = (UniqueConstraint("code", name="uq_hosted_agency_code"),)

    id: str = Field(primary_key=True)
    code: str
    body: str = Field(sa_type=Text)


class AgencyProfileRow(ThingOfAgency, table=True):
    """Version of one setting of an agency, as text; versions are only added."""

    __table_args__ = (index("ix_agency_profile_key", "agency_id", "key", "set_at"),)

    key: str
    value: str
    set_by: str
    set_at: datetime
    from_when: datetime
    set_by_name: str = Field(default="", sa_column_kwargs={"server_default": ""})


class AgencyEmblemRow(ThingOfAgency, table=True):
    """Picture of an emblem that an agency chose once, by its fingerprint; pictures are only added."""

    digest: str
    content: bytes = Field(sa_type=LargeBinary)
    made_at: datetime
    made_by: str


class AccountRequestRow(Row, table=True):
    """Request of an agency about its accounts, or a report on them, as JSON; the node's own have an empty `agency_id`,
    so that is no foreign key here."""

    __table_args__ = (
        index("ix_account_request_agency", "agency_id", "made_at"),
        index("ix_account_request_state", "state", "made_at"),
    )

    id: str = Field(primary_key=True)
    agency_id: str
    form: str
    state: str
    made_at: datetime
    body: str = Field(sa_type=Text)


class PrincipalRow(Row, table=True):
    """One principal, an account of any kind. `owner` is the agency's id, or empty for a principal of the node: not NULL,
    because a unique constraint treats NULLs as different."""

    __table_args__ = (UniqueConstraint("kind", "name", "owner", name="uq_principal_name"),)

    id: str = Field(primary_key=True)
    kind: str
    name: str
    owner: str = ""


class ApiKeyRow(Row, table=True):
    __table_args__ = (
        UniqueConstraint("secret_hash", name="uq_api_key_secret"),
        ForeignKeyConstraint(["principal_id"], ["principal.id"], name="fk_api_key_principal"),
    )

    id: str = Field(primary_key=True)
    principal_id: str
    scopes: str
    secret_hash: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    prefix: str = ""
    used_at: datetime | None = None
    networks: str = Field(default="[]", sa_type=Text)
    way: str = "secret"
    certificate_sha256: str | None = None
    certificate_name: str | None = Field(default=None, sa_type=Text)
    certificate_begins_at: datetime | None = None
    certificate_ends_at: datetime | None = None
    system: str | None = None
    sealed: str | None = Field(default=None, sa_type=Text)
    earlier_hash: str | None = None
    earlier_ends_at: datetime | None = None


class ApiKeyAgencyRow(OfAgency, table=True):
    __table_args__ = (ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_api_key_agency_key"),)

    key_id: str = Field(primary_key=True)


class ApiCallRow(Row, table=True):
    """One call of the API by a program; ids are in order of time."""

    __table_args__ = (
        ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_api_call_key"),
        index("ix_api_call_key", "key_id", "id"),
        index("ix_api_call_at", "at"),
    )

    id: str = Field(primary_key=True)
    key_id: str
    at: datetime
    method: str
    route: str
    status: int
    took_ms: int
    problem: str = ""
    address: str = ""
    request_id: str = ""
    trace_id: str = ""


class PersonRow(Row, table=True):
    """One person. `folded` is the sign-in name, or the name without accents and case where there is none; it is unique,
    because two people must not look alike on a screen."""

    __table_args__ = (
        ForeignKeyConstraint(["id"], ["principal.id"], name="fk_person_principal"),
        UniqueConstraint("folded", name="uq_person_name"),
        index("uq_person_login", "login", unique=True),
        index("ix_person_code", "code_digest"),
    )

    id: str = Field(primary_key=True)
    folded: str
    name: str
    roles: str = Field(sa_type=Text)
    added_by: str
    added_at: datetime
    roles_by: str
    roles_at: datetime
    enrolled_at: datetime | None = None
    blocked_at: datetime | None = None
    code_digest: str | None = None
    code_until: datetime | None = None
    passphrase_hash: str | None = Field(default=None, sa_type=Text)
    sealed_totp: str | None = Field(default=None, sa_type=Text)
    last_step: int = Field(default=0, sa_type=BigInteger)
    failures: int = 0
    locked_until: datetime | None = None
    login: str | None = None
    title: str | None = None
    email: str | None = None
    standing: str | None = None
    standing_why: str | None = None
    standing_by: str | None = None
    standing_at: datetime | None = None
    password_at: datetime | None = None
    last_login_at: datetime | None = None
    warned_at: datetime | None = None
    must_change: bool | None = None


class ProposalRow(Row, table=True):
    __table_args__ = (
        ForeignKeyConstraint(["proposed_by"], ["person.id"], name="fk_proposal_person"),
        index("ix_proposal_state", "state", "proposed_at", "id"),
        partial_index("ix_proposal_agency", text("agency_id IS NOT NULL"), "agency_id", "state"),
    )

    id: str = Field(primary_key=True)
    agency_id: str | None = None
    """Agency whose administrators decide about rights; NULL for a proposal of trust."""
    content: str = Field(sa_type=Text)
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    reason: str = Field(sa_type=Text)
    state: str
    decided_by: str | None = None
    decided_at: datetime | None = None


class KeyEndRow(Row, table=True):
    """End of an own exchange certificate: from `at` on no process on this database signs with it."""

    agency_code: str = Field(primary_key=True)
    fingerprint: str = Field(primary_key=True)
    key_id: str
    at: datetime
    stolen_since: datetime | None = None
    by_principal: str


class KeyNoticeRow(Row, table=True):
    """Record that people were notified of a certificate's end, `days` before it; the first process writes it, so that the
    notice is sent once."""

    fingerprint: str = Field(primary_key=True)
    days: int = Field(primary_key=True)
    at: datetime


_NO_NUMBER = text("node_seq IS NULL")


class EventRow(Row, table=True):
    """One event. `position` is the key; readers use the numbers `node_seq` and `agency_seq`, which are set once the row is
    committed. An event of the node itself has an empty `agency_id`, so that is no foreign key here."""

    __table_args__: ClassVar[Any] = (
        UniqueConstraint("agency_id", "id", name="uq_event_id"),
        UniqueConstraint("node_seq", name="uq_event_node_seq"),
        UniqueConstraint("agency_id", "agency_seq", name="uq_event_agency_seq"),
        index("ix_event_subject", "agency_id", "subject_id"),
        partial_index("ix_event_unnumbered", _NO_NUMBER, "position"),
        {"sqlite_autoincrement": True},  # a position is never used twice, even after the last row is deleted
    )

    position: int | None = Field(
        default=None,
        sa_column=Column(
            BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
        ),
    )
    agency_id: str
    id: str
    kind: str
    at: datetime
    subject_id: str
    principal_id: str
    data: str = Field(sa_type=Text)
    node_seq: int | None = Field(default=None, sa_type=BigInteger)
    agency_seq: int | None = Field(default=None, sa_type=BigInteger)


class EventCounterRow(Row, table=True):
    """Last number given to an event: one row per agency, and the node's own under the empty id. The lock on the node's row
    is the sequencer's lease: it ends with the transaction, also when the process dies."""

    agency_id: str = Field(primary_key=True)
    last: int = Field(sa_type=BigInteger)


_STAMPED = text("stamped_at IS NOT NULL")


def _numbered() -> Any:  # Any: Field() gives whatever type the annotation beside it names
    """Return a key field of integers that the program assigns, not the database."""
    return Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class LogRow(Row, table=True):
    """State of a log. The lock on its one row is the sealer's lease. `peaks` are the hashes of the tree's complete
    subtrees, left to right, in hexadecimal digits; `last_seq` is the number of the last event in the log."""

    name: str = Field(primary_key=True)
    log_id: str
    size: int = Field(sa_type=BigInteger)
    last_seq: int = Field(sa_type=BigInteger)
    peaks: str = Field(sa_type=Text)
    published_number: int | None = Field(default=None, sa_type=BigInteger)
    published_at: datetime | None = None


class LogLeafRow(Row, table=True):
    """One leaf of the log: its bytes, which never change, their leaf hash, and the salts (JSON) of the texts that the leaf
    holds only digests of. A salt is deleted together with its text."""

    __table_args__ = (UniqueConstraint("position", name="uq_log_leaf_position"),)

    leaf_index: int = _numbered()
    position: int = Field(sa_type=BigInteger)
    hash: bytes
    body: str = Field(sa_type=Text)
    salts: str | None = Field(default=None, sa_type=Text)


class LogNodeRow(Row, table=True):
    """Hash of one complete subtree. Only every eighth level is stored, so that a proof reads some hundred hashes whatever
    the log's length."""

    level: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    place: int = _numbered()
    hash: bytes


class LogSealRow(Row, table=True):
    """One seal. `body` is the signed seal as text; the other columns are for queries."""

    __table_args__: ClassVar[Any] = (
        index("ix_log_seal_size", "tree_size"),
        partial_index("ix_log_seal_stamped", _STAMPED, "number"),
    )

    number: int = _numbered()
    tree_size: int = Field(sa_type=BigInteger)
    at: datetime
    body: str = Field(sa_type=Text)
    stamp: bytes | None = None
    stamped_at: datetime | None = None


class LogWitnessRow(Row, table=True):
    """Witness of this node's log. `said_at` is the time of its last letter, `keys` are those of its cosignatures, a line
    each. `held_size` is the size that it cosigned last; `fault` a word for its last answer, empty where it cosigned."""

    name: str = Field(primary_key=True)
    keys: str = Field(default="", sa_type=Text)
    held_size: int = Field(default=0, sa_type=BigInteger)
    asked_at: datetime | None = None
    said_at: datetime | None = None
    cosigned_at: datetime | None = None
    fault: str = ""
    other_history: str = Field(default="", sa_type=Text)


class LogCosignatureRow(Row, table=True):
    """Cosignatures of one witness under this node's checkpoint of that size, as lines. `day` is the day of the office."""

    witness: str = Field(primary_key=True)
    tree_size: int = _numbered()
    day: date
    at: datetime
    body: str = Field(sa_type=Text)


class WitnessedLogRow(Row, table=True):
    """Log of another node for which this node is a witness. `note` is the signed checkpoint that was cosigned last, `size`
    its size; `other_history` one that contradicts it. `said_at` is the time of the node's last letter."""

    origin: str = Field(primary_key=True)
    node: str
    code: str
    keys: str = Field(sa_type=Text)
    note: str = Field(sa_type=Text)
    size: int = Field(sa_type=BigInteger)
    first_at: datetime
    asked_at: datetime
    said_at: datetime
    cosigned_at: datetime | None = None
    fault: str = ""
    other_history: str = Field(default="", sa_type=Text)


class LossCountRow(Row, table=True):
    """Comparison of one day's packets of a pair with another node. `is_sender`: this node sent them; `differences` are
    JSON, `open_count` is the number of those that count."""

    node: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    sender: str = Field(primary_key=True)
    recipient: str = Field(primary_key=True)
    is_sender: bool
    own_count: int
    other_count: int
    compared_at: datetime
    open_count: int
    differences: str = Field(sa_type=Text)


class StateCountRow(Row, table=True):
    """Comparison of the states of one day's packets of a pair with another node; otherwise as `LossCountRow`. `counts` are
    JSON, too."""

    node: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    sender: str = Field(primary_key=True)
    recipient: str = Field(primary_key=True)
    is_sender: bool
    compared_at: datetime
    counts: str = Field(sa_type=Text)
    open_count: int
    differences: str = Field(sa_type=Text)


class QueueSampleRow(Row, table=True):
    at: datetime = Field(primary_key=True)
    queue: str = Field(primary_key=True)
    depth: int
    oldest_s: int | None = None


class JobDayRow(Row, table=True):
    job: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    beats: int
    failures: int
    gap_s: int
    last_at: datetime | None = None
    failed_at: datetime | None = None
    code: str = ""


class QuestionRow(Row, table=True):
    """Question for the revocation status of a certificate, or for a revocation list; `about` is the certificate's serial
    number in hexadecimal digits, or the list's address."""

    __tablename__ = "revocation_question"
    __table_args__ = (index("ix_revocation_question_due", "due_at"),)

    source: str = Field(primary_key=True)
    issuer: str = Field(primary_key=True)
    about: str = Field(primary_key=True)
    first_at: datetime
    due_at: datetime
    answered_at: datetime | None = None
    failures: int = 0
    error: str | None = Field(default=None, sa_type=Text)


class AnswerRow(Row, table=True):
    """Answer to a revocation question. The same bytes are one row. `used` marks an answer that a verdict relied on."""

    __tablename__ = "revocation_answer"
    __table_args__ = (
        index("ix_revocation_answer_made", "source", "issuer", "about", "made_at"),
        index("ix_revocation_answer_fetched", "fetched_at"),
        index("ix_revocation_answer_digest", "digest"),
    )

    source: str = Field(primary_key=True)
    issuer: str = Field(primary_key=True)
    about: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    origin: str
    fetched_at: datetime
    made_at: datetime
    ends_at: datetime | None = None
    revokes: bool = False
    used: bool = False
    body: bytes = Field(sa_type=LargeBinary)


class PdfAnswerRow(Row, table=True):
    """Answer of an authority about certificates of PDF signatures: fetched, or taken from a file that a verdict rests on.
    The same bytes are one row. `used` marks an answer that a verdict rests on."""

    __tablename__ = "pdf_answer"
    __table_args__ = (
        index("ix_pdf_answer_about", "issuer", "source", "about", "made_at"),
        index("ix_pdf_answer_fetched", "fetched_at"),
    )

    digest: str = Field(primary_key=True)
    source: str
    issuer: str
    about: str
    origin: str
    fetched_at: datetime
    made_at: datetime
    ends_at: datetime | None = None
    revokes: bool = False
    used: bool = False
    body: bytes = Field(sa_type=LargeBinary)


class PendingRow(Row, table=True):
    """A packet that waits because its certificate's revocation status is unknown (K4, revocation)."""

    __tablename__ = "revocation_pending"
    __table_args__ = (
        ForeignKeyConstraint(
            ["agency_id", "inbox_id"], ["inbox.agency_id", "inbox.id"], name="fk_revocation_pending_inbox"
        ),
    )

    agency_id: str = Field(primary_key=True)
    inbox_id: str = Field(primary_key=True)
    certificate: bytes = Field(sa_type=LargeBinary)
    arrived_at: datetime


class MemoryVersionRow(Row, table=True):
    """Version of a subject that `memory` watches; a subject without a row was never changed."""

    subject: str = Field(primary_key=True)
    token: str


class FolderMarkRow(Row, table=True):
    """Id of a folder of the node (`store.folder_marks`), by the place that the folder has on this machine."""

    place: str = Field(primary_key=True)
    mark: str
    written_at: datetime
