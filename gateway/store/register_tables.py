"""The rows of the register books: counters, lines of incoming documents, and lines of outgoing mail on paper. Outgoing
documents of the exchange are lines of their book as they are."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, Text, UniqueConstraint
from sqlmodel import Field

from gateway.store.account_tables import HostedAgencyRow
from gateway.store.columns import Moment
from gateway.store.row import Row


def _key() -> Any:  # Any: Field() gives whatever type the annotation beside it names
    return Field(primary_key=True)


def _agency(table: str) -> ForeignKeyConstraint:
    target = f"{HostedAgencyRow.__tablename__}.id"
    return ForeignKeyConstraint(["agency_id"], [target], name=f"fk_{table}_agency")


class RegisterCounterRow(Row, table=True):
    __tablename__ = "register_counter"
    __table_args__ = (_agency("register_counter"),)

    agency_id: str = _key()
    book: str = _key()
    year: int = _key()
    last: int


class RegisterEntryRow(Row, table=True):
    __tablename__ = "register_entry"
    __table_args__ = (
        ForeignKeyConstraint(
            ["agency_id", "incoming_id"],
            ["incoming_document.agency_id", "incoming_document.id"],
            name="fk_register_entry_incoming_id",
        ),
        UniqueConstraint("agency_id", "book", "year", "number", name="uq_register_number"),
    )

    agency_id: str = _key()
    incoming_id: str = _key()
    book: str
    year: int
    number: str
    entered_at: datetime = Field(sa_type=Moment)
    entered_by: str | None = None
    catch_up: str | None = Field(default=None, sa_type=Text)
    struck_at: datetime | None = Field(default=None, sa_type=Moment)
    struck_by: str | None = None
    struck_reason: str | None = Field(default=None, sa_type=Text)


class PaperOutgoingRow(Row, table=True):
    """Outgoing mail that went on paper: a line of the book and no document of the exchange."""

    __tablename__ = "paper_outgoing"
    __table_args__ = (
        _agency("paper_outgoing"),
        UniqueConstraint("agency_id", "year", "number", "symbol", name="uq_paper_outgoing_number"),
        Index("ix_paper_outgoing_issued", "agency_id", "issued_on", "id"),
    )

    agency_id: str = _key()
    id: str = _key()
    number: str
    symbol: str
    issued_on: date
    year: int
    entered_at: datetime = Field(sa_type=Moment)
    entered_by: str
    catch_up: str | None = Field(default=None, sa_type=Text)
    struck_at: datetime | None = Field(default=None, sa_type=Moment)
    struck_by: str | None = None
    struck_reason: str | None = Field(default=None, sa_type=Text)
    body: str = Field(sa_type=Text)
