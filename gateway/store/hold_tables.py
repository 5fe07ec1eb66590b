"""The rows of the sealed hold: incidents, and which content each of them took out of use."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, Text
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class HoldRow(Row, table=True):
    """`open_subject` is the subject while the hold is open and the hold's own id afterwards: its key lets one be open at a
    time."""

    __tablename__ = "hold"
    __table_args__ = (
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_hold_agency"),
        Index("uq_hold_open_subject", "agency_id", "open_subject", unique=True),
        Index("ix_hold_begun", "agency_id", "begun_at", "id"),
    )

    agency_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    open_subject: str
    state: str
    begun_at: datetime = Field(sa_type=Moment)
    is_settled: bool
    body: str = Field(sa_type=Text)


class HoldContentRow(Row, table=True):
    """Beside the body, to be found by digest. It outlives the content."""

    __tablename__ = "hold_content"
    __table_args__ = (
        ForeignKeyConstraint(
            ["agency_id", "hold_id"], ["hold.agency_id", "hold.id"], name="fk_hold_content_hold_id"
        ),
        Index("ix_hold_content_digest", "agency_id", "digest"),
    )

    agency_id: str = Field(primary_key=True)
    hold_id: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)
