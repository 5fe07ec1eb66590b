"""What a document costs as the register grows: the same documents there and back on a node with few documents and with
many. In: how many. Out: for each, CPU and seconds of a document, and how large the database is. SQLite; one node hosts
both agencies. The register is filled in SQL, with copies of documents that went there and back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from bench import pair, register, stage
from bench.asked import number

SEEDS = 40
SIZE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How much there is and how much is sent."""

    registers: tuple[int, ...] = number(
        (10_000, 5_000_000), "documents in the register", quick=(1_000, 10_000), read=int
    )
    documents: int = number(320, "documents that are measured at each", quick=64)
    at_once: int = number(32, "how many are under way at once")


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """One node grows; as many documents as are under way at once warm it up each time."""
    await pair.prepared(folder, {"node": [stage.SENDER, stage.RECEIVER]})
    database = folder / "node" / "gateway.db"
    first = 1
    async with pair.at_work(folder, "node") as node:
        seeds = await pair.papers(folder / "seeds", SIZE, SEEDS)
        await node.ask("send", papers=list(map(str, seeds)), first=first, at_once=SEEDS)
        await node.ask("settle")
    first += SEEDS
    rows = []
    for wanted in numbers.registers:
        begun = monotonic()
        there = await asyncio.to_thread(register.grow, database, wanted)
        filled = monotonic() - begun
        warm = numbers.at_once
        papers = await pair.papers(folder / f"papers-{wanted}", SIZE, warm + numbers.documents)
        async with pair.at_work(folder, "node") as node:
            words = {"at_once": numbers.at_once}
            await node.ask("send", papers=list(map(str, papers[:warm])), first=first, **words)
            await node.ask("settle")
            before = await node.ask("spent")
            told = await node.ask("send", papers=list(map(str, papers[warm:])), first=first + warm, **words)
            after = await node.ask("spent")
        first += len(papers)
        rows.append(
            {
                "register": there,
                "fill_s": round(filled, 1),
                "database_mb": round(database.stat().st_size / 1e6),
                "cpu_ms": round((after["cpu"] - before["cpu"]) / numbers.documents * 1000, 2),
                "seconds": round(median(told["seconds"]), 3),
            }
        )
    return {"bytes": SIZE, "documents": numbers.documents, "at_once": numbers.at_once, "rows": rows}
