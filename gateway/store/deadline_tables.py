"""The rows of calendar and to-do list: days that differ from the shipped calendar, what people noted on their tasks, and
which reminders have gone out."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKeyConstraint, Index, Text
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class CalendarDayRow(Row, table=True):
    __tablename__ = "calendar_day"

    day: date = Field(primary_key=True)
    kind: str
    name: str
    set_at: datetime = Field(sa_type=Moment)


class TaskNoteRow(Row, table=True):
    """A task is worked out anew each time; only what people said about it is kept."""

    __tablename__ = "task_note"
    __table_args__ = (ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_task_note_agency"),)

    agency_id: str = Field(primary_key=True)
    task: str = Field(primary_key=True)
    owner: str | None = None
    snoozed_until: datetime | None = Field(default=None, sa_type=Moment)
    closed_at: datetime | None = Field(default=None, sa_type=Moment)
    note: str = Field(sa_type=Text)
    noted_by: str
    noted_at: datetime = Field(sa_type=Moment)


class ReminderRow(Row, table=True):
    """What was sent once is not sent again, also after a restart and by another process."""

    __tablename__ = "reminder"
    __table_args__ = (
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_reminder_agency"),
        Index("ix_reminder_at", "at"),
    )

    agency_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    at: datetime = Field(sa_type=Moment)


DEADLINE_NODE_TABLES = frozenset({"calendar_day"})
