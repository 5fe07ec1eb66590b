"""The rows of an agency's own labels, and of which documents carry them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class TagRow(Row, table=True):
    """`folded` is the name without accents and case: two names that read the same are one."""

    __tablename__ = "tag"
    __table_args__ = (
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_tag_agency"),
        UniqueConstraint("agency_id", "folded", name="uq_tag_name"),
    )

    agency_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    folded: str
    name: str
    made_by: str
    made_at: datetime = Field(sa_type=Moment)


class TagMarkRow(Row, table=True):
    __tablename__ = "tag_mark"
    __table_args__ = (
        ForeignKeyConstraint(["agency_id", "tag_id"], ["tag.agency_id", "tag.id"], name="fk_tag_mark_tag"),
        Index("ix_tag_mark_document", "agency_id", "document_id"),
    )

    agency_id: str = Field(primary_key=True)
    tag_id: str = Field(primary_key=True)
    document_id: str = Field(primary_key=True)
    side: str
    marked_by: str
    marked_at: datetime = Field(sa_type=Moment)
