"""How a node serves: what every queue keeps to, how fast it goes, and what the node remembers of it. Frozen values and
plain rules; nothing of any document or person. Pure.

Queues: how much of a batch is the ordinary lane's, and which written-down times can only come from a clock that was
ahead. Pace: of counts of how long things took, below fixed bounds, for each way, lane and axis how many there were,
and bounds that hold for 50, 95 and 99 of a hundred; a bound is all that is known, so no figure claims more.
History: how much waited at a moment, and on which days a periodic job did its work."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import accumulate

from gateway.domain.document import Lane

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


# Up to this size content touches no file for itself (a file and its folders cost more fsyncs than that many bytes in the
# journal): it is written by the unit of work that refers to it.
SMALL = 64 * 1024


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


def clocks_agree(gap: timedelta, lease_s: float) -> bool:
    """Whether leases hold between machines whose clocks are that far from the database's: a worker renews after a third
    of a lease, so two of them may be two thirds apart and neither sees the other's lease run out."""
    return abs(gap) <= timedelta(seconds=lease_s / 3)


# Seconds; close together around the limit, which is one of them: so it is known of each whether it kept it.
BOUNDS_S = (
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0),
    *(30.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0),
)
# R100, T26: to send, and to receive, takes at most so long each, for 95 of a hundred.
LIMIT_S = 5.0
SHARE = 95
SLOT = timedelta(minutes=5)
# People are shown the last hour: the slot that runs, and the twelve before it.
SPAN = timedelta(hours=1)


class Way(StrEnum):
    """What is measured. Each ends when the transaction that makes it true is committed."""

    ACCEPT = "accept"
    """From the call's arrival at the door to accepted."""
    ACCEPT_TO_01 = "accept_to_01"
    """From accepted, or the moment from which it may leave, to the 01 of that delivery taken in."""
    ARRIVAL_TO_ADMITTED = "arrival_to_admitted"
    """From arrival at this node to a document here."""


# The time of the other side is in the third: no limit of ours is told by it.
LIMITED = (Way.ACCEPT, Way.ARRIVAL_TO_ADMITTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Five minutes of one way, lane and axis: how many took at most each bound and more than the one before; the last
    count is of those above all bounds."""

    began_at: datetime
    way: Way
    lane: Lane
    axis: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One way, lane and axis. Of `p50`, `p95` and `p99` each is a bound in seconds that held for so many of a hundred, None
    where that was above all bounds; `late` took longer than the limit."""

    way: Way
    lane: Lane
    axis: str
    count: int
    late: int
    p50: float | None
    p95: float | None
    p99: float | None

    @property
    def is_slow(self) -> bool:
        """Whether the limit is broken: of a way that has one, more than five of a hundred were late."""
        return self.way in LIMITED and is_slow(self.late, self.count)

    def told(self) -> dict[str, object]:
        """For programs; a bound that is null was above all bounds."""
        return asdict(self) | {"slow": self.is_slow}


def words(bound: float | None) -> tuple[str, int]:
    """How a bound is told to people: the key of a label, and its number."""
    seconds = BOUNDS_S[-1] if bound is None else bound
    how = "more" if bound is None else "at_most"
    for unit, size in (("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= size:
            return f"pace.{how}.{unit}", round(seconds / size)
    return f"pace.{how}.ms", round(seconds * 1000)


def is_slow(late: int, count: int) -> bool:
    return late * 100 > (100 - SHARE) * count


def is_recent(slot: Slot, now: datetime) -> bool:
    return -SLOT < now - slot.began_at < SPAN + SLOT


def bucket(seconds: float) -> int:
    """Where among the counts of a slot it belongs."""
    return bisect_left(BOUNDS_S, seconds)


def paces(slots: Iterable[Slot]) -> Sequence[Pace]:
    """In the order of the ways, the urgent lane first."""
    sums: dict[tuple[Way, Lane, str], list[int]] = {}
    for slot in slots:
        known = sums.setdefault((slot.way, slot.lane, slot.axis), [0] * len(slot.counts))
        known[:] = (one + more for one, more in zip(known, slot.counts, strict=True))
    ways = tuple(Way)
    ordered = sorted(
        sums.items(), key=lambda one: (ways.index(one[0][0]), one[0][1] != Lane.URGENT, one[0][2])
    )
    return [_pace(*key, counts) for key, counts in ordered if any(counts)]


def _pace(way: Way, lane: Lane, axis: str, counts: Sequence[int]) -> Pace:
    within = list(accumulate(counts))
    count = within[-1]
    return Pace(
        way=way,
        lane=lane,
        axis=axis,
        count=count,
        late=count - within[BOUNDS_S.index(LIMIT_S)],
        p50=_held_for(50, within),
        p95=_held_for(95, within),
        p99=_held_for(99, within),
    )


def _held_for(percent: int, within: Sequence[int]) -> float | None:
    """The least bound that held for so many."""
    found = zip(BOUNDS_S, within, strict=False)
    return next((bound for bound, n in found if n * 100 >= percent * within[-1]), None)


# Both are thinned out by nothing but age.
HISTORY_KEPT = timedelta(days=30)
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
