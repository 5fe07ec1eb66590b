"""Defines the tables of the registry and their conversion into domain values: agency codes, dated changes, the feed. The
tables have a metadata of their own, because they belong to the node, not to an agency. Database errors are raised as our
own here, so that none leaves the registry.

Codes and aliases are stored in capitals, so that a plain index serves any letter case; `folded` is the name without
accents and case. The present belief about a code is its `agency` row, which is its last period, and the open rows of
`agency_period`, its earlier ones, which had another name or parent until a day. A closed row (`believed_to`) is an
earlier belief; one without `until` was the code's `agency` row then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any, ClassVar, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    LargeBinary,
    MetaData,
    Row,
    String,
    Text,
    UniqueConstraint,
    case,
    false,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Field

from gateway.domain.registry import DEFAULT_SCHEME, AgencyEntry, RowSource
from gateway.domain.registry_change import RECORD_FIELDS, AgencyRecord
from gateway.errors import StoreFailure
from gateway.store.row import TableClass, index

T = TypeVar("T")
# Ordered by characters on every server, because in a language's order a prefix is not a range.
CODE_TYPE: Any = String().with_variant(String(collation="C"), "postgresql")
FOLDED_TYPE: Any = Text().with_variant(Text(collation="C"), "postgresql")


class RegistryModel(metaclass=TableClass):
    """Base of all registry tables."""

    metadata: ClassVar[MetaData] = MetaData()


class AgencyColumns(RegistryModel):
    """Columns that an agency has now and in each earlier period."""

    alias: str | None = Field(default=None, sa_type=CODE_TYPE)
    name: str
    folded: str = Field(sa_type=FOLDED_TYPE)
    parent: str | None = Field(default=None, sa_type=CODE_TYPE)
    valid_from: date | None = None
    valid_to: date | None = None
    successor: str | None = None
    source: str
    email: str | None = None
    address: str | None = None
    phone: str | None = None
    check_note: str | None = None
    scheme: str = DEFAULT_SCHEME
    decision: str | None = None
    host: str | None = None
    contact: str | None = None
    next_host: str | None = None
    next_host_from: date | None = None


class AgencyRow(AgencyColumns, table=True):
    """One agency code; unique for ever, closed but never deleted (R82)."""

    __tablename__ = "agency"
    __table_args__ = (
        index("ix_agency_alias", "alias"),
        index("ix_agency_folded", "folded"),
        index("ix_agency_parent", "parent", "code"),
        index("ix_agency_successor", "successor"),
    )

    code: str = Field(primary_key=True, sa_type=CODE_TYPE)
    updated_at: datetime


class BindingRow(RegistryModel, table=True):
    """One exchange certificate bound to one code by two people (K1, K6), or by their policy. `list_id` names the bindings
    that came into force with it, and `proof` shows that it is one of them."""

    __tablename__ = "agency_binding"
    __table_args__ = (
        UniqueConstraint("code", "fingerprint", name="uq_agency_binding_certificate"),
        index("ix_agency_binding_list", "list_id"),
    )

    id: str = Field(primary_key=True)
    code: str
    fingerprint: str
    certificate_pem: str = Field(sa_type=Text)
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    state: str
    proposed_by: str
    approved_by: str
    created_at: datetime
    list_id: str | None = None
    proof: str | None = Field(default=None, sa_type=Text)


class SealRow(RegistryModel, table=True):
    """One certificate that signs PDFs for one code, as a seal or a person, registered by two people (R23, K6)."""

    __tablename__ = "agency_seal"
    __table_args__ = (
        index("ix_agency_seal_code", "code"),
        index("ix_agency_seal_fingerprint", "fingerprint"),
    )

    id: str = Field(primary_key=True)
    code: str
    kind: str
    fingerprint: str
    certificate_pem: str = Field(sa_type=Text)
    name: str
    position: str
    capacity: str
    valid_from: datetime
    valid_to: datetime
    state: str
    proposed_by: str
    approved_by: str
    created_at: datetime


class SealingRightRow(RegistryModel, table=True):
    """Right of one code to seal for another, by a written act."""

    __tablename__ = "agency_sealing_right"
    __table_args__ = (index("ix_agency_sealing_right_code", "code"),)

    id: str = Field(primary_key=True)
    acting_code: str
    code: str
    act_number: str
    act_date: date
    valid_from: date
    valid_to: date | None = None
    state: str
    proposed_by: str
    approved_by: str
    created_at: datetime


class ChangeRow(RegistryModel, table=True):
    """One applied change of the registry."""

    __tablename__ = "registry_change"

    id: str = Field(primary_key=True)
    at: datetime
    by_principal: str
    source_digest: str
    summary: str = Field(sa_type=Text)


METADATA = RegistryModel.metadata


_ENTRY_FIELDS = [f.name for f in fields(AgencyEntry) if f.name not in ("source", "check")]


class ReformRow(RegistryModel, table=True):
    """One approved reform; undone ones stay."""

    __tablename__ = "registry_reform"
    __table_args__ = (index("ix_registry_reform_effective", "effective_on", "id"),)

    id: str = Field(primary_key=True)
    kind: str
    effective_on: date
    state: str
    content: str = Field(sa_type=Text)
    lives_before: str = Field(sa_type=Text)
    lives_after: str = Field(sa_type=Text)
    proposed_by: str
    approved_by: str
    approved_at: datetime
    undone_by: str | None = None
    undone_at: datetime | None = None
    undone_why: str | None = Field(default=None, sa_type=Text)
    reported_by: str | None = None
    reported_at: datetime | None = None
    reported_how: str | None = Field(default=None, sa_type=Text)


class ReformCodeRow(RegistryModel, table=True):
    """One code that a reform ends, begins, changes or names. `ending`: how it ended, as JSON; None for a code that did not,
    and for reforms approved before it was kept."""

    __tablename__ = "registry_reform_code"
    __table_args__ = (
        ForeignKeyConstraint(["reform_id"], ["registry_reform.id"], name="fk_registry_reform_code"),
        index("ix_registry_reform_code", "code", "part"),
    )

    reform_id: str = Field(primary_key=True)
    code: str = Field(primary_key=True, sa_type=CODE_TYPE)
    part: str
    ending: str | None = Field(default=None, sa_type=Text)


class PeriodRow(AgencyColumns, table=True):
    """Belief about one code: an earlier period, or its whole row."""

    __tablename__ = "agency_period"
    __table_args__ = (
        index("ix_agency_period_code", "code", "believed_to"),
        index("ix_agency_period_folded", "folded"),
    )

    id: str = Field(primary_key=True)
    code: str = Field(sa_type=CODE_TYPE)
    until: date | None = None
    believed_from: datetime
    believed_to: datetime | None = None
    change_id: str


IN_FORCE = "feed"  # key of the only row, because a node follows one issuer


class FeedRow(RegistryModel, table=True):
    """Feed in force; its number only grows. `receipt_state` is the state of its certificates that the issuer was told
    last; a later feed is a row of its own, so that its issuer is told again."""

    __tablename__ = "registry_feed"

    id: str = Field(primary_key=True)
    issuer: str
    sequence: int = Field(sa_type=BigInteger)
    digest: str
    kind: str
    made_at: datetime
    applied_at: datetime
    by_principal: str
    change_id: str
    receipt_state: str | None = None
    receipt_at: datetime | None = None
    receipt_tried_at: datetime | None = None
    receipt_fault: str | None = Field(default=None, sa_type=Text)


class ReceiptRow(RegistryModel, table=True):
    """Newest receipt of an agency's node for the lists that this node issues; earlier ones are events. `tellings` counts
    its receipts of that list."""

    __tablename__ = "registry_receipt"

    issuer: str = Field(primary_key=True)
    code: str = Field(primary_key=True, sa_type=CODE_TYPE)
    sequence: int = Field(sa_type=BigInteger)
    digest: str
    state: str
    taken_at: datetime
    said_at: datetime
    received_at: datetime
    version: str
    fingerprint: str
    tellings: int


class FeedRefusalRow(RegistryModel, table=True):
    """One refused feed. Issuer and number are as it states them, perhaps unsigned."""

    __tablename__ = "registry_feed_refusal"
    __table_args__ = (index("ix_registry_feed_refusal_at", "at", "id"),)

    id: str = Field(primary_key=True)
    at: datetime
    code: str
    reason: str = Field(sa_type=Text)
    issuer: str | None = None
    sequence: int | None = Field(default=None, sa_type=BigInteger)
    by_principal: str


class FeedProposalRow(RegistryModel, table=True):
    """Certificate that a feed proposes for a code; open until two people or their policy bind it (K6). Its outcome is
    that of the list's last judgement."""

    __tablename__ = "registry_feed_proposal"
    __table_args__ = (index("ix_registry_feed_proposal_standing", "standing", "code"),)

    code: str = Field(primary_key=True)
    fingerprint: str = Field(primary_key=True)
    certificate_pem: str = Field(sa_type=Text)
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    issuer: str
    sequence: int = Field(sa_type=BigInteger)
    at: datetime
    kind: str = Field(default="exchange", sa_column_kwargs={"server_default": "exchange"})
    standing: str | None = None
    reason: str | None = None
    detail: str | None = Field(default=None, sa_type=Text)


class ListRow(RegistryModel, table=True):
    """Received list with certificates, kept as evidence: header and officers' signatures as they came, the digest of the
    key that sealed it, and in `content` the rows that `trust` is the digest of, compressed. State and counts are working
    values."""

    __tablename__ = "registry_list"
    __table_args__ = (index("ix_registry_list_state", "state", "received_at"),)

    issuer: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True, sa_type=BigInteger)
    digest: str
    header: str = Field(sa_type=Text)
    issuer_key: str
    officers: str = Field(sa_type=Text)
    trust: str
    size: int
    content: bytes = Field(sa_type=LargeBinary)
    made_at: datetime
    received_at: datetime
    by_principal: str
    state: str
    due_at: datetime | None = None
    counts: str = Field(sa_type=Text)


class HeldRow(RegistryModel, table=True):
    """Change by a list of who speaks for a code, held until its judge or two people put it in force. `wanted`: the
    fields and their new values, as JSON; `digest` names exactly this change."""

    __tablename__ = "registry_held_row"
    __table_args__ = (index("ix_registry_held_row_list", "issuer", "sequence"),)

    code: str = Field(primary_key=True, sa_type=CODE_TYPE)
    issuer: str
    sequence: int = Field(sa_type=BigInteger)
    digest: str
    wanted: str = Field(sa_type=Text)
    at: datetime


class TakeoverRow(RegistryModel, table=True):
    """Decision on which it rests that a successor speaks for an ended code: a reform, an import or an approved list."""

    __tablename__ = "registry_takeover"
    __table_args__ = (index("ix_registry_takeover_by", "by_id"),)

    code: str = Field(primary_key=True, sa_type=CODE_TYPE)
    successor: str = Field(primary_key=True, sa_type=CODE_TYPE)
    by_id: str = Field(primary_key=True)
    decision: str
    at: datetime


class AxisListRow(RegistryModel, table=True):
    """List of agencies that a foreign axis gave. `content`: the lines that wait for people, compressed, as base64."""

    __tablename__ = "registry_axis_list"
    __table_args__ = (index("ix_registry_axis_list_at", "axis", "at"),)

    id: str = Field(primary_key=True)
    axis: str
    at: datetime
    state: str
    added: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    waiting: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    conflicts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    left_out: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    is_large: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    problems: str = Field(default="[]", sa_type=Text, sa_column_kwargs={"server_default": "[]"})
    fault: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})
    content: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})


# Tables, for use in statements.
AGENCY, PERIOD, BINDING, CHANGE = (
    METADATA.tables[name] for name in ("agency", "agency_period", "agency_binding", "registry_change")
)
SEAL, SEALING_RIGHT = METADATA.tables["agency_seal"], METADATA.tables["agency_sealing_right"]
REFORM, REFORM_CODE = METADATA.tables["registry_reform"], METADATA.tables["registry_reform_code"]
FEED, REFUSAL, PROPOSAL, LIST = (
    METADATA.tables[f"registry_{name}"] for name in ("feed", "feed_refusal", "feed_proposal", "list")
)

AXIS_LIST, RECEIPT = METADATA.tables["registry_axis_list"], METADATA.tables["registry_receipt"]
HELD_ROW, TAKEOVER = METADATA.tables["registry_held_row"], METADATA.tables["registry_takeover"]


def record_of(row: Row[Any]) -> AgencyRecord:
    """Return the fields of an `agency` row that imports, feeds and reforms write."""
    return AgencyRecord(**{name: getattr(row, name) for name in RECORD_FIELDS})


def to_entry(row: Row[Any]) -> AgencyEntry:
    """Return a full `agency` row as a domain value."""
    same = {name: getattr(row, name) for name in _ENTRY_FIELDS}
    return AgencyEntry(**same, source=RowSource(row.source), check=row.check_note)


def host_on(on: date) -> ColumnElement[str | None]:
    """Return the node that hosts a row's code on a day, of the present one and the planned one."""
    return case((AGENCY.c.next_host_from <= on, AGENCY.c.next_host), else_=AGENCY.c.host)


def as_utc(moment: datetime) -> datetime:
    """Return a moment in UTC, for an expression whose values have no column type."""
    return moment.astimezone(UTC)


@contextmanager
def failures_named() -> Iterator[None]:
    """Raise database errors of the body as StoreFailure."""
    try:
        yield
    except SQLAlchemyError as cause:
        raise StoreFailure(
            f"the registry's database did not answer: {type(cause).__name__}; nothing was changed:"
            " check that it runs and that its tables are there (migrations)"
        ) from cause
