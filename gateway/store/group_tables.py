"""The rows of saved groups of recipients: each belongs to one agency."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Text
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class RecipientGroupRow(Row, table=True):
    """`folded` is the name without accents and case: two names that read the same are one."""

    __tablename__ = "recipient_group"
    __table_args__ = (
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_recipient_group_agency"),
    )

    agency_id: str = Field(primary_key=True)
    folded: str = Field(primary_key=True)
    name: str
    members: str = Field(sa_type=Text)
    saved_by: str
    saved_at: datetime = Field(sa_type=Moment)
    version: int
