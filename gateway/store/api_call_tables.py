"""The rows of programs' calls: a table of the node itself, as keys are."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class ApiCallRow(Row, table=True):
    """Ids are in order of time."""

    __tablename__ = "api_call"
    __table_args__ = (
        ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_api_call_key"),
        Index("ix_api_call_key", "key_id", "id"),
        Index("ix_api_call_at", "at"),
    )

    id: str = Field(primary_key=True)
    key_id: str
    at: datetime = Field(sa_type=Moment)
    method: str
    route: str
    status: int
    took_ms: int
    problem: str = ""
    address: str = ""
    request_id: str = ""
