"""The rows that lists, search and figures read: one for each document of either side, written in the transaction that
changed the document; one for each day whose figures are worked out; and how far older documents have their rows.

`place` orders by time and is never given twice: microseconds since 1970, and twelve bits that keep documents of the same
moment apart. The full-text index of SQLite hangs on it, and a page of a list begins behind it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlmodel import Field

from gateway.domain.listing import Tab
from gateway.store.columns import Moment
from gateway.store.row import Row

# Tabs that hold few documents of many; the others are nearly the whole list, and reading that is as fast.
RARE_TABS = tuple(tab for tab in Tab if tab not in (Tab.SENT, Tab.ACCEPTED))
KEYED_BY_PLACE = frozenset({"list_row"})
SEARCH_INDEX = "ix_list_search"
# Keys of collation are compared byte by byte, also by a server that would sort by the rules of its language.
SORTED = String().with_variant(String(collation="C"), "postgresql")
WHOLE = BigInteger().with_variant(Integer(), "sqlite")
ATTENTION: Any = text("attention_at IS NOT NULL")  # Any: accepted wherever a condition is
LEAD: Any = text("lead IS NOT NULL")
SENT: Any = text("sent_at IS NOT NULL")
URGENT: Any = text("urgency > 0")
UNREAD: Any = text("unread")
ATTACHED: Any = text("attached")
BARE: Any = text("NOT attached")


def in_tab(tab: Tab) -> Any:  # Any: what `text` gives is accepted wherever a condition is
    """Written out and never bound: a database uses a partial index only where it reads the same words."""
    return text(f"(tabs & {int(tab)}) <> 0")


# Both conditions, each in the words of its own index: a planner knows no better how few rows are new.
PRESSING: Any = text("(tabs & 128) <> 0 AND urgency > 0")


def _partial(name: str, where: Any, *columns: str) -> Index:
    return Index(name, "agency_id", "side", *columns, postgresql_where=where, sqlite_where=where)


class ListRow(Row, table=True):
    """One document as its list has it; `card` is what the row shows and nothing is asked about."""

    __tablename__ = "list_row"
    __table_args__: ClassVar[Any] = (
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_list_row_agency"),
        UniqueConstraint("agency_id", "id", name="uq_list_row_id"),
        # What is counted stands in the index too: 10,000 rows need not be looked up.
        Index("ix_list_row_place", "agency_id", "side", "place", "tabs"),
        Index("ix_list_row_both", "agency_id", "place"),
        Index("ix_list_row_number", "agency_id", "side", "number_key", "place"),
        Index("ix_list_row_party", "agency_id", "side", "party_key", "place"),
        Index("ix_list_row_issued", "agency_id", "side", "issued_on", "place"),
        Index("ix_list_row_type", "agency_id", "side", "type_key", "place"),
        Index("ix_list_row_state", "agency_id", "side", "state", "place"),
        Index("ix_list_row_origin", "agency_id", "side", "origin", "place"),
        Index("ix_list_row_book", "agency_id", "side", "book", "place"),
        _partial("ix_list_row_attention", ATTENTION, "place", "attention_at"),
        _partial("ix_list_row_lead", LEAD, "lead", "place"),
        _partial("ix_list_row_sent", SENT, "sent_at", "state"),
        _partial("ix_list_row_urgent", URGENT, "urgency", "place"),
        _partial("ix_list_row_unread", UNREAD, "place"),
        _partial("ix_list_row_pressing", PRESSING, "place"),
        _partial("ix_list_row_attached", ATTACHED, "place"),
        *(
            _partial(f"ix_list_row_tab_{tab.name.lower()}", in_tab(tab), "place")
            for tab in RARE_TABS
            if tab.name
        ),
    )

    place: int = Field(sa_column=Column(WHOLE, primary_key=True, autoincrement=False))
    agency_id: str
    id: str
    side: str
    at: datetime = Field(sa_type=Moment)
    state: str
    own_state: str
    tabs: int
    urgency: int
    issued_on: date | None = None
    due_at: datetime | None = Field(default=None, sa_type=Moment)
    attention_at: datetime | None = Field(default=None, sa_type=Moment)
    lead: int | None = Field(default=None, sa_column=Column(WHOLE))
    sent_at: datetime | None = Field(default=None, sa_type=Moment)
    latest_at: datetime | None = Field(default=None, sa_type=Moment)
    attached: bool
    origin: str | None = None
    book: str | None = None
    unread: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=false()))
    number_key: str = Field(sa_column=Column(SORTED, nullable=False))
    party_key: str = Field(sa_column=Column(SORTED, nullable=False))
    type_key: str = Field(sa_column=Column(SORTED, nullable=False))
    folded: str = Field(sa_type=Text)
    card: str = Field(sa_type=Text)


class ListDayRow(Row, table=True):
    """The figures of one day on a Vietnamese calendar, worked out again while its deliveries still move."""

    __tablename__ = "list_day"
    __table_args__ = (ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_list_day_agency"),)

    agency_id: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    made_at: datetime = Field(sa_type=Moment)
    body: str = Field(sa_type=Text)


class ListFillRow(Row, table=True):
    """How far the documents of one side, oldest first, have their rows."""

    __tablename__ = "list_fill"
    __table_args__ = (ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_list_fill_agency"),)

    agency_id: str = Field(primary_key=True)
    side: str = Field(primary_key=True)
    at: datetime = Field(sa_type=Moment)
    id: str
    done: bool
