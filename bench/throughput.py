"""Small documents, several at once, on one node that hosts both agencies: how many a second go there and back, and where
the time goes. Out: documents a second, the event loop's stalls, how busy the database's one writer was and with how many
commits, and the promises that took longest."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from bench import heartbeat, meters, pair, stage, traffic
from gateway.bootstrap import Node
from gateway.domain.account import AgencyScope

SIZE = 10_000
DOCUMENTS = 120
AT_ONCE = 8
WARM_UP = 8
SHOWN = 12
BARE_COMMITS = 200


async def measure(folder: Path) -> dict[str, Any]:
    """Each of several callers sends its next document when the 01 of its last one is back."""
    papers = await pair.papers(folder / "papers", SIZE, WARM_UP + DOCUMENTS)
    await stage.prepare(folder, {"node": [stage.SENDER, stage.RECEIVER]})
    metered, writer = meters.Metered(), meters.Writer()
    async with stage.opened(folder, "node", wrap=metered) as node:
        writer.watch(node.store.writer)
        scope = await traffic.scope_of(node)
        await _all(node, scope, papers[:WARM_UP], first=1)
        metered.ports.reset()
        writer.reset()
        async with heartbeat.watched() as stalls:
            begun, cpu = perf_counter(), process_time()
            await _all(node, scope, papers[WARM_UP:], first=WARM_UP + 1)
            seconds, cpu = perf_counter() - begun, process_time() - cpu
        longest = list(metered.ports.longest(SHOWN))
    bare_ms = _bare_commit_ms(folder / "bare.db")
    return {
        "bytes": SIZE,
        "documents": DOCUMENTS,
        "at_once": AT_ONCE,
        "per_second": round(DOCUMENTS / seconds, 1),
        "cpu_ms_per_document": round(cpu / DOCUMENTS * 1000, 1),
        "stalls": stalls.as_json(),
        "bare_commit_ms": bare_ms,
        "writer": _writer(writer, seconds),
        "ports": {
            name: {
                "calls_per_document": round(tally.calls / DOCUMENTS, 1),
                "ms_per_document": round(tally.seconds / DOCUMENTS * 1000, 1),
            }
            for name, tally in longest
        },
    }


def _writer(writer: meters.Writer, seconds: float) -> dict[str, float]:
    return {
        "busy": round(writer.taken.seconds / seconds, 3),
        "transactions_per_document": round(writer.taken.calls / DOCUMENTS, 1),
        "commits_per_document": round(writer.committing.calls / DOCUMENTS, 1),
        "ms_per_transaction": round(writer.taken.seconds / max(writer.taken.calls, 1) * 1000, 2),
        "ms_per_commit": round(writer.committing.seconds / max(writer.committing.calls, 1) * 1000, 2),
    }


def _bare_commit_ms(path: Path) -> float:
    """One row, one durable commit, on the same disk with nothing around it: what a commit cannot do without."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE bare (n INTEGER)")
        spent = []
        for n in range(BARE_COMMITS):
            begun = perf_counter()
            database.execute("INSERT INTO bare VALUES (?)", (n,))
            spent.append(perf_counter() - begun)
    return round(median(spent) * 1000, 3)


async def _all(node: Node, scope: AgencyScope, papers: list[Path], first: int) -> None:
    waiting = list(enumerate(papers, start=first))

    async def caller() -> None:
        while waiting:
            number, paper = waiting.pop(0)
            document = await traffic.send(node, scope, paper, str(number))
            await traffic.answered(node, scope, document)

    async with asyncio.TaskGroup() as callers:
        for _ in range(AT_ONCE):
            callers.create_task(caller())
