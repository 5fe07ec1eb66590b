"""The box of a document system that acts as a client of the national axis: it lists its open documents, fetches them one
by one, and reports `done` or `fail`. In: the report on one document. Out: its new state. Pure.

A document without a report has no row here: its hand-over record shows that it waits. A status has one from the start,
since its recipients are recorded nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

MOST_TRIES = 5
"""After so many reports of `fail` a person has to look."""
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
    """Document or status in the box. `doc_id` is its id for the system: the incoming document's own, or that of the event
    that reported a status; `subject_id` is the document that a person opens."""

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
        """Tell whether the system may fetch it now. A pause longer than any that is planned was written by a clock ahead,
        and does not count."""
        if self.state not in (BoxState.OPEN, BoxState.PROCESSING):
            return False
        return self.not_before is None or not now < self.not_before <= now + PAUSES[-1]


def failed(item: BoxItem, why: str, now: datetime) -> BoxItem:
    """Return the item after the system reported a failure: offered again later, or stuck after the last attempt."""
    tries, text = item.tries + 1, " ".join(why.split())[:LONGEST_REASON]
    if tries >= MOST_TRIES:
        return replace(item, state=BoxState.STUCK, tries=tries, not_before=None, reason=text, updated_at=now)
    retry_at = now + PAUSES[tries - 1]
    return replace(item, state=BoxState.OPEN, tries=tries, not_before=retry_at, reason=text, updated_at=now)


def reoffer(item: BoxItem, now: datetime) -> BoxItem:
    """Return the item offered again after a person has looked at it, with its attempts counted anew."""
    return replace(item, state=BoxState.OPEN, tries=0, not_before=None, updated_at=now)
