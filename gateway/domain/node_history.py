"""What a node remembers of itself: how much waited at a moment, and on which days a periodic job did its work. Frozen
values; nothing of any document or person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

# Both are thinned out by nothing but age.
KEPT = timedelta(days=30)
SAMPLED_EVERY = timedelta(minutes=5)
# Sampled beside the queues: megabytes that are free where the content lies.
DISK = "disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSample:
    """How many waited in one queue, and for how long the oldest had: None where that is not known or nothing waits."""

    at: datetime
    queue: str
    depth: int
    oldest_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a job did since it was last told of. `at` is when it last came through, `failed_at` when it last did not, `code`
    the error's."""

    job: str
    at: datetime | None = None
    beats: int = 0
    failed_at: datetime | None = None
    failures: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDay:
    """One job on one day of the Vietnamese calendar. `gap_s`: the longest time without it that ended on this day."""

    job: str
    day: date
    beats: int = 0
    failures: int = 0
    gap_s: int = 0
    last_at: datetime | None = None
    failed_at: datetime | None = None
    code: str = ""
