"""Small documents, several at once, on one node that hosts both agencies: how many a second go there and back, and where
the time goes. Out: documents a second, the event loop's stalls, how busy the database's one writer was and with how many
commits, and the promises that took longest."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from bench import heartbeat, meters, pair, stage, traffic
from bench.amounts import number

LISTED_CALLS = 12
BARE_COMMITS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Amounts to send."""

    size: int = number(10_000, "bytes of a document")
    documents: int = number(640, "documents that are counted", quick=128)
    at_once: int = number(64, "callers; each sends its next when the 01 of its last is back", quick=32)


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure the documents. As many as there are callers warm up and are not counted."""
    warm = numbers.at_once
    papers = await pair.papers(folder / "papers", numbers.size, warm + numbers.documents)
    await stage.prepare(folder, {"node": [stage.SENDER, stage.RECEIVER]})
    metered, writer = meters.Metered(), meters.Writer()
    writer.watch()
    async with stage.opened(folder, "node", wrap=metered) as node:
        await traffic.there_and_back(node, papers[:warm], 1, numbers.at_once)
        metered.ports.reset()
        writer.reset()
        async with heartbeat.measure_stalls() as stalls:
            begun, cpu = perf_counter(), process_time()
            await traffic.there_and_back(node, papers[warm:], warm + 1, numbers.at_once)
            seconds, cpu = perf_counter() - begun, process_time() - cpu
        longest = list(metered.ports.longest(LISTED_CALLS))
    bare_ms = _bare_commit_ms(folder / "bare.db")
    return {
        "bytes": numbers.size,
        "documents": numbers.documents,
        "at_once": numbers.at_once,
        "per_second": round(numbers.documents / seconds, 1),
        "cpu_ms_per_document": round(cpu / numbers.documents * 1000, 1),
        "stalls": stalls.as_json(),
        "bare_commit_ms": bare_ms,
        "writer": _writer(writer, seconds, numbers.documents),
        "ports": {
            name: {
                "calls_per_document": round(tally.calls / numbers.documents, 1),
                "ms_per_document": round(tally.seconds / numbers.documents * 1000, 1),
            }
            for name, tally in longest
        },
    }


def _writer(writer: meters.Writer, seconds: float, documents: int) -> dict[str, float]:
    return {
        "busy": round(writer.acquired.seconds / seconds, 3),
        "transactions_per_document": round(writer.acquired.calls / documents, 1),
        "commits_per_document": round(writer.committing.calls / documents, 1),
        "ms_per_transaction": round(writer.acquired.seconds / max(writer.acquired.calls, 1) * 1000, 2),
        "ms_per_commit": round(writer.committing.seconds / max(writer.committing.calls, 1) * 1000, 2),
    }


def _bare_commit_ms(path: Path) -> float:
    """Return the time of one durable commit of one row, on the same disk: the least that a commit costs."""
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
