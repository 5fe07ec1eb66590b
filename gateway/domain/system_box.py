"""What a document system is offered when it speaks as the national axis's clients do: it lists what it has not settled,
fetches one by one, and says `done` or `fail`. In: what it says of one. Out: the item as it stands then. Pure.

A document of which it said nothing yet has no item: the hand-over itself says that it waits. A status has one from
when it is noted, for nothing else says who has heard of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

MOST_TRIES = 5
"""After so many `fail` a person has to look."""
PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
KEPT = timedelta(days=30)
"""So long a status that was settled can be fetched again."""
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
    """`doc_id` is what the system calls it: the incoming document's own id, or that of the event that told of a status;
    `subject_id` what a person opens."""

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
        """Whether the system is to see it. A pause that is longer than any was begun while the clock was ahead."""
        if self.state not in (BoxState.OPEN, BoxState.PROCESSING):
            return False
        return self.not_before is None or not now < self.not_before <= now + PAUSES[-1]


def failed(item: BoxItem, why: str, now: datetime) -> BoxItem:
    """The system could not do with it: offered again after a pause, or no more."""
    tries, said = item.tries + 1, " ".join(why.split())[:LONGEST_REASON]
    if tries >= MOST_TRIES:
        return replace(item, state=BoxState.STUCK, tries=tries, not_before=None, reason=said, updated_at=now)
    later = now + PAUSES[tries - 1]
    return replace(item, state=BoxState.OPEN, tries=tries, not_before=later, reason=said, updated_at=now)


def offered_again(item: BoxItem, now: datetime) -> BoxItem:
    """A person has looked: its tries are counted anew."""
    return replace(item, state=BoxState.OPEN, tries=0, not_before=None, updated_at=now)
