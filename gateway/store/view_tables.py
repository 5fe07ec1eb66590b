"""The rows of saved views of lists: each belongs to one person in one agency."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Text, false
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class SavedViewRow(Row, table=True):
    """`folded` is the name without accents and case: two names that read the same are one."""

    __tablename__ = "saved_view"
    __table_args__ = (ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_saved_view_agency"),)

    agency_id: str = Field(primary_key=True)
    person_id: str = Field(primary_key=True)
    side: str = Field(primary_key=True)
    folded: str = Field(primary_key=True)
    name: str
    query: str = Field(sa_type=Text)
    is_first: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=false()))
    saved_at: datetime = Field(sa_type=Moment)
