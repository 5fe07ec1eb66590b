"""How long this node takes to serve, measured where a step is committed. In: a way, a lane and when it began. Out: the
histograms of this process for monitoring, and its last hour for people. It asks no database, and what it keeps does not
grow with what it measures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from gateway.domain.document import Lane
from gateway.domain.pace import BOUNDS_S, SLOT, Slot, Way, bucket, is_recent
from gateway.meters import Timing
from gateway.ports.services import Clock

_LABELS = ("lane", "axis")
_TIMINGS = {
    Way.ACCEPT: Timing(
        "accept", "From a call's arrival at the door to the document accepted.", *_LABELS, buckets=BOUNDS_S
    ),
    Way.ACCEPT_TO_01: Timing(
        "accept_to_01", "From accepted to the 01 of that recipient taken in.", *_LABELS, buckets=BOUNDS_S
    ),
    Way.ARRIVAL_TO_ADMITTED: Timing(
        "arrival_to_admitted",
        "From a packet's arrival at this node to the document that it became.",
        *_LABELS,
        buckets=BOUNDS_S,
    ),
}
_CAME: ContextVar[datetime] = ContextVar("came")
_Counts = dict[tuple[Way, Lane], list[int]]


@contextmanager
def at_door(came: datetime) -> Iterator[None]:
    """What is done inside was asked for by a call that came then."""
    token = _CAME.set(came)
    try:
        yield
    finally:
        _CAME.reset(token)


def came() -> datetime | None:
    """When the call at hand came; None for what the node does by itself."""
    return _CAME.get(None)


class Stopwatch:
    """One node's in this process. Made by the wiring."""

    def __init__(self, axis: str, clock: Clock) -> None:
        """`axis` is the sort of axis that the node is on."""
        self._axis = axis
        self._clock = clock
        self._hour: dict[datetime, _Counts] = {}

    def took(self, way: Way, lane: Lane, since: datetime | None) -> None:
        """It is committed now, and began then; where nobody knows when, it is not counted."""
        if since is None:
            return
        now = self._clock.now()
        seconds = max((now - since).total_seconds(), 0.0)
        _TIMINGS[way].took(seconds, lane=lane, axis=self._axis)
        self._slot(now)[way, lane][bucket(seconds)] += 1

    def slots(self) -> Sequence[Slot]:
        """The last hour."""
        kept = [
            Slot(began_at=began_at, way=way, lane=lane, axis=self._axis, counts=tuple(counts))
            for began_at, by_way in self._hour.items()
            for (way, lane), counts in by_way.items()
        ]
        now = self._clock.now()
        return [each for each in kept if is_recent(each, now)]

    def _slot(self, now: datetime) -> _Counts:
        width = SLOT.total_seconds()
        began_at = datetime.fromtimestamp(now.timestamp() // width * width, UTC)
        if began_at not in self._hour:
            recent = {each.began_at for each in self.slots()}
            self._hour = {at: counts for at, counts in self._hour.items() if at in recent}
            self._hour[began_at] = defaultdict(lambda: [0] * (len(BOUNDS_S) + 1))
        return self._hour[began_at]
