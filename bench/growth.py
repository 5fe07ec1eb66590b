"""What a document costs as the register grows: the same documents there and back on nodes with few documents and with
many, in turns. In: how many. Out: for each, CPU and seconds of a document, how large the database is, and how many times as
much a document costs there as with the fewest. SQLite; each node hosts both agencies. Registers are filled in SQL, with
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
from bench.asked import number

SEEDS = 40
SIZE = 10_000
TURNS = 4
# A node rests that takes no more than this, in so long.
REST_S, REST_CPU_S = 2.0, 0.2
# Of what a document costs with the longest register, by what it costs with the shortest: what is wanted.
WANTED = 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How much there is and how much is sent."""

    registers: tuple[int, ...] = number(
        (10_000, 1_000_000), "documents in the register", quick=(1_000, 10_000), read=int
    )
    documents: int = number(320, "documents that are measured at each", quick=64)
    at_once: int = number(32, "how many are under way at once")


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Nodes of one stage that differ by their registers alone, all of them open at once."""
    seeded = folder / "seeded"
    await pair.prepared(seeded, {"node": [stage.SENDER, stage.RECEIVER]})
    async with pair.at_work(seeded, "node") as node:
        seeds = await pair.papers(folder / "seeds", SIZE, SEEDS)
        await node.ask("send", papers=list(map(str, seeds)), first=1, at_once=SEEDS)
        await node.ask("settle")
    papers = await pair.papers(folder / "papers", SIZE, numbers.at_once + numbers.documents)
    grown = [await asyncio.to_thread(_Grown.of, seeded, wanted) for wanted in numbers.registers]
    async with AsyncExitStack() as stack:
        for one in grown:
            one.node = await stack.enter_async_context(pair.at_work(one.folder, "node"))
            await one.send(papers[: numbers.at_once], SEEDS + 1, numbers.at_once)  # not counted: it warms up
            await one.node.ask("settle")
            await one.rest()
        each = max(1, numbers.documents // TURNS)
        for start in range(numbers.at_once, len(papers), each):
            for one in grown:
                await one.measure(papers[start : start + each], SEEDS + 1 + start, numbers.at_once)
    rows = [one.told(numbers.documents) for one in grown]
    return {
        "bytes": SIZE,
        "documents": numbers.documents,
        "at_once": numbers.at_once,
        "wanted": WANTED,
        "rows": [row | {"ratio": round(row["cpu_ms"] / rows[0]["cpu_ms"], 2)} for row in rows],
    }


@dataclass(slots=True, kw_only=True)
class _Grown:
    """A node with a register of some size, and what was measured of it."""

    folder: Path
    register: int
    fill_s: float
    node: pair.Side | None = None
    cpu_s: float = 0.0
    seconds: list[float]

    @classmethod
    def of(cls, seeded: Path, wanted: int) -> _Grown:
        folder, begun = seeded.with_name(f"register-{wanted}"), monotonic()
        shutil.copytree(seeded, folder)
        there = register.grow(folder / "node" / "gateway.db", wanted)
        return cls(folder=folder, register=there, fill_s=monotonic() - begun, seconds=[])

    async def send(self, papers: list[Path], first: int, at_once: int) -> list[float]:
        assert self.node is not None
        told = await self.node.ask("send", papers=list(map(str, papers)), first=first, at_once=at_once)
        return list(told["seconds"])

    async def rest(self) -> None:
        """Until what a node does at its start, such as looking through all content for what nobody refers to, is over."""
        assert self.node is not None
        async with asyncio.timeout(traffic.PATIENCE_S):
            while True:
                before = await self.node.ask("spent")
                await asyncio.sleep(REST_S)
                if (await self.node.ask("spent"))["cpu"] - before["cpu"] < REST_CPU_S:
                    return

    async def measure(self, papers: list[Path], first: int, at_once: int) -> None:
        assert self.node is not None
        before = await self.node.ask("spent")
        self.seconds += await self.send(papers, first, at_once)
        after = await self.node.ask("spent")
        self.cpu_s += after["cpu"] - before["cpu"]

    def told(self, documents: int) -> dict[str, Any]:
        database = self.folder / "node" / "gateway.db"
        return {
            "register": self.register,
            "fill_s": round(self.fill_s, 1),
            "database_mb": round(database.stat().st_size / 1e6),
            "cpu_ms": round(self.cpu_s / documents * 1000, 2),
            "seconds": round(median(self.seconds), 3),
        }
