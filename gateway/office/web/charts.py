"""Where the lines, bars and cells of charts stand, and what waited in the node's queues over a day, for the dashboard
and the pages of operations. In: figures, samples. Out: coordinates within a fixed frame, for a template that draws
SVG of them; each chart has its table beside it, that of the queues by the hour. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.pace import DISK, QueueSample
from gateway.domain.wall_clock import local

WIDTH, HEIGHT = 640, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 10, 24
_ROUND_STEPS = (1, 2, 5)
# What stands before and behind a bar.
_NAME, _FIGURE = 270, 110


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartLine:
    """One series: its key in the labels, its points for a polyline in runs (a day without a figure breaks the line)."""

    key: str
    runs: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines over days. `marks` are the heights of the scale with their figures; `days` the places of some days."""

    lines: tuple[ChartLine, ...]
    marks: tuple[tuple[float, float], ...]
    days: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar, or part of one: from `x`, so wide, what it stands for."""

    key: str
    n: int
    x: float
    width: float
    value: float = 0.0


def lines(days: Sequence[str], series: Mapping[str, Sequence[float | None]]) -> Lines:
    """`days` are the labels below; each series has a figure, or none, for each of them."""
    most = max((each for values in series.values() for each in values if each is not None), default=0.0)
    top = _top(most)
    across = (WIDTH - _LEFT - _RIGHT) / max(1, len(days) - 1)

    def place(n: int, value: float) -> tuple[float, float]:
        return round(_LEFT + n * across, 1), round(_height(value, top), 1)

    def line(key: str, values: Sequence[float | None]) -> ChartLine:
        points = [place(n, each) if each is not None else None for n, each in enumerate(values)]
        dots = tuple(each for each in points if each is not None)
        return ChartLine(key=key, runs=tuple(_runs(points)), dots=dots)

    every = max(1, len(days) // 6)
    shown = [n for n in range(len(days)) if (len(days) - 1 - n) % every == 0]
    return Lines(
        lines=tuple(line(key, values) for key, values in series.items()),
        marks=tuple((round(_height(value, top), 1), value) for value in (0.0, top / 2, top)),
        days=tuple((round(_LEFT + n * across, 1), days[n]) for n in shown),
    )


def stack(counts: Mapping[str, int]) -> tuple[Bar, ...]:
    """One bar across, its parts side by side."""
    total = sum(counts.values())
    made, x = [], 0.0
    for key, n in counts.items():
        width = WIDTH * n / total if total else 0.0
        made.append(Bar(key=key, n=n, x=round(x, 1), width=round(width, 1)))
        x += width
    return tuple(made)


def bars(values: Sequence[tuple[str, int, float]]) -> tuple[Bar, ...]:
    """Bars below each other, the longest over the whole width: key, how many, how much."""
    most = max((value for _, _, value in values), default=0.0) or 1.0
    return tuple(
        Bar(key=key, n=n, x=0.0, width=round((WIDTH - _NAME - _FIGURE) * value / most, 1), value=value)
        for key, n, value in values
    )


def shades(grid: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """How dark each cell is, from 0 for none to 4 for the most."""
    most = max((n for row in grid for n in row), default=0)
    return tuple(tuple(0 if n == 0 else 1 + min(3, 4 * (n - 1) // most) for n in row) for row in grid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """A line without a scale, within 120 by 24; `most` is its highest figure."""

    points: str
    most: int


def spark(points: Sequence[tuple[float, int]]) -> Spark:
    """Each point is how far along it is, from 0 to 1, and its figure."""
    most = max((value for _, value in points), default=0)
    drawn = (f"{round(120 * along, 1)},{round(22 - 20 * value / (most or 1), 1)}" for along, value in points)
    return Spark(points=" ".join(drawn), most=most)


def _runs(points: Sequence[tuple[float, float] | None]) -> list[str]:
    runs: list[list[str]] = [[]]
    for each in points:
        if each is None:
            runs.append([])
        else:
            runs[-1].append(f"{each[0]},{each[1]}")
    return [" ".join(run) for run in runs if len(run) > 1]


def _top(most: float) -> float:
    """The round number at the top of the scale: 2, 10, 50."""
    size = 1.0
    while True:
        for step in _ROUND_STEPS:
            if most <= step * size * 2:
                return step * size * 2
        size *= 10


def _height(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * min(value, top) / top


QUEUE_SPAN = timedelta(hours=24)
_QUEUE_STEP = timedelta(minutes=15)
_QUEUE_SLOTS = QUEUE_SPAN // _QUEUE_STEP
# What was put aside waits for a person, not for its turn; the disk is no queue.
_NO_QUEUES = frozenset({"dead", DISK})


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueHour:
    """At most so many waited in that hour, the oldest of them for so many minutes."""

    at: datetime
    depth: int
    minutes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueChart:
    depth: Lines
    oldest: Lines
    hours: tuple[QueueHour, ...]


def queue_chart(samples: Sequence[QueueSample], now: datetime) -> QueueChart | None:
    """None where nothing was sampled within the day."""
    moments = _queue_moments(samples)
    begin = now - QUEUE_SPAN
    depth: list[float | None] = [None] * (_QUEUE_SLOTS + 1)
    oldest: list[float | None] = [None] * (_QUEUE_SLOTS + 1)
    hours: dict[datetime, QueueHour] = {}
    for at, (n, seconds) in moments.items():
        slot = (at - begin) // _QUEUE_STEP
        if not 0 <= slot <= _QUEUE_SLOTS:
            continue
        minutes = round(seconds / 60, 1) if seconds is not None else None
        depth[slot] = max(depth[slot] or 0.0, float(n))
        oldest[slot] = max(oldest[slot] or 0.0, minutes or 0.0)
        hour = local(at).replace(minute=0, second=0, microsecond=0)
        known = hours.get(hour, QueueHour(at=hour, depth=0, minutes=None))
        longest = max((each for each in (known.minutes, minutes) if each is not None), default=None)
        hours[hour] = QueueHour(at=hour, depth=max(known.depth, n), minutes=longest)
    if not hours:
        return None
    times = [local(begin + n * _QUEUE_STEP).strftime("%H:%M") for n in range(_QUEUE_SLOTS + 1)]
    return QueueChart(
        depth=lines(times, {"depth": depth}),
        oldest=lines(times, {"oldest": oldest}),
        hours=tuple(hours[each] for each in sorted(hours, reverse=True)),
    )


def queue_sparks(samples: Sequence[QueueSample], now: datetime) -> Mapping[str, Spark]:
    """A small line for each queue."""
    begin = now - QUEUE_SPAN
    by_queue: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for each in samples:
        if each.at >= begin:
            by_queue[each.queue].append(((each.at - begin) / QUEUE_SPAN, each.depth))
    return {queue: spark(points) for queue, points in by_queue.items()}


def _queue_moments(samples: Sequence[QueueSample]) -> dict[datetime, tuple[int, int | None]]:
    """All queues together: how many, and the longest wait in seconds."""
    found: dict[datetime, tuple[int, int | None]] = {}
    for each in samples:
        if each.queue in _NO_QUEUES:
            continue
        n, longest = found.get(each.at, (0, None))
        known = [age for age in (longest, each.oldest_s) if age is not None]
        found[each.at] = n + each.depth, max(known, default=None)
    return found


DAY_HEIGHT = 96
_DAY_FOOT = 18
_OFFICE_HOURS = (7, 17)


@dataclass(frozen=True, slots=True, kw_only=True)
class HourBars:
    """One hour: where its two bars stand, how high they are, and what they count."""

    hour: int
    x: float
    width: float
    received: int
    sent: int
    up: float
    beside: float

    @property
    def top(self) -> float:
        return DAY_HEIGHT - _DAY_FOOT - self.up

    @property
    def top_beside(self) -> float:
        return DAY_HEIGHT - _DAY_FOOT - self.beside


def day_strip(received: Sequence[int], sent: Sequence[int]) -> tuple[HourBars, ...]:
    """The hours of the office, and those before and after in which something came or left; nothing for an empty day."""
    busy = [n for n in range(24) if received[n] or sent[n]]
    if not busy:
        return ()
    first, last = min(_OFFICE_HOURS[0], busy[0]), max(_OFFICE_HOURS[1], busy[-1])
    most, across = max(*received, *sent), WIDTH / (last - first + 1)
    whole = DAY_HEIGHT - _DAY_FOOT - 6
    return tuple(
        HourBars(
            hour=hour,
            x=round((hour - first) * across, 1),
            width=round(across * 0.36, 1),
            received=received[hour],
            sent=sent[hour],
            up=round(whole * received[hour] / most, 1),
            beside=round(whole * sent[hour] / most, 1),
        )
        for hour in range(first, last + 1)
    )
