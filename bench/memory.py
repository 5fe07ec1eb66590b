"""A 200 MB document from one process to another: what each side's memory grows by at most. In: nothing. Out: per side the
idle memory (open, and one small document behind it) and the peak above it. This is the one figure that is a limit (G8):
the content is streamed, so its size must not matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import pair
from bench.machine import MB

SIZE = 200 * MB
SMALL = 10_000
LIMIT = 100 * MB


async def measure(folder: Path) -> dict[str, Any]:
    """`holds` says whether both sides stayed within the limit."""
    (small,) = await pair.papers(folder / "papers", SMALL, 1)
    (large,) = await pair.papers(folder / "papers", SIZE, 1)
    async with pair.opened(folder) as nodes:
        await nodes.send(small, "1")
        idle = await nodes.ask("rest")
        sent = await nodes.send(large, "2", do="watch")
        after = await nodes.ask("spent")
    above = {side: after[side]["peak"] - idle[side]["resident"] for side in after}
    return {
        "bytes": SIZE,
        "seconds": round(sent["seconds"], 2),
        "stalls": sent["stalls"],
        "idle_mb": {side: _mb(idle[side]["resident"]) for side in idle},
        "above_idle_mb": {side: _mb(above[side]) for side in above},
        "limit_mb": _mb(LIMIT),
        "holds": max(above.values()) <= LIMIT,
    }


def _mb(size: int) -> float:
    return round(size / MB, 1)
