"""The rows of recalls that wait, or waited, for the head of an agency."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Index, Text
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class RecallAskRow(Row, table=True):
    """`recipients` is a JSON list of codes."""

    __tablename__ = "recall_ask"
    __table_args__ = (
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_recall_ask_agency"),
        ForeignKeyConstraint(
            ["agency_id", "document_id"],
            ["outgoing_document.agency_id", "outgoing_document.id"],
            name="fk_recall_ask_document_id",
        ),
        Index("ix_recall_ask_document", "agency_id", "document_id"),
        Index("ix_recall_ask_state", "agency_id", "state", "asked_at"),
    )

    agency_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    document_id: str
    reason: str = Field(sa_type=Text)
    notice_no: str
    take_back: bool = Field(sa_column=Column(Boolean, nullable=False))
    recipients: str = Field(sa_type=Text)
    asked_by: str
    asked_at: datetime = Field(sa_type=Moment)
    asked_for: str | None = None
    state: str
    decided_by: str | None = None
    decided_for: str | None = None
    decided_at: datetime | None = Field(default=None, sa_type=Moment)
    why: str = Field(default="", sa_type=Text)
    result: str | None = None
