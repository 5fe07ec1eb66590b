"""Pace of a node: rules for all queues, measured durations, and their history. Frozen values and pure rules, without data
of documents or persons.

Queues: the ordinary lane's share of a batch, and stored times that only a wrong clock can have written. Pace: for each
metric, lane and axis, durations are counted between fixed bounds, from which the bounds for 50, 95 and 99 per cent
follow. History: the depth of queues at a moment, and the days on which a periodic job did its work."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import accumulate

from gateway.domain.document import Lane

# Ordinary rows get one place in four; urgent rows get the others.
ORDINARY_SHARE = 4
# The longest delay of the node's own work after a failed attempt; jobs that wait for other parties have longer ones.
LONGEST_DELAY = timedelta(hours=1)
ANSWER_DELAY = timedelta(hours=6)
AUTHORITY_DELAY = timedelta(hours=4)
# The longest time in which a person may undo an act on a letter.
LONGEST_UNDO = timedelta(minutes=1)
# The longest time that a document system may hold fetched documents.
LONGEST_HANDOVER = timedelta(hours=1)
# Between machines whose clocks differ by less, leases are never taken for leftovers of a wrong clock: otherwise the
# machines would take rows from each other again and again, and finish none.
CLOCKS_APART = timedelta(minutes=5)
LONGEST_DELAY_OF: Mapping[str, timedelta] = {"signatures": ANSWER_DELAY}


# Content up to this size is stored by the unit of work that refers to it, and in no file of its own: a file with its
# folders costs more fsyncs than that many bytes in the journal.
SMALL = 64 * 1024
# In seconds, close together around the limit; the limit is one of them, so that late ones are counted exactly.
BOUNDS_S = (
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.0,
    3.0,
    4.0,
    5.0,
    6.0,
    8.0,
    10.0,
    30.0,
    60.0,
    300.0,
    1800.0,
    3600.0,
    14400.0,
    86400.0,
)
# R100 (speed of exchange), T26: accepting and admitting each take at most so long, in 95 per cent of cases.
LIMIT_S = 5.0
SHARE = 95
SLOT = timedelta(minutes=5)
# People are shown the last hour: the present slot, and the twelve before it.
SPAN = timedelta(hours=1)
# History is deleted by age alone.
HISTORY_KEPT = timedelta(days=30)
SAMPLED_EVERY = timedelta(minutes=5)
# Sampled beside the queues: free megabytes on the disk of the content.
DISK = "disk"


def ordinary_places(limit: int, turn: int) -> int:
    """Return how many places of the `turn`-th batch go to the oldest ordinary rows, however many rows are urgent: a
    quarter of all places over time. Of batches of one, every fourth is theirs."""
    return (turn + 1) * limit // ORDINARY_SHARE - turn * limit // ORDINARY_SHARE


@dataclass(frozen=True, slots=True)
class Horizon:
    """Latest end of a lease or retry that a correct clock writes, with a tolerance. A later end was written while the
    clock was ahead, and counts as past, so that no row waits until that day."""

    now: datetime
    lease: datetime
    retry: datetime

    @classmethod
    def from_lease(cls, now: datetime, lease_s: float, longest: timedelta = LONGEST_DELAY) -> Horizon:
        return cls(
            now=now, lease=now + 2 * timedelta(seconds=lease_s) + CLOCKS_APART, retry=now + 2 * longest
        )


def clocks_agree(gap: timedelta, lease_s: float) -> bool:
    """Tell whether leases are safe between machines whose clocks differ from the database's by `gap`. A worker renews
    after a third of a lease, so two of them may be two thirds apart before either sees the other's lease as over."""
    return abs(gap) <= timedelta(seconds=lease_s / 3)


class Metric(StrEnum):
    """Measured duration. Each ends when its transaction is committed."""

    ACCEPT = "accept"
    """From the arrival of the API call to accepted."""
    ACCEPT_TO_01 = "accept_to_01"
    """From accepted, or the earliest time of sending, to the recipient's 01 applied."""
    ARRIVAL_TO_ADMITTED = "arrival_to_admitted"
    """From arrival at this node to admitted."""


# The other metric includes the recipient's time, so it has no limit.
LIMITED = (Metric.ACCEPT, Metric.ARRIVAL_TO_ADMITTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Five minutes of one metric, lane and axis. Each count is of durations up to its bound and above the previous one;
    the last is of those above all bounds."""

    began_at: datetime
    way: Metric
    lane: Lane
    axis: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Summary of durations of one metric, lane and axis. `p50`, `p95` and `p99` are bounds in seconds that held for so
    many per cent, None above all bounds; `late` counts those above the limit."""

    way: Metric
    lane: Lane
    axis: str
    count: int
    late: int
    p50: float | None
    p95: float | None
    p99: float | None

    @property
    def is_slow(self) -> bool:
        """True for a metric with a limit where more than five per cent were late."""
        return self.way in LIMITED and is_slow(self.late, self.count)

    def to_json(self) -> dict[str, object]:
        """Return the JSON for programs, where null means above all bounds."""
        return asdict(self) | {"slow": self.is_slow}


def words(bound: float | None) -> tuple[str, int]:
    """Return the label key for a bound, and the number in it."""
    seconds = BOUNDS_S[-1] if bound is None else bound
    kind = "more" if bound is None else "at_most"
    for unit, size in (("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= size:
            return f"pace.{kind}.{unit}", round(seconds / size)
    return f"pace.{kind}.ms", round(seconds * 1000)


def is_slow(late: int, count: int) -> bool:
    return late * 100 > (100 - SHARE) * count


def is_recent(slot: Slot, now: datetime) -> bool:
    return -SLOT < now - slot.began_at < SPAN + SLOT


def bucket(seconds: float) -> int:
    """Return the index of the count to which a duration belongs."""
    return bisect_left(BOUNDS_S, seconds)


def paces(slots: Iterable[Slot]) -> Sequence[Pace]:
    """Sum up slots by metric, lane and axis, in the order of the metrics, the urgent lane first."""
    sums: dict[tuple[Metric, Lane, str], list[int]] = {}
    for slot in slots:
        totals = sums.setdefault((slot.way, slot.lane, slot.axis), [0] * len(slot.counts))
        totals[:] = (total + count for total, count in zip(totals, slot.counts, strict=True))
    ways = tuple(Metric)
    ordered = sorted(sums.items(), key=lambda s: (ways.index(s[0][0]), s[0][1] != Lane.URGENT, s[0][2]))
    return [_make_pace(*key, counts) for key, counts in ordered if any(counts)]


def _make_pace(metric: Metric, lane: Lane, axis: str, counts: Sequence[int]) -> Pace:
    within = list(accumulate(counts))
    count = within[-1]
    return Pace(
        way=metric,
        lane=lane,
        axis=axis,
        count=count,
        late=count - within[BOUNDS_S.index(LIMIT_S)],
        p50=_percentile(50, within),
        p95=_percentile(95, within),
        p99=_percentile(99, within),
    )


def _percentile(percent: int, within: Sequence[int]) -> float | None:
    """Return the least bound that held for so many per cent; None above all bounds."""
    pairs = zip(BOUNDS_S, within, strict=False)
    return next((bound for bound, n in pairs if n * 100 >= percent * within[-1]), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSample:
    """Depth of one queue at a moment, and the age of its oldest row, None where that is unknown or the queue is empty."""

    at: datetime
    queue: str
    depth: int
    oldest_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """Runs of a job since its last report. `at` is its last success, `failed_at` its last failure, with its `code`."""

    job: str
    at: datetime | None = None
    beats: int = 0
    failed_at: datetime | None = None
    failures: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDay:
    """Runs of one job on one day of the Vietnamese calendar. `gap_s` is the longest time without success that ended
    then."""

    job: str
    day: date
    beats: int = 0
    failures: int = 0
    gap_s: int = 0
    last_at: datetime | None = None
    failed_at: datetime | None = None
    code: str = ""
