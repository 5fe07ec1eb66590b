"""Tables of records and how long they stay: files, their documents, links between documents, periods of retention, orders
that documents stay, and destructions. In: columns. Out: row classes, part of the schema in `tables`."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Text, text
from sqlmodel import Field

from gateway.store.row import OfAgency, Row, ThingOfAgency, index, partial_index, within


class PreservationOrderRow(ThingOfAgency, table=True):
    """One preservation order (R129), with its text and persons in `body`."""

    __table_args__ = (index("ix_preservation_order_begun", "agency_id", "begun_at", "id"),)

    is_open: bool
    begun_at: datetime
    body: str = Field(sa_type=Text)


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


class DestructionRow(ThingOfAgency, table=True):
    """Act of destruction with its proposal, its decision and its persons."""

    __table_args__ = (
        index("ix_destruction_at", "agency_id", "at", "id"),
        partial_index("ix_destruction_due", text("state IN ('confirmed', 'running')"), "agency_id", "id"),
    )

    state: str
    at: datetime
    body: str = Field(sa_type=Text)


class DestructionItemRow(Row, table=True):
    """Line of an act of destruction: one document, in the order of the list."""

    __table_args__ = (
        within("destruction_item", "act_id", "destruction"),
        index("ix_destruction_item_state", "agency_id", "act_id", "state", "n"),
        index("ix_destruction_item_document", "agency_id", "document_id"),
    )

    agency_id: str = Field(primary_key=True)
    act_id: str = Field(primary_key=True)
    n: int = Field(primary_key=True)
    document_id: str
    state: str
    body: str = Field(sa_type=Text)
