"""A burst of small documents by the API: so many a second for so long, whatever the node makes of it; then as many as
it takes at once; then an urgent one behind large ones. On SQLite in one process and in two, and on PostgreSQL and
RabbitMQ in several. Out: how long callers waited for 202 and documents for their 01, documents a second, and whose CPU
that was."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from bench import papers, servers
from bench.amounts import number
from bench.served import Served, opened
from gateway.domain.event import EventKind

SQLITE, SPLIT, POSTGRESQL = "sqlite", "sqlite-split", "postgresql"
WARM_UP = 32
# Limit of the 99th of a hundred documents from 202 to 01.
LIMITS_S = {SQLITE: 2.0, SPLIT: 2.0, POSTGRESQL: 1.0}
URGENT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Amounts to send."""

    size: int = number(10_000, "bytes of a small document")
    per_second: float = number(50.0, "documents a second", quick=10.0)
    seconds: float = number(120.0, "for so long", quick=5.0)
    most: int = number(1000, "documents that are sent as fast as they are taken", quick=100)
    at_once: int = number(64, "callers of those", quick=16)
    large: int = number(200, "large documents before the urgent one", quick=6)
    large_size: int = number(10_000_000, "bytes of a large document")
    processes: int = number(2, "processes of the node on PostgreSQL and RabbitMQ")
    split: tuple[str, ...] = number(("web", "worker"), "roles of the processes on one SQLite file", read=str)
    patience_s: float = number(600.0, "seconds until it is given up")
    grounds: tuple[str, ...] = number((SQLITE, SPLIT, POSTGRESQL), "on what the node stands", read=str)


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure every ground. `holds`: each document of the burst has its 01, once. Grounds without servers: `missing`."""
    folder.chmod(0o755)  # PostgreSQL runs as a user of its own
    rows, missing = {}, []
    for ground in numbers.grounds:
        if ground == POSTGRESQL and not servers.installed():
            missing.append(ground)
            continue
        (folder / ground).mkdir()
        roles = {SQLITE: ["all"], SPLIT: numbers.split, POSTGRESQL: ["all"] * numbers.processes}[ground]
        async with opened(folder / ground, roles, servers_below=ground == POSTGRESQL) as node:
            rows[ground] = await run(node, numbers) | {"limit_s": LIMITS_S[ground]}
    return {
        "bytes": numbers.size,
        "asked_per_second": numbers.per_second,
        "asked_seconds": numbers.seconds,
        "large_bytes": numbers.large_size,
        "urgent_limit_s": URGENT_S,
        "grounds": rows,
        "missing": missing,
        "holds": all(row["once"] for row in rows.values()),
    }


async def run(node: Served, numbers: Numbers) -> dict[str, Any]:
    """Run the burst on a node that is up."""
    makes = random.Random(numbers.size)
    await send_as_fast(node, numbers, WARM_UP, makes)
    burst = await _burst(node, numbers, makes)
    most = await send_as_fast(node, numbers, numbers.most, makes)
    sent = WARM_UP + round(numbers.per_second * numbers.seconds) + numbers.most
    once = (
        await node.count(EventKind.DELIVERY_STATUS)
        == sent
        == len(await node.times(EventKind.DELIVERY_STATUS))
    )
    return (
        burst | most | {"processes": len(node.processes), "once": once} | await _urgent(node, numbers, makes)
    )


async def _burst(node: Served, numbers: Numbers, makes: random.Random) -> dict[str, Any]:
    """Send each at its time, late answers or not; a caller's wait counts from that time."""
    count = round(numbers.per_second * numbers.seconds)
    answered_before = await node.count(EventKind.DELIVERY_STATUS)
    waits: list[float] = []
    ids: list[str] = []

    async def send_one(content: bytes, due: float) -> None:
        ids.append(await node.send(content))
        waits.append(perf_counter() - due)

    begun = perf_counter()
    async with asyncio.TaskGroup() as callers:
        for n in range(count):
            content, due = papers.content(numbers.size, makes.getrandbits(60)), begun + n / numbers.per_second
            await asyncio.sleep(due - perf_counter())
            callers.create_task(send_one(content, due))
    await node.until_answered(answered_before + count, numbers.patience_s)
    return {"documents": count, "accept": shares(waits), "to_01": shares(await _to_01(node, ids))}


async def _to_01(node: Served, ids: Sequence[str]) -> list[float]:
    """Return the seconds from accepted to the 01 recorded, by the node's own events."""
    accepted, answered = (
        await node.times(EventKind.MESSAGE_ACCEPTED),
        await node.times(EventKind.DELIVERY_STATUS),
    )
    return [(answered[id] - accepted[id]).total_seconds() for id in ids]


async def send_as_fast(node: Served, numbers: Numbers, count: int, makes: random.Random) -> dict[str, Any]:
    """Send as fast as possible: callers send their next at the 202 of their last; counted until the last 01."""
    answered_before = await node.count(EventKind.DELIVERY_STATUS)
    contents = iter([papers.content(numbers.size, makes.getrandbits(60)) for _ in range(count)])
    ids: list[str] = []

    async def caller() -> None:
        for content in contents:
            id = await node.send(content)
            ids.append(id)

    spent = node.cpu()
    async with asyncio.TaskGroup() as callers:
        for _ in range(numbers.at_once):
            callers.create_task(caller())
    await node.until_answered(answered_before + count, numbers.patience_s)
    now = node.cpu()
    accepted, answered = (
        await node.times(EventKind.MESSAGE_ACCEPTED),
        await node.times(EventKind.DELIVERY_STATUS),
    )
    seconds = (max(answered[id] for id in ids) - min(accepted[id] for id in ids)).total_seconds()
    return {
        "most_documents": count,
        "most_per_second": round(count / max(seconds, 0.001), 1),
        "cpu_ms": {name: round((now[name] - spent[name]) / count * 1000, 1) for name in now},
    }


async def _urgent(node: Served, numbers: Numbers, makes: random.Random) -> dict[str, Any]:
    """Send an urgent document behind large ones, which are not waited for."""
    answered_before = await node.count(EventKind.DELIVERY_STATUS)
    remaining = iter(range(numbers.large))

    async def caller() -> None:
        for _ in remaining:
            await node.send(papers.content(numbers.large_size, makes.getrandbits(60)))

    async with asyncio.TaskGroup() as callers:
        for _ in range(4):
            callers.create_task(caller())
    waiting = numbers.large - (await node.count(EventKind.DELIVERY_STATUS) - answered_before)
    begun = perf_counter()
    urgent = await node.send(papers.content(numbers.size, makes.getrandbits(60)), "hoa_toc")
    answered_s = perf_counter() - begun
    await node.until_has(EventKind.DELIVERY_STATUS, urgent, numbers.patience_s)
    (seconds,) = await _to_01(node, [urgent])
    return {
        "large": numbers.large,
        "large_waiting": waiting,
        "urgent_answered_s": round(answered_s, 3),
        "urgent_s": round(seconds, 3),
    }


def shares(seconds: Sequence[float]) -> dict[str, float]:
    """Return the times that half, 95 and 99 of a hundred stayed within, and the longest."""
    ordered = sorted(seconds)
    at = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)
        for name, share in at.items()
    }
