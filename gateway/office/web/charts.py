"""Where the lines, bars and cells of the dashboard's charts stand. In: figures. Out: coordinates within a fixed frame, for
a template that draws SVG of them; each chart has its table beside it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 10, 24
_STEPS = (1, 2, 5)
# What stands before and behind a bar.
_NAME, _FIGURE = 270, 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series: its key in the labels, its points for a polyline in runs (a day without a figure breaks the line)."""

    key: str
    runs: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines over days. `marks` are the heights of the scale with their figures; `days` the places of some days."""

    lines: tuple[Line, ...]
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

    made = []
    for key, values in series.items():
        points = [place(n, each) if each is not None else None for n, each in enumerate(values)]
        made.append(
            Line(key=key, runs=tuple(_runs(points)), dots=tuple(each for each in points if each is not None))
        )
    every = max(1, len(days) // 6)
    shown = [n for n in range(len(days)) if (len(days) - 1 - n) % every == 0]
    return Lines(
        lines=tuple(made),
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
        for step in _STEPS:
            if most <= step * size * 2:
                return step * size * 2
        size *= 10


def _height(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * min(value, top) / top
