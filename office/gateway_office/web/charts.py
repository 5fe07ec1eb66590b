"""Coordinates of the lines, bars and cells of charts, and the length of the node's queues over a day, for the
dashboard and the pages of operations. In: figures, samples. Out: coordinates within a fixed frame, for a template that
draws SVG of them; each chart has its table beside it, that of the queues by the hour. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.pace import DISK, QueueSample
from gateway.domain.wall_clock import local

WIDTH, HEIGHT = 640, 190
_MARGIN_LEFT, _MARGIN_RIGHT, _MARGIN_TOP, _MARGIN_BOTTOM = 44, 10, 10, 24
_ROUND_STEPS = (1, 2, 5)
# Widths of the texts before and behind a bar.
_NAME, _FIGURE = 270, 110
QUEUE_SPAN = timedelta(hours=24)
_QUEUE_STEP = timedelta(minutes=15)
_QUEUE_SLOTS = QUEUE_SPAN // _QUEUE_STEP
# Dead letters wait for a person, not for their turn; the disk is no queue.
_NO_QUEUES = frozenset({"dead", DISK})
DAY_HEIGHT = 96
_DAY_FOOT = 18
_OFFICE_HOURS = (7, 17)


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
    """One bar, or part of one: its left edge `x`, its width, its figures."""

    key: str
    n: int
    x: float
    width: float
    value: float = 0.0


def lines(days: Sequence[str], series: Mapping[str, Sequence[float | None]]) -> Lines:
    """Lay out lines. `days` are the labels below; each series has a figure, or none, for each of them."""
    most = max((figure for values in series.values() for figure in values if figure is not None), default=0.0)
    top = _top(most)
    across = (WIDTH - _MARGIN_LEFT - _MARGIN_RIGHT) / max(1, len(days) - 1)

    def place(n: int, value: float) -> tuple[float, float]:
        return round(_MARGIN_LEFT + n * across, 1), round(_height(value, top), 1)

    def line(key: str, values: Sequence[float | None]) -> ChartLine:
        points = [place(n, value) if value is not None else None for n, value in enumerate(values)]
        dots = tuple(value for value in points if value is not None)
        return ChartLine(key=key, runs=tuple(_runs(points)), dots=dots)

    every = max(1, len(days) // 6)
    labelled = [n for n in range(len(days)) if (len(days) - 1 - n) % every == 0]
    return Lines(
        lines=tuple(line(key, values) for key, values in series.items()),
        marks=tuple((round(_height(value, top), 1), value) for value in (0.0, top / 2, top)),
        days=tuple((round(_MARGIN_LEFT + n * across, 1), days[n]) for n in labelled),
    )


def stack(counts: Mapping[str, int]) -> tuple[Bar, ...]:
    """Lay out one bar across, its parts side by side."""
    total = sum(counts.values())
    parts, x = [], 0.0
    for key, n in counts.items():
        width = WIDTH * n / total if total else 0.0
        parts.append(Bar(key=key, n=n, x=round(x, 1), width=round(width, 1)))
        x += width
    return tuple(parts)


def bars(values: Sequence[tuple[str, int, float]]) -> tuple[Bar, ...]:
    """Lay out bars below each other, the longest over the whole width: key, how many, how much."""
    most = max((value for _, _, value in values), default=0.0) or 1.0
    return tuple(
        Bar(key=key, n=n, x=0.0, width=round((WIDTH - _NAME - _FIGURE) * value / most, 1), value=value)
        for key, n, value in values
    )


def shades(grid: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Return the shade of each cell, from 0 for none to 4 for the most."""
    most = max((n for row in grid for n in row), default=0)
    return tuple(tuple(0 if n == 0 else 1 + min(3, 4 * (n - 1) // most) for n in row) for row in grid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """Line without a scale, within 120 by 24; `most` is its highest figure."""

    points: str
    most: int


def spark(points: Sequence[tuple[float, int]]) -> Spark:
    """Lay out a spark line. Each point is its place along the line, from 0 to 1, and its figure."""
    most = max((value for _, value in points), default=0)
    pairs = (f"{round(120 * along, 1)},{round(22 - 20 * value / (most or 1), 1)}" for along, value in points)
    return Spark(points=" ".join(pairs), most=most)


def _runs(points: Sequence[tuple[float, float] | None]) -> list[str]:
    runs: list[list[str]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(f"{point[0]},{point[1]}")
    return [" ".join(run) for run in runs if len(run) > 1]


def _top(most: float) -> float:
    """Return the round number at the top of the scale: 2, 10, 50."""
    size = 1.0
    while True:
        for step in _ROUND_STEPS:
            if most <= step * size * 2:
                return step * size * 2
        size *= 10


def _height(value: float, top: float) -> float:
    return HEIGHT - _MARGIN_BOTTOM - (HEIGHT - _MARGIN_TOP - _MARGIN_BOTTOM) * min(value, top) / top


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueHour:
    """At most `depth` rows waited in that hour, the oldest of them for `minutes`."""

    at: datetime
    depth: int
    minutes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueChart:
    depth: Lines
    oldest: Lines
    hours: tuple[QueueHour, ...]


def queue_chart(samples: Sequence[QueueSample], now: datetime) -> QueueChart | None:
    """Chart the queues; None where the day has no samples."""
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
        previous = hours.get(hour, QueueHour(at=hour, depth=0, minutes=None))
        longest = max((age for age in (previous.minutes, minutes) if age is not None), default=None)
        hours[hour] = QueueHour(at=hour, depth=max(previous.depth, n), minutes=longest)
    if not hours:
        return None
    times = [local(begin + n * _QUEUE_STEP).strftime("%H:%M") for n in range(_QUEUE_SLOTS + 1)]
    return QueueChart(
        depth=lines(times, {"depth": depth}),
        oldest=lines(times, {"oldest": oldest}),
        hours=tuple(hours[age] for age in sorted(hours, reverse=True)),
    )


def queue_sparks(samples: Sequence[QueueSample], now: datetime) -> Mapping[str, Spark]:
    """Make a small line for each queue."""
    begin = now - QUEUE_SPAN
    by_queue: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for sample in samples:
        if sample.at >= begin:
            by_queue[sample.queue].append(((sample.at - begin) / QUEUE_SPAN, sample.depth))
    return {queue: spark(points) for queue, points in by_queue.items()}


def _queue_moments(samples: Sequence[QueueSample]) -> dict[datetime, tuple[int, int | None]]:
    """Sum all queues by moment: how many wait, and the longest wait in seconds."""
    moments: dict[datetime, tuple[int, int | None]] = {}
    for sample in samples:
        if sample.queue in _NO_QUEUES:
            continue
        n, longest = moments.get(sample.at, (0, None))
        ages = [age for age in (longest, sample.oldest_s) if age is not None]
        moments[sample.at] = n + sample.depth, max(ages, default=None)
    return moments


@dataclass(frozen=True, slots=True, kw_only=True)
class HourBars:
    """One hour: place and height of its two bars, and the counts behind them."""

    hour: int
    x: float
    width: float
    received: int
    sent: int
    received_height: float
    sent_height: float

    @property
    def top(self) -> float:
        return DAY_HEIGHT - _DAY_FOOT - self.received_height

    @property
    def sent_top(self) -> float:
        return DAY_HEIGHT - _DAY_FOOT - self.sent_height


def day_strip(received: Sequence[int], sent: Sequence[int]) -> tuple[HourBars, ...]:
    """Lay out the office hours, and the hours before and after that have mail; empty for an empty day."""
    busy = [n for n in range(24) if received[n] or sent[n]]
    if not busy:
        return ()
    first, last = min(_OFFICE_HOURS[0], busy[0]), max(_OFFICE_HOURS[1], busy[-1])
    most, across = max(*received, *sent), WIDTH / (last - first + 1)
    height = DAY_HEIGHT - _DAY_FOOT - 6
    return tuple(
        HourBars(
            hour=hour,
            x=round((hour - first) * across, 1),
            width=round(across * 0.36, 1),
            received=received[hour],
            sent=sent[hour],
            received_height=round(height * received[hour] / most, 1),
            sent_height=round(height * sent[hour] / most, 1),
        )
        for hour in range(first, last + 1)
    )
