"""Tables of figures: facts of documents, sums of them by day and month, how far the events are counted, and the reports
over them that are sent by the calendar. Their meaning is in `domain.figures`. In: nothing. Out: tables."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Text, text
from sqlmodel import Field

from gateway.store.row import OfAgency, Row, ThingOfAgency, index, partial_index


class FigureFactRow(OfAgency, table=True):
    """Facts of one document or delivery; `parent` is the delivery's document. No key refers to the document, because facts
    stay when it is erased. `side` and `day` stand in the body too; an earlier version wrote none."""

    __table_args__ = (
        partial_index("ix_figure_fact_parent", text("parent <> ''"), "agency_id", "parent"),
        index("ix_figure_fact_day", "agency_id", "side", "day"),
    )

    id: str = Field(primary_key=True)
    parent: str = ""
    body: str = Field(sa_type=Text)
    side: str | None = None
    day: date | None = None


class FigureDayRow(OfAgency, table=True):
    """One cell: sums over the documents of a day or month, of one dimension's key, of the agency or one of its units."""

    # Cells are read as ranges of their key, so a file keeps them in its order.
    __table_args__ = ({"sqlite_with_rowid": False},)

    side: str = Field(primary_key=True)
    dimension: str = Field(primary_key=True)
    unit: str = Field(primary_key=True)
    span: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    key: str = Field(primary_key=True)
    documents: int = 0
    electronic: int = 0
    with_paper: int = 0
    paper: int = 0
    unsigned: int = 0
    replacements: int = 0
    recipients: int = 0
    failed: int = 0
    delivered: int = 0
    delivered_s: int = Field(default=0, sa_type=BigInteger)
    handed: int = 0
    taken: int = 0
    taken_s: int = Field(default=0, sa_type=BigInteger)
    refused: int = 0
    recalled: int = 0
    done: int = 0
    done_s: int = Field(default=0, sa_type=BigInteger)
    due: int = 0
    on_time: int = 0
    late: int = 0
    late_s: int = Field(default=0, sa_type=BigInteger)
    open_due: int = 0
    asked: int = 0
    replied: int = 0
    replied_late: int = 0
    owed: int = 0
    reads: int = 0
    read_files: int = 0
    sign_ins: int = 0


class FigureFrozenRow(OfAgency, table=True):
    """Texts of an event that figures count, kept when they were deleted from the log (`data`, JSON). The event about the
    deletion has their digest."""

    event_id: str = Field(primary_key=True)
    data: str = Field(sa_type=Text)


class FigureStateRow(Row, table=True):
    """How far events are counted: the node's number of the last one."""

    name: str = Field(primary_key=True)
    seq: int = Field(sa_type=BigInteger)


class ReportScheduleRow(ThingOfAgency, table=True):
    """A report that is sent by the calendar: `wish` and `sent_to` are JSON, `due_on` is the first day behind the period
    that is sent next."""

    wish: str = Field(sa_type=Text)
    made_by: str
    made_at: datetime
    due_on: date
    paused_at: datetime | None = None
    sent_at: datetime | None = None
    sent_to: str = Field(sa_type=Text)
    problem: str = ""
    tries: int = 0
    not_before: datetime | None = None
    lease_token: str | None = None
    lease_until: datetime | None = None
