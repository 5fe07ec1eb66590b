"""What waited in the node's queues over a day, for the dashboard and the page of queues. In: samples. Out: lines for a
template that draws them, and their table by the hour. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.node_history import DISK, QueueSample
from gateway.domain.wall_clock import local
from gateway.office.web import charts

SPAN = timedelta(hours=24)
_STEP = timedelta(minutes=15)
_SLOTS = SPAN // _STEP
# What was put aside waits for a person, not for its turn; the disk is no queue.
_NO_QUEUES = frozenset({"dead", DISK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """At most so many waited in that hour, the oldest of them for so many minutes."""

    at: datetime
    depth: int
    minutes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueChart:
    depth: charts.Lines
    oldest: charts.Lines
    hours: tuple[Hour, ...]


def of(samples: Sequence[QueueSample], now: datetime) -> QueueChart | None:
    """None where nothing was sampled within the day."""
    moments = _moments(samples)
    begin = now - SPAN
    depth: list[float | None] = [None] * (_SLOTS + 1)
    oldest: list[float | None] = [None] * (_SLOTS + 1)
    hours: dict[datetime, Hour] = {}
    for at, (n, seconds) in moments.items():
        slot = (at - begin) // _STEP
        if not 0 <= slot <= _SLOTS:
            continue
        minutes = round(seconds / 60, 1) if seconds is not None else None
        depth[slot] = max(depth[slot] or 0.0, float(n))
        oldest[slot] = max(oldest[slot] or 0.0, minutes or 0.0)
        hour = local(at).replace(minute=0, second=0, microsecond=0)
        known = hours.get(hour, Hour(at=hour, depth=0, minutes=None))
        longest = max((each for each in (known.minutes, minutes) if each is not None), default=None)
        hours[hour] = Hour(at=hour, depth=max(known.depth, n), minutes=longest)
    if not hours:
        return None
    times = [local(begin + n * _STEP).strftime("%H:%M") for n in range(_SLOTS + 1)]
    return QueueChart(
        depth=charts.lines(times, {"depth": depth}),
        oldest=charts.lines(times, {"oldest": oldest}),
        hours=tuple(hours[each] for each in sorted(hours, reverse=True)),
    )


def sparks(samples: Sequence[QueueSample], now: datetime) -> Mapping[str, charts.Spark]:
    """A small line for each queue."""
    begin = now - SPAN
    by_queue: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for each in samples:
        if each.at >= begin:
            by_queue[each.queue].append(((each.at - begin) / SPAN, each.depth))
    return {queue: charts.spark(points) for queue, points in by_queue.items()}


def _moments(samples: Sequence[QueueSample]) -> dict[datetime, tuple[int, int | None]]:
    """All queues together: how many, and the longest wait in seconds."""
    found: dict[datetime, tuple[int, int | None]] = {}
    for each in samples:
        if each.queue in _NO_QUEUES:
            continue
        n, longest = found.get(each.at, (0, None))
        known = [age for age in (longest, each.oldest_s) if age is not None]
        found[each.at] = n + each.depth, max(known, default=None)
    return found
