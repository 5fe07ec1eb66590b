"""CPU seconds of one document, both sides together, at three sizes; and how many times the bare operations that is. In:
nothing. Out: per size the median over several documents sent one after another, from file to 01."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from bench import pair, primitives
from bench.machine import MB

# Size → how many documents.
SIZES = {10_000: 20, MB: 12, 10 * MB: 7}
_SIDES = ("sender", "receiver")


async def measure(folder: Path) -> dict[str, Any]:
    """The first document of each size warms up and is not counted."""
    rows = {}
    async with pair.opened(folder) as nodes:
        number = 0
        for size, count in SIZES.items():
            spent: dict[str, list[float]] = {side: [] for side in _SIDES}
            seconds = []
            for paper in await pair.papers(folder / "papers", size, count + 1):
                number += 1
                before = await nodes.ask("spent")
                seconds.append((await nodes.send(paper, str(number)))["seconds"])
                after = await nodes.ask("spent")
                for side in _SIDES:
                    spent[side].append(after[side]["cpu"] - before[side]["cpu"])
            rows[str(size)] = _row(size, spent, seconds)
    return {"documents": {str(size): count for size, count in SIZES.items()}, "sizes": rows}


def _row(size: int, spent: dict[str, list[float]], seconds: list[float]) -> dict[str, float]:
    both = median(map(sum, zip(*(spent[side][1:] for side in _SIDES), strict=True)))
    bare = primitives.exchange(size)
    return {
        "cpu_s": round(both, 4),
        **{f"{side}_cpu_s": round(median(spent[side][1:]), 4) for side in _SIDES},
        "primitives_cpu_s": round(bare, 5),
        "ratio": round(both / bare, 1),
        "seconds": round(median(seconds[1:]), 3),
    }
