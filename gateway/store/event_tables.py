"""The rows of events and of the numbers they are given. They belong to no agency's foreign keys: events of the node
itself are among them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, Index, Integer, Text, UniqueConstraint, text
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row

_NO_NUMBER = text("node_seq IS NULL")


class EventRow(Row, table=True):
    """`position` only orders rows that are committed; readers know `node_seq` and `agency_seq`. An event of the node
    itself has an empty `agency_id`, which is why that is no foreign key here."""

    __tablename__ = "event"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("agency_id", "id", name="uq_event_id"),
        UniqueConstraint("node_seq", name="uq_event_node_seq"),
        UniqueConstraint("agency_id", "agency_seq", name="uq_event_agency_seq"),
        Index("ix_event_subject", "agency_id", "subject_id"),
        Index("ix_event_unnumbered", "position", postgresql_where=_NO_NUMBER, sqlite_where=_NO_NUMBER),
        {"sqlite_autoincrement": True},  # a position is never given twice, even after the last row is gone
    )

    position: int | None = Field(
        default=None,
        sa_column=Column(
            BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
        ),
    )
    agency_id: str
    id: str
    kind: str
    at: datetime = Field(sa_type=Moment)
    subject_id: str
    principal_id: str
    data: str = Field(sa_type=Text)
    node_seq: int | None = Field(default=None, sa_type=BigInteger)
    agency_seq: int | None = Field(default=None, sa_type=BigInteger)


class EventCounterRow(Row, table=True):
    """The last number given: one row per agency, and the node's own under the empty id. Locking the node's row is the
    sequencer's lease: it ends with the transaction, also when the process dies."""

    __tablename__ = "event_counter"

    agency_id: str = Field(primary_key=True)
    last: int = Field(sa_type=BigInteger)
