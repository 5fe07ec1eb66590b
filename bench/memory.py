"""A 200 MB document from one process to another: what each side's memory grows by at most. In: nothing. Out: per side the
idle memory (open, and one small document behind it) and the peak above it. This is the one figure that is a limit (G8):
the content is streamed, so its size must not matter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import pair
from bench.amounts import number
from bench.machine import MB

SMALL = 10_000
LIMIT = 100 * MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Amounts to send."""

    size: int = number(200 * MB, "bytes of the large document", quick=50 * MB)


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure both sides; `holds` says whether they stayed within the limit."""
    (small,) = await pair.papers(folder / "papers", SMALL, 1)
    (large,) = await pair.papers(folder / "papers", numbers.size, 1)
    async with pair.opened(folder) as nodes:
        await nodes.send([small], 1)
        idle = await nodes.ask("rest")
        sent = await nodes.send([large], 2, do="watch")
        spent = await nodes.ask("spent")
    above = {side: spent[side]["peak"] - idle[side]["resident"] for side in spent}
    return {
        "bytes": numbers.size,
        "seconds": round(max(sent["seconds"]), 2),
        "stalls": sent["stalls"],
        "idle_mb": {side: _mb(idle[side]["resident"]) for side in idle},
        "above_idle_mb": {side: _mb(above[side]) for side in above},
        "limit_mb": _mb(LIMIT),
        "holds": max(above.values()) <= LIMIT,
    }


def _mb(size: int) -> float:
    return round(size / MB, 1)
