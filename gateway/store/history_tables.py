"""The rows of the node's memory of itself: what waited at a moment, and what a job did on a day. Tables of the node itself,
bounded by age."""

from __future__ import annotations

import datetime as dt

from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class QueueSampleRow(Row, table=True):
    __tablename__ = "queue_sample"

    at: dt.datetime = Field(sa_type=Moment, primary_key=True)
    queue: str = Field(primary_key=True)
    depth: int
    oldest_s: int | None = None


class JobDayRow(Row, table=True):
    __tablename__ = "job_day"

    job: str = Field(primary_key=True)
    day: dt.date = Field(primary_key=True)
    beats: int
    failures: int
    gap_s: int
    last_at: dt.datetime | None = Field(default=None, sa_type=Moment)
    failed_at: dt.datetime | None = Field(default=None, sa_type=Moment)
    code: str = ""
