"""One worker process and two on one PostgreSQL and one broker, on the way out: from the accepted document to the packet
that the broker has confirmed. In: nothing; it brings its own servers. Out: documents a second and their ratio, with a
signing service that takes 20 ms for each signature in one session per process, and with local keys; the CPU of workers,
broker and database; and whether any document was worked on twice."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import asyncpg

from bench import pair, servers, stage, traffic
from bench.amounts import number
from bench.pair import Broken, Side
from bench.servers import Servers
from bench.worker import Counted
from gateway.domain.event import EventKind
from gateway.settings import load
from gateway_office.bootstrap.office import open_office

SIZE = 10_000
WARM_UP = 16
SIGN_MS = 20.0
TARGET_SPEEDUP = 1.8
PATIENCE_S = 300.0
SETTLE_S = 3.0  # the work of every process at its start is done by then
_ACCEPTED = "accepted"
_HOLD = "UPDATE job SET not_before = 'infinity'"
_RELEASE = "UPDATE job SET not_before = NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Amounts to send."""

    documents: int = number(400, "documents a run", quick=60)
    rounds: int = number(3, "runs of one and of two processes, in turns", quick=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One batch of documents, finished by so many processes."""

    per_second: float
    worker_ms: float
    broker_ms: float
    database_ms: float
    twice: int


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure both cases. One and two processes take turns, so that a slow machine slows both and their ratio stays."""
    figures: dict[str, Any] = {
        "bytes": SIZE,
        "documents": numbers.documents,
        "rounds": numbers.rounds,
        "sign_ms": SIGN_MS,
        "wanted": TARGET_SPEEDUP,
    }
    async with _accepted(folder, numbers.documents) as below:
        for case, sign_ms in (("remote", SIGN_MS), ("local", 0.0)):
            runs: dict[int, list[Run]] = {1: [], 2: []}
            for n in range(numbers.rounds):
                for count in (1, 2):
                    name = f"{case}{n}x{count}"
                    runs[count].append(await _run(below, name, count, sign_ms, numbers.documents))
            figures[case] = {str(count): _best(several) for count, several in runs.items()}
            ratios = [b.per_second / a.per_second for a, b in zip(runs[1], runs[2], strict=True)]
            figures[case] |= {"ratio": round(median(ratios), 2), "ratios": [round(a, 2) for a in ratios]}
    figures["twice"] = sum(figures[case][count]["twice"] for case in ("remote", "local") for count in "12")
    figures["holds"] = figures["twice"] == 0
    return figures


def _best(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the fastest of the rounds: other work of the machine made the others slower. Doubles are summed."""
    best = max(runs, key=lambda run: run.per_second)
    return {
        "per_second": round(best.per_second, 1),
        "worker_ms": round(best.worker_ms, 1),
        "broker_ms": round(best.broker_ms, 1),
        "database_ms": round(best.database_ms, 1),
        "twice": sum(run.twice for run in runs),
    }


async def _run(below: Servers, name: str, count: int, sign_ms: float, documents: int) -> Run:
    """Run one batch. The workers are at work when the documents, accepted before, are released to them all at once. The
    first ones that they send warm them up."""
    await below.tell(f'CREATE DATABASE "{name}" TEMPLATE "{_ACCEPTED}"')
    async with AsyncExitStack() as stack:
        sides = [
            await stack.enter_async_context(_worker(below.settings(name), sign_ms)) for _ in range(count)
        ]
        for side in sides:
            await side.tell("go")
        await asyncio.sleep(SETTLE_S)
        idle = [await side.ask("spent") for side in sides]
        broker, database = below.broker_cpu(), below.database_cpu()
        sent = await _all_sent(below, name, documents)
        broker, database = below.broker_cpu() - broker, below.database_cpu() - database
        did = [await side.ask("spent") for side in sides]
    await below.tell(f'DROP DATABASE "{name}" WITH (FORCE)')
    worked = sum(d["signed"] + d["published"] for d in did)
    return Run(
        per_second=documents / (sent[-1] - sent[WARM_UP - 1]),
        worker_ms=sum(b["cpu"] - a["cpu"] for a, b in zip(idle, did, strict=True)) / len(sent) * 1000,
        broker_ms=broker / len(sent) * 1000,
        database_ms=database / len(sent) * 1000,
        twice=worked - 2 * len(sent),
    )


async def _all_sent(below: Servers, name: str, documents: int) -> list[float]:
    """Return when each document was sent, in order, by the node's own events."""
    connection = await asyncpg.connect(below.address(name))
    count = "SELECT count(*) FROM outbox WHERE state <> 'waiting'"
    query = "SELECT extract(epoch FROM at)::float8 AS at FROM event WHERE kind = $1 ORDER BY at"
    await connection.execute(_RELEASE)
    end = monotonic() + PATIENCE_S
    while await connection.fetchval(count) < WARM_UP + documents and monotonic() < end:
        # Polling without a pause would take the time that is to be measured.
        await connection.execute("SELECT pg_sleep(0.25)")
    sent = [row["at"] for row in await connection.fetch(query, EventKind.DELIVERY_SENT.value)]
    await connection.close()
    if len(sent) < WARM_UP + documents:
        raise Broken(f"{WARM_UP + documents - len(sent)} documents were not sent")
    return sent


@asynccontextmanager
async def _worker(settings: Mapping[str, str], sign_ms: float) -> AsyncIterator[Side]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.worker", str(sign_ms)),
        stdin=PIPE,
        stdout=PIPE,
        env={"PATH": os.environ["PATH"], **settings},
    )
    side = Side(process)
    try:
        await side.read_answer()
        yield side
    finally:
        await side.stop()


@asynccontextmanager
async def _accepted(folder: Path, documents: int) -> AsyncIterator[Servers]:
    """Prepare a database with every document accepted, to copy, and a broker that takes them. The receiver has its queues
    and takes nothing out of them: only sending is measured."""
    hosts = {"sender": [stage.SENDER], "receiver": [stage.RECEIVER]}
    async with servers.opened(folder, "sender", hosts) as below:
        await below.tell(f'CREATE DATABASE "{_ACCEPTED}"')
        settings = load(None, below.settings(_ACCEPTED))
        await stage.prepare_one(settings, [stage.SENDER], [stage.RECEIVER])
        (paper,) = await pair.papers(folder / "papers", SIZE, 1)
        async with open_office(settings, wrap=Counted(0.0)) as node:
            scope = await traffic.scope_of(node)
            for number in range(1, WARM_UP + documents + 1):
                await traffic.send(node, scope, paper, str(number))
        await below.tell(_HOLD, _ACCEPTED)
        yield below
