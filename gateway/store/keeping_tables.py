"""The rows of what pages keep for the pages that follow: a table of the node itself, as sessions are."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Text
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class KeepingRow(Row, table=True):
    """`body` is base64, as every value of a backup is text or a number."""

    __tablename__ = "page_keeping"
    __table_args__ = (
        Index("ix_page_keeping_session", "session_id", "at"),
        Index("ix_page_keeping_until", "until"),
    )

    key: str = Field(primary_key=True)
    session_id: str
    body: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Moment)
    until: datetime = Field(sa_type=Moment)
