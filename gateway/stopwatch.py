"""Measures how long this node takes, from an arrival to the commit of a step. In: a metric, a lane and the start. Out:
histograms of this process for monitoring, and its last hour for people. It needs no database, and its memory does not
grow with the number of measurements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from gateway.domain.document import Lane
from gateway.domain.pace import BOUNDS_S, SLOT, Metric, Slot, bucket, is_recent
from gateway.meters import Timing
from gateway.ports.services import Clock

_LABELS = ("lane", "axis")
_TIMINGS = {
    Metric.ACCEPT: Timing(
        "accept", "From a call's arrival at the door to the document accepted.", *_LABELS, buckets=BOUNDS_S
    ),
    Metric.ACCEPT_TO_01: Timing(
        "accept_to_01", "From accepted to the 01 of that recipient taken in.", *_LABELS, buckets=BOUNDS_S
    ),
    Metric.ARRIVAL_TO_ADMITTED: Timing(
        "arrival_to_admitted",
        "From a packet's arrival at this node to the document that it became.",
        *_LABELS,
        buckets=BOUNDS_S,
    ),
}
_ARRIVED_AT: ContextVar[datetime] = ContextVar("came")
_Counts = dict[tuple[Metric, Lane], list[int]]


@contextmanager
def note_arrival(arrived_at: datetime) -> Iterator[None]:
    """Set the arrival of the current call while the body runs."""
    token = _ARRIVED_AT.set(arrived_at)
    try:
        yield
    finally:
        _ARRIVED_AT.reset(token)


def arrived_at() -> datetime | None:
    """Return the arrival of the current call; None for work that the node started itself."""
    return _ARRIVED_AT.get(None)


class Stopwatch:
    """Measurements of one node in this process."""

    def __init__(self, axis: str, clock: Clock) -> None:
        """Start without measurements; `axis` is the kind of the node's axis."""
        self._axis = axis
        self._clock = clock
        self._hour: dict[datetime, _Counts] = {}

    def record(self, metric: Metric, lane: Lane, since: datetime | None) -> None:
        """Record the time from `since` to now for a step that is committed now; without a known start do nothing."""
        if since is None:
            return
        now = self._clock.now()
        seconds = max((now - since).total_seconds(), 0.0)
        _TIMINGS[metric].observe(seconds, lane=lane, axis=self._axis)
        self._slot(now)[metric, lane][bucket(seconds)] += 1

    def slots(self) -> Sequence[Slot]:
        """Return the measurements of the last hour."""
        all_slots = [
            Slot(began_at=began_at, way=metric, lane=lane, axis=self._axis, counts=tuple(counts))
            for began_at, counts_by_pair in self._hour.items()
            for (metric, lane), counts in counts_by_pair.items()
        ]
        now = self._clock.now()
        return [s for s in all_slots if is_recent(s, now)]

    def _slot(self, now: datetime) -> _Counts:
        width = SLOT.total_seconds()
        began_at = datetime.fromtimestamp(now.timestamp() // width * width, UTC)
        if began_at not in self._hour:
            recent = {s.began_at for s in self.slots()}
            self._hour = {at: counts for at, counts in self._hour.items() if at in recent}
            self._hour[began_at] = defaultdict(lambda: [0] * (len(BOUNDS_S) + 1))
        return self._hour[began_at]
