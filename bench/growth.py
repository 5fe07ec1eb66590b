"""Measures the cost of a document as the register grows: the same documents there and back on nodes with few documents
and with many, in turns. In: the sizes. Out: for each, CPU and seconds of a document, the size of the database, and the
cost as a multiple of that with the fewest. SQLite; each node hosts both agencies. Registers are filled in SQL, with
copies of documents that went there and back."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from bench import pair, register, stage, traffic
from bench.amounts import number

SEEDS = 40
SIZE = 10_000
TURNS = 4
# A resting node takes no more CPU than this, in so many seconds.
REST_S, REST_CPU_S = 2.0, 0.2
# Target: a document's cost with the longest register, as a multiple of that with the shortest.
TARGET_RATIO = 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Sizes of the registers, and amounts to send."""

    registers: tuple[int, ...] = number(
        (10_000, 1_000_000), "documents in the register", quick=(1_000, 10_000), read=int
    )
    documents: int = number(320, "documents that are measured at each", quick=64)
    at_once: int = number(32, "how many are under way at once")


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure on nodes of one stage that differ by their registers alone, all of them open at once."""
    seeded = folder / "seeded"
    await pair.prepared(seeded, {"node": [stage.SENDER, stage.RECEIVER]})
    async with pair.at_work(seeded, "node") as node:
        seeds = await pair.papers(folder / "seeds", SIZE, SEEDS)
        await node.ask("send", papers=list(map(str, seeds)), first=1, at_once=SEEDS)
        await node.ask("settle")
    papers = await pair.papers(folder / "papers", SIZE, numbers.at_once + numbers.documents)
    trials = [await asyncio.to_thread(_Trial.make, seeded, size) for size in numbers.registers]
    async with AsyncExitStack() as stack:
        for trial in trials:
            trial.node = await stack.enter_async_context(pair.at_work(trial.folder, "node"))
            await trial.send(papers[: numbers.at_once], SEEDS + 1, numbers.at_once)  # uncounted, to warm up
            await trial.node.ask("settle")
            await trial.wait_until_idle()
        step = max(1, numbers.documents // TURNS)
        for start in range(numbers.at_once, len(papers), step):
            for trial in trials:
                await trial.measure(papers[start : start + step], SEEDS + 1 + start, numbers.at_once)
    rows = [trial.as_row(numbers.documents) for trial in trials]
    return {
        "bytes": SIZE,
        "documents": numbers.documents,
        "at_once": numbers.at_once,
        "wanted": TARGET_RATIO,
        "rows": [row | {"ratio": round(row["cpu_ms"] / rows[0]["cpu_ms"], 2)} for row in rows],
    }


@dataclass(slots=True, kw_only=True)
class _Trial:
    """A node with a register of some size, and its measurements."""

    folder: Path
    register: int
    fill_s: float
    node: pair.Side | None = None
    cpu_s: float = 0.0
    seconds: list[float]

    @classmethod
    def make(cls, seeded: Path, size: int) -> _Trial:
        folder, begun = seeded.with_name(f"register-{size}"), monotonic()
        shutil.copytree(seeded, folder)
        documents = register.grow(folder / "node" / "gateway.db", size)
        return cls(folder=folder, register=documents, fill_s=monotonic() - begun, seconds=[])

    async def send(self, papers: list[Path], first: int, at_once: int) -> list[float]:
        assert self.node is not None
        answer = await self.node.ask("send", papers=list(map(str, papers)), first=first, at_once=at_once)
        return list(answer["seconds"])

    async def wait_until_idle(self) -> None:
        """Wait for the end of a node's work at its start, such as the search for content without references."""
        assert self.node is not None
        async with asyncio.timeout(traffic.PATIENCE_S):
            while True:
                spent_before = await self.node.ask("spent")
                await asyncio.sleep(REST_S)
                if (await self.node.ask("spent"))["cpu"] - spent_before["cpu"] < REST_CPU_S:
                    return

    async def measure(self, papers: list[Path], first: int, at_once: int) -> None:
        assert self.node is not None
        spent_before = await self.node.ask("spent")
        self.seconds += await self.send(papers, first, at_once)
        spent_after = await self.node.ask("spent")
        self.cpu_s += spent_after["cpu"] - spent_before["cpu"]

    def as_row(self, documents: int) -> dict[str, Any]:
        database = self.folder / "node" / "gateway.db"
        return {
            "register": self.register,
            "fill_s": round(self.fill_s, 1),
            "database_mb": round(database.stat().st_size / 1e6),
            "cpu_ms": round(self.cpu_s / documents * 1000, 2),
            "seconds": round(median(self.seconds), 3),
        }
