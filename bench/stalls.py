"""How long a node's event loop keeps others waiting while documents pass, beside a node that does nothing, in the same
seconds of the same machine. In: so many documents a second, shared by the processes of the busy node. Out: how late a
task is woken that asks for it every 2 ms: half of the times, the 99th and 99.9th percentile and the longest, of both
nodes; of several processes the worst."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from bench import pair, stage
from bench.amounts import number
from bench.pair import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Amounts to send."""

    size: int = number(10_000, "bytes of a document")
    per_second: float = number(100.0, "documents a second", quick=20.0)
    documents: int = number(3000, "documents in all", quick=200)
    at_once: int = number(64, "how many may be under way", quick=32)
    busy_processes: int = number(2, "processes of the busy node, on one SQLite file", quick=1)


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure both nodes. As many documents as may be under way warm up and are not counted."""
    warm = numbers.at_once
    papers = await pair.papers(folder / "papers", numbers.size, warm + numbers.documents)
    await pair.prepared(folder, {"busy": [stage.SENDER, stage.RECEIVER], "idle": ["Z95"]})
    async with AsyncExitStack() as stack:
        busy = [
            await stack.enter_async_context(pair.at_work(folder, "busy"))
            for _ in range(numbers.busy_processes)
        ]
        idle = await stack.enter_async_context(pair.at_work(folder, "idle"))
        await _sent(busy, "send", papers[:warm], 1, numbers)
        begun = monotonic()
        await idle.tell("still")
        answers = await _sent(busy, "watch", papers[warm:], warm + 1, numbers)
        still = await idle.ask("enough")
        seconds = monotonic() - begun
    return {
        "bytes": numbers.size,
        "documents": numbers.documents,
        "asked_per_second": numbers.per_second,
        "per_second": round(numbers.documents / seconds, 1),
        "busy": {name: max(a["stalls"][name] for a in answers) for name in answers[0]["stalls"]},
        "idle": still["stalls"],
    }


async def _sent(
    sides: Sequence[Side], do: str, papers: Sequence[Path], first: int, numbers: Numbers
) -> list[dict[str, Any]]:
    """Send by all of them, each its share."""
    shares = [papers[place :: len(sides)] for place in range(len(sides))]
    calls = [
        side.ask(
            do,
            papers=list(map(str, share)),
            first=first + sum(map(len, shares[:place])),
            at_once=max(1, numbers.at_once // len(sides)),
            every_s=len(sides) / numbers.per_second,
        )
        for place, (side, share) in enumerate(zip(sides, shares, strict=True))
    ]
    return await asyncio.gather(*calls)
