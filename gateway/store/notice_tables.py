"""The rows of notices: a stop that is planned, an incident. A table of the node itself."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class NoticeRow(Row, table=True):
    """`wish` is the notice as it was wanted (JSON)."""

    __tablename__ = "notice"

    id: str = Field(primary_key=True)
    wish: str = Field(sa_type=Text)
    published_at: datetime = Field(sa_type=Moment, index=True)
    published_by: str
    closed_at: datetime | None = Field(default=None, sa_type=Moment)
    closed_by: str = ""
