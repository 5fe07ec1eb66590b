"""A 10 MB document there and back on one node that hosts both agencies: accept, pack, axis, admit, and the 01 at the
sender again. Out: seconds, the end of each leg, and the event loop's stalls meanwhile beside those of the idle node."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import heartbeat, pair, stage, traffic
from bench.amounts import number
from bench.machine import MB

IDLE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Amounts to send."""

    size: int = number(10 * MB, "bytes of a document")
    rounds: int = number(7, "documents, one after another", quick=2)


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure the rounds. The first one warms up and is not counted."""
    papers = await pair.papers(folder / "papers", numbers.size, numbers.rounds + 1)
    await stage.prepare(folder, {"node": [stage.SENDER, stage.RECEIVER]})
    legs, stalls = [], []
    async with stage.opened(folder, "node") as node:
        for n, paper in enumerate(papers, start=1):
            async with heartbeat.measure_stalls() as late:
                begun = node.clock.now()
                await traffic.there_and_back(node, [paper], n, 1)
            legs.append(await traffic.legs(node, begun))
            stalls.append(late)
        async with heartbeat.measure_stalls() as idle:
            await asyncio.sleep(IDLE_S)
    seconds = [ends["01 back"] for ends in legs[1:]]
    return {
        "bytes": numbers.size,
        "rounds": numbers.rounds,
        "seconds": round(median(seconds), 3),
        "slowest_seconds": round(max(seconds), 3),
        "legs": {leg: median(ends[leg] for ends in legs[1:]) for leg in traffic.LEGS},
        "stalls": {
            "p50_ms": round(median(late.p50_ms for late in stalls[1:]), 2),
            "p99_ms": round(median(late.p99_ms for late in stalls[1:]), 2),
            "max_ms": max(late.max_ms for late in stalls[1:]),
            "median_max_ms": round(median(late.max_ms for late in stalls[1:]), 2),
        },
        "idle_stalls": idle.as_json(),
    }
