"""The rows of the paper dispatch list: one for each recipient that gets a document on paper."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, Text, text
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row

_WAITS: Any = text("handed_over IS NULL")  # Any: accepted wherever a condition is


class PaperPartRow(Row, table=True):
    __tablename__ = "paper_part"
    __table_args__ = (
        ForeignKeyConstraint(
            ["agency_id", "delivery_id"], ["delivery.agency_id", "delivery.id"], name="fk_paper_part_delivery"
        ),
        Index("ix_paper_part_document", "agency_id", "document_id"),
        Index("ix_paper_part_handed", "agency_id", "handed_over"),
        Index(
            "ix_paper_part_waiting",
            "agency_id",
            "opened_at",
            "delivery_id",
            postgresql_where=_WAITS,
            sqlite_where=_WAITS,
        ),
    )

    agency_id: str = Field(primary_key=True)
    delivery_id: str = Field(primary_key=True)
    document_id: str
    opened_at: datetime = Field(sa_type=Moment)
    handed_over: date | None = None
    means: str | None = None
    note: str = Field(default="", sa_type=Text)
    closed_at: datetime | None = Field(default=None, sa_type=Moment)
    closed_by: str | None = None
