"""The box of a document system that speaks as a client of the national axis: it lists its unsettled documents, fetches one
by one, and answers `done` or `fail`. In: its answer about one. Out: the new state of that one. Pure.

A document without an answer yet has no row here: the hand-over itself says that it waits. A status has one from the start,
as its recipients are recorded nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

MOST_TRIES = 5
"""After so many `fail` a person has to look."""
PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
RETENTION = timedelta(days=30)
"""Time for which a settled status can be fetched again."""
LONGEST_REASON = 500


class BoxKind(StrEnum):
    EDOC = "edoc"
    STATUS = "status"


class BoxState(StrEnum):
    OPEN = "open"
    PROCESSING = "processing"
    DONE = "done"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxItem:
    """One document or status in the box. `doc_id` is the system's name for it: the incoming document's own id, or that of
    the event that reported a status; `subject_id` is the document that a person opens."""

    system: str
    doc_id: str
    kind: BoxKind
    subject_id: str
    offered_at: datetime
    updated_at: datetime
    state: BoxState = BoxState.OPEN
    tries: int = 0
    not_before: datetime | None = None
    reason: str = ""

    def is_offered(self, now: datetime) -> bool:
        """Tell whether the system may fetch it. A longer pause than any was written by a clock ahead, and is over."""
        if self.state not in (BoxState.OPEN, BoxState.PROCESSING):
            return False
        return self.not_before is None or not now < self.not_before <= now + PAUSES[-1]


def failed(item: BoxItem, why: str, now: datetime) -> BoxItem:
    """Record a failure of the system: offered again after a pause, or no more."""
    tries, text = item.tries + 1, " ".join(why.split())[:LONGEST_REASON]
    if tries >= MOST_TRIES:
        return replace(item, state=BoxState.STUCK, tries=tries, not_before=None, reason=text, updated_at=now)
    retry_at = now + PAUSES[tries - 1]
    return replace(item, state=BoxState.OPEN, tries=tries, not_before=retry_at, reason=text, updated_at=now)


def reoffer(item: BoxItem, now: datetime) -> BoxItem:
    """Offer it again after a person's look, its tries counted anew."""
    return replace(item, state=BoxState.OPEN, tries=0, not_before=None, updated_at=now)
