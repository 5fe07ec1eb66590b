"""Two rules that every queue keeps, in numbers: how much of a batch is the ordinary lane's, and which written-down times
can only come from a clock that was ahead. In: sizes, times. Out: the same. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

# Of every batch; the rest is for whatever is urgent.
ORDINARY_SHARE = 4
# The longest that work of the node's own is put off after a try that failed; some kinds of jobs wait for others.
LONGEST_DELAY = timedelta(hours=1)
ANSWER_DELAY = timedelta(hours=6)
AUTHORITY_DELAY = timedelta(hours=4)
# The longest that a document system may hold what it fetched.
LONGEST_HANDOVER = timedelta(hours=1)
# So far apart the clocks of two machines may be without each taking what the other has for left over from a wrong clock:
# they would take it from each other again and again, and nobody would come to its end.
CLOCKS_APART = timedelta(minutes=5)
LONGEST_DELAY_OF: Mapping[str, timedelta] = {"signatures": ANSWER_DELAY}


def ordinary_places(limit: int, turn: int) -> int:
    """How many of the `turn`-th batch are the oldest ordinary rows', however much is urgent: a quarter of all places over
    time, so that of batches of one every fourth is theirs."""
    return (turn + 1) * limit // ORDINARY_SHARE - turn * limit // ORDINARY_SHARE


@dataclass(frozen=True, slots=True)
class Horizon:
    """Twice as far as a right clock writes, and for a lease what clocks may be apart. A lease or a retry that ends beyond
    it was written while the clock was ahead, and is over: nothing waits until that day."""

    now: datetime
    lease: datetime
    retry: datetime

    @classmethod
    def of(cls, now: datetime, lease_s: float, longest: timedelta = LONGEST_DELAY) -> Horizon:
        return cls(
            now=now, lease=now + 2 * timedelta(seconds=lease_s) + CLOCKS_APART, retry=now + 2 * longest
        )
