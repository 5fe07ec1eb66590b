"""How long a node's event loop keeps others waiting while documents pass, beside a node that does nothing, in the same
seconds of the same machine. In: so many documents a second. Out: how late a task is woken that asks for it every 2 ms:
half of the times, the 99th and 99.9th percentile and the longest, of both nodes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from bench import pair, stage
from bench.asked import number


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How much is sent."""

    size: int = number(10_000, "bytes of a document")
    per_second: float = number(100.0, "documents a second", quick=20.0)
    documents: int = number(3000, "documents in all", quick=200)
    at_once: int = number(64, "how many may be under way", quick=32)


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """As many documents as may be under way warm up and are not counted."""
    warm = numbers.at_once
    papers = await pair.papers(folder / "papers", numbers.size, warm + numbers.documents)
    await pair.prepared(folder, {"busy": [stage.SENDER, stage.RECEIVER], "idle": ["Z95"]})
    async with pair.at_work(folder, "busy") as busy, pair.at_work(folder, "idle") as idle:
        words = {"at_once": numbers.at_once, "every_s": 1 / numbers.per_second}
        await busy.ask("send", papers=list(map(str, papers[:warm])), first=1, **words)
        begun = monotonic()
        await idle.tell("still")
        told = await busy.ask("watch", papers=list(map(str, papers[warm:])), first=warm + 1, **words)
        still = await idle.ask("enough")
        seconds = monotonic() - begun
    return {
        "bytes": numbers.size,
        "documents": numbers.documents,
        "asked_per_second": numbers.per_second,
        "per_second": round(numbers.documents / seconds, 1),
        "busy": told["stalls"],
        "idle": still["stalls"],
    }
