"""Measures a node beside many rows: `python -m bench.scale [--rows N] [--workers N …] [--documents N] [--turns N]`. In: a
PostgreSQL and a RabbitMQ of its own, and a database with so many documents in the lists. Out: seconds of VACUUM over each
large table, of the first one and after one row in a hundred was written again; the times of pages and the plan of the
slowest query, as `bench.lists` prints them; documents a second there and back with each number of worker processes beside
one web process, in turns, as a multiple of those with one worker, and whose CPU a document took."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import asyncpg

from bench import burst, lists, lists_fill, served
from bench.served import Ground
from gateway.domain.event import EventKind

TABLES = ("list_row", "delivery", "outgoing_document", "incoming_document", "fact")


async def vacuum(url: str) -> dict[str, float]:
    """Return the seconds of VACUUM of each large table, with its statistics."""
    connection, seconds = await asyncpg.connect(url), dict[str, float]()
    for table in TABLES:
        begun = monotonic()
        await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=None)
        seconds[table] = round(monotonic() - begun, 1)
    await connection.close()
    return seconds


async def rewrite(url: str) -> None:
    """Write every hundredth row of the large tables again, spread over all pages."""
    connection = await asyncpg.connect(url)
    for table in TABLES:
        await connection.execute(
            f"UPDATE {table} SET agency_id = agency_id WHERE hashtext(ctid::text) % 100 = 0",  # noqa: S608 - our tables
            timeout=None,
        )
    await connection.close()


async def sizes(url: str) -> dict[str, Any]:
    """Return the rows of each large table, and the megabytes of the database."""
    connection = await asyncpg.connect(url)
    rows = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}  # noqa: S608 - our tables
    size = await connection.fetchval("SELECT pg_database_size(current_database())")
    await connection.close()
    return {"rows": rows, "database_mb": round(size / 1e6)}


async def rates(ground: Ground, words: argparse.Namespace) -> dict[str, Any]:
    """Send as fast as the node accepts with each number of workers, in turns, and compare with those of one."""
    numbers = burst.Numbers(most=words.documents, at_once=words.at_once)
    makes = random.Random(words.rows)
    turns: dict[int, list[dict[str, Any]]] = {count: [] for count in words.workers}
    sent, receipts = 0, 0
    for _ in range(words.turns):
        for count in words.workers:
            async with served.at_work(ground, ["web", *["worker"] * count], sent) as node:
                await burst.send_as_fast(node, numbers, burst.WARM_UP, makes)
                turns[count].append(await burst.send_as_fast(node, numbers, words.documents, makes))
                sent = node.sent
                receipts = await node.count(EventKind.DELIVERY_STATUS)
    first = turns[words.workers[0]]
    return {
        "at_once": words.at_once,
        "once": receipts == sent,
        "workers": {
            count: {
                "per_second": [turn["most_per_second"] for turn in several],
                "ratio": round(
                    median(
                        turn["most_per_second"] / base["most_per_second"]
                        for turn, base in zip(several, first, strict=True)
                    ),
                    2,
                ),
                "cpu_ms": several[-1]["cpu_ms"],
            }
            for count, several in turns.items()
        },
    }


async def run(ground: Ground, words: argparse.Namespace) -> dict[str, Any]:
    """Measure a node whose database is filled."""
    result: dict[str, Any] = await sizes(ground.url)
    result["vacuum_s"] = await vacuum(ground.url)
    await rewrite(ground.url)
    result["vacuum_again_s"] = await vacuum(ground.url)
    questions = argparse.Namespace(
        filled=True, documents=words.rows, users=words.users, seconds=words.seconds, think=2.0
    )
    await lists.run(ground.url, questions)
    return result | await rates(ground, words)


async def measure(folder: Path, words: argparse.Namespace) -> dict[str, Any]:
    async with served.prepared(folder, servers_below=True) as ground:
        begun = monotonic()
        await lists_fill.fill_at(ground.url, words.rows)
        return {"fill_s": round(monotonic() - begun, 1), **await run(ground, words)}


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    options.add_argument("--rows", type=int, default=5_000_000, help="documents in the lists (%(default)s)")
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="worker processes (1 2 4)")
    options.add_argument("--documents", type=int, default=400, help="documents of a turn (%(default)s)")
    options.add_argument("--at-once", type=int, default=32, help="callers (%(default)s)")
    options.add_argument("--turns", type=int, default=3, help="turns of each (%(default)s)")
    options.add_argument("--users", type=int, default=20, help="users of the lists (%(default)s)")
    options.add_argument("--seconds", type=float, default=30.0, help="of the lists (%(default)s)")
    options.add_argument("--folder", type=Path, help="where the scratch folder goes")
    return options


def main() -> None:
    words = parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=words.folder) as name:
        print(json.dumps(asyncio.run(measure(Path(name), words)), indent=1))


if __name__ == "__main__":
    main()
