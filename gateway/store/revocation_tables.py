"""The rows about revocation: what the node asks, what authorities answered, and which packets wait for an answer."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, Text
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class QuestionRow(Row, table=True):
    """`about` is a serial number in hex, or the address of a list."""

    __tablename__ = "revocation_question"
    __table_args__ = (Index("ix_revocation_question_due", "due_at"),)

    source: str = Field(primary_key=True)
    issuer: str = Field(primary_key=True)
    about: str = Field(primary_key=True)
    first_at: datetime = Field(sa_type=Moment)
    due_at: datetime = Field(sa_type=Moment)
    answered_at: datetime | None = Field(default=None, sa_type=Moment)
    failures: int = 0
    error: str | None = Field(default=None, sa_type=Text)


class AnswerRow(Row, table=True):
    """The same bytes again are the same row. `used` marks what a verdict rests on."""

    __tablename__ = "revocation_answer"
    __table_args__ = (
        Index("ix_revocation_answer_made", "source", "issuer", "about", "made_at"),
        Index("ix_revocation_answer_fetched", "fetched_at"),
        Index("ix_revocation_answer_digest", "digest"),
    )

    source: str = Field(primary_key=True)
    issuer: str = Field(primary_key=True)
    about: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    origin: str
    fetched_at: datetime = Field(sa_type=Moment)
    made_at: datetime = Field(sa_type=Moment)
    ends_at: datetime | None = Field(default=None, sa_type=Moment)
    revokes: bool = False
    used: bool = False
    body: bytes = Field(sa_type=LargeBinary)


class PendingRow(Row, table=True):
    """A packet whose certificate nobody could vouch for (K4)."""

    __tablename__ = "revocation_pending"
    __table_args__ = (
        ForeignKeyConstraint(
            ["agency_id", "inbox_id"], ["inbox.agency_id", "inbox.id"], name="fk_revocation_pending_inbox"
        ),
    )

    agency_id: str = Field(primary_key=True)
    inbox_id: str = Field(primary_key=True)
    certificate: bytes = Field(sa_type=LargeBinary)
    arrived_at: datetime = Field(sa_type=Moment)


REVOCATION_NODE_TABLES = frozenset({"revocation_question", "revocation_answer"})
