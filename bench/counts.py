"""Counts the cost of one small document on a node, there and back with its 01: the requests to SQLite and the work of
SQLite for them, waits for another thread or the disk, and calls of functions. In: the number of documents under way at
once, and of older ones in the register; or a PostgreSQL, whose calls alone are counted, or one with a RabbitMQ. Out: each
count for one document, by caller. `python -m bench.counts [N [REGISTER]]`, `--server [URL]` and `--pair` print them as
JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from bench import counting, pair, register, servers, stage, traffic
from bench.counting import Counts
from gateway_office.bootstrap.office import Office
from tests.services import postgres

SIZE, AT_ONCE, ALONE, WARM = 10_000, 32, 8, 8
# Limits of one document's cost, a little above the measured ones: lower them when it gets cheaper. Those of hops and calls
# rose when two readers went that saved calls and not CPU (the price list in docs/performance.md).
LIMITS: Mapping[str, Mapping[str, float]] = {
    "at_once": {"statements": 14.7, "selects": 3.6, "transactions": 2.7, "hops": 3.3, "fsyncs": 1.4},
    "alone": {"statements": 78.7, "selects": 21.9, "transactions": 11.1, "hops": 7.8, "fsyncs": 6.4},
    "calls": {"python_calls": 5_450.0, "c_calls": 6_000.0},
    "server": {"server_calls": 5.2},
    # A document and its 01 are two publishes.
    "pair": {
        "commits": 2.0,
        "log_kb": 135.0,
        "server_calls": 36.0,
        "publishes": 2.05,
        "confirms": 1.2,
        "acks": 0.7,
        "publisher_hops": 0.0,
    },
}
# Limit of SQLite's work for a document with a long register, as a multiple of that with an empty one.
GROWS = 1.3
# Time between two looks for delivered documents, which do not burden the node; time after the last one in which later
# writes still count; and time of rest that must come before.
LOOK_S, TAIL_S, REST_S = 0.02, 1.5, 1.5
# How often the pair is sent so many at once.
GROUPS = 4
_LOG_POSITION = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
_PUBLISHER = ("transport/amqp/publisher.py", "transport/amqp/confirms.py")
_DELIVERED = "SELECT count(*) FROM delivery WHERE state = 'delivered'"


@dataclass(slots=True)
class _Sender:
    """Sender of papers through a node that counts their cost. `delivered` asks its database for their number, uncounted."""

    node: Office
    counts: Counts
    papers: Iterator[tuple[int, Path]]
    delivered: Callable[[], Awaitable[int]]

    async def count(self, *groups: int, unread: Callable[[], Awaitable[int]] | None = None) -> None:
        """Send so many documents at once, and the next group when each has its 01; count all of it, and with `unread` what
        follows until that number is 0."""
        self.counts.begin()
        await self._wait_until_quiet()
        self.counts.begin()
        for documents in groups:
            await self.send(documents)
        await (asyncio.sleep(TAIL_S) if unread is None else self.wait_until_read(unread))
        self.counts.on = False

    async def send(self, documents: int) -> None:
        """Send all of them at once; return when each has its 01."""
        expected = await self.delivered() + documents
        scope = await traffic.scope_of(self.node)
        batch = [next(self.papers) for _ in range(documents)]
        await asyncio.gather(*(traffic.send(self.node, scope, paper, str(n)) for n, paper in batch))
        async with asyncio.timeout(traffic.PATIENCE_S):
            while True:
                if await self.delivered() >= expected:
                    return
                await asyncio.sleep(LOOK_S)

    async def wait_until_read(self, unread: Callable[[], Awaitable[int]]) -> None:
        """Wait until no file is unread, and nothing more is done."""
        await self._wait_until_quiet()
        async with asyncio.timeout(traffic.PATIENCE_S):
            while True:
                if not await unread():
                    break
                await asyncio.sleep(LOOK_S)
        await self._wait_until_quiet()

    async def _wait_until_quiet(self) -> None:
        """Wait until the work of a start, and of earlier documents, is done."""
        async with asyncio.timeout(traffic.PATIENCE_S):
            while True:
                since = self.counts.so_far
                await asyncio.sleep(REST_S)
                if self.counts.is_quiet(since):
                    return


async def measure(folder: Path, at_once: int = AT_ONCE, older: int = 0) -> dict[str, Any]:
    """Measure on SQLite: many at once, one at a time, and calls of functions, which disturb the other counts, in a run
    of their own; then many at once with the long register."""
    counts, cases = Counts(), {}
    paths = await pair.papers(folder / "papers", SIZE, 4 * at_once + ALONE + 2 * WARM)
    papers = iter(enumerate(paths, 1))
    await stage.prepare(folder, {"node": [stage.SENDER, stage.RECEIVER]})
    file = folder / "node" / "gateway.db"
    with _delivered_in(file) as delivered, counting.count_everything_else(counts):
        async with stage.opened(folder, "node") as node:
            sender = _Sender(node, counts, papers, delivered)
            # Compiles every statement, as in a node that has run for a while.
            await sender.send(at_once)
            await sender.count(at_once)
            cases["at_once"] = _request_counts(counts, at_once)
            await sender.count(*[1] * ALONE)
            cases["alone"] = _request_counts(counts, ALONE)

    async def recount(watch: AbstractContextManager[None]) -> None:
        with _delivered_in(file) as delivered, watch:
            async with stage.opened(folder, "node") as node:
                sender = _Sender(node, counts, papers, delivered)
                await sender.send(WARM)
                await sender.count(at_once)

    await recount(counting.count_calls(counts))
    cases["calls"] = _function_calls(counts, at_once)
    if older:
        register.grow(file, older)
        await recount(counting.count_everything_else(counts))
        cases["grown"] = _request_counts(counts, at_once) | {"older": older}
    return _judge(cases)


@contextmanager
def _delivered_in(file: Path) -> Iterator[Callable[[], Awaitable[int]]]:
    """Yield a function that counts the delivered documents, on a connection that is not counted."""
    with closing(sqlite3.connect(file, check_same_thread=False)) as connection:

        async def delivered() -> int:
            return int(connection.execute(_DELIVERED).fetchone()[0])

        yield delivered


async def measure_server(folder: Path, url: str, at_once: int = AT_ONCE) -> dict[str, Any]:
    """Measure on an empty PostgreSQL database."""
    counts = Counts()
    async with _sending(folder, {"GATEWAY_DATABASE_URL": url}, counts, 2 * at_once) as (sender, _):
        await sender.send(at_once)
        await sender.count(at_once)
    counted = {"server_calls": counts.sum("server_calls") / at_once}
    return _judge({"server": _case(at_once, counted, {"server_calls": counts.by_step["server_calls"]})})


async def measure_pair(folder: Path, at_once: int = AT_ONCE) -> dict[str, Any]:
    """Measure on a PostgreSQL and a RabbitMQ of our own, `GROUPS` times so many at once, with all that follows until the
    words of each file are read. The server itself counts its writing transactions and the bytes of its log."""
    counts, documents = Counts(), GROUPS * at_once
    async with servers.opened(folder, "node", {"node": [stage.SENDER, stage.RECEIVER]}) as own:
        await own.tell('CREATE DATABASE "node"')
        settings = own.settings("node")
        async with _sending(folder, settings, counts, documents + at_once) as (sender, connection):

            async def unread() -> int:
                return int(await connection.fetchval("SELECT count(*) FROM content_due"))

            await sender.send(at_once)
            await traffic.settled(sender.node)
            await sender.wait_until_read(unread)
            at_start = await connection.fetchrow(_LOG_POSITION)
            await sender.count(*[at_once] * GROUPS, unread=unread)
            at_end = await connection.fetchrow(_LOG_POSITION)
    commits, log_kb = at_end[0] - at_start[0], (at_end[1] - at_start[1]) / 1_000
    sums: dict[str, float] = {
        kind: counts.sum(kind) for kind in ("server_calls", "hops", "publishes", "confirms", "acks")
    }
    sums |= {"commits": commits, "log_kb": float(log_kb), "publisher_hops": counts.sum("hops", _PUBLISHER)}
    case = _case(documents, {kind: number / documents for kind, number in sums.items()}, counts.by_step)
    sizes = {kind: dict(sorted(by_size.items())) for kind, by_size in counts.sizes.items()}
    return _judge({"pair": case | {"sizes": sizes}})


@asynccontextmanager
async def _sending(
    folder: Path, settings: Mapping[str, str], counts: Counts, documents: int
) -> AsyncIterator[tuple[_Sender, Any]]:
    """Open a node with these settings, and yield its sender with a connection to its database that is not counted."""
    papers = iter(enumerate(await pair.papers(folder / "papers", SIZE, documents), 1))
    stage.more_settings(folder, "node").write_text(json.dumps(settings))
    await stage.prepare(folder, {"node": [stage.SENDER, stage.RECEIVER]})
    async with _connect(settings["GATEWAY_DATABASE_URL"]) as connection:

        async def delivered() -> int:
            return int(await connection.fetchval(_DELIVERED))

        with counting.count_everything_else(counts):
            async with stage.opened(folder, "node") as node:
                yield _Sender(node, counts, papers, delivered), connection


@asynccontextmanager
async def _connect(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def _request_counts(counts: Counts, documents: int) -> dict[str, Any]:
    """Return the counts of requests. `transactions`: units that write and views that read, of store and axis. A commit
    of SQLite is one fsync, of its journal."""
    sums = {
        kind: counts.sum(kind)
        for kind in ("statements", "selects", "units", "views", "hops", "fsyncs", "instructions")
    }
    sums["fsyncs"] += counts.commits
    sums["transactions"] = sums["units"] + sums["views"]
    return _case(documents, {kind: times / documents for kind, times in sums.items()}, counts.by_step)


def _function_calls(counts: Counts, documents: int) -> dict[str, Any]:
    callers = {
        "python_calls": counting.by_module(counts.python_calls),
        "c_calls": counting.by_module(counts.c_calls),
    }
    counted = {kind: calls.total() / documents for kind, calls in callers.items()}
    return _case(documents, counted, callers | {"steps": counting.by_step(counts.python_calls)})


def _case(documents: int, counted: Mapping[str, float], calls: Mapping[str, Counter[str]]) -> dict[str, Any]:
    return {
        "documents": documents,
        "counted": {kind: round(number, 2) for kind, number in counted.items()},
        "who": {
            kind: {name: round(times / documents, 2) for name, times in counter.most_common()}
            for kind, counter in calls.items()
        },
    }


def _judge(cases: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    counted = {name: case["counted"] for name, case in cases.items()}
    return {"cases": cases, "limits": LIMITS, "above": above(counted)}


def above(counted: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return a line for each count of each case that is above its limit."""
    return [
        f"{name}: {kind} {counted[name][kind]}, at most {most}"
        for name, limits in LIMITS.items()
        if name in counted
        for kind, most in limits.items()
        if counted[name][kind] > most
    ]


@contextmanager
def opened_server(url: str, folder: Path) -> Iterator[str]:
    """Yield the address of a database: the one given, or one on a server of our own."""
    if url:
        yield url
        return
    folder.chmod(0o755)  # the server runs as a user of its own
    server = postgres.start(folder / "postgres")
    try:
        yield server.url
    finally:
        server.stop()


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.counts",
        description="Counts what one small document costs, there and back with its 01.",
    )
    parser.add_argument(
        "n", nargs="?", type=int, default=AT_ONCE, help="documents under way at once (%(default)s)"
    )
    parser.add_argument(
        "register", nargs="?", type=int, default=0, help="older documents besides (%(default)s)"
    )
    parser.add_argument(
        "--server",
        nargs="?",
        const="",
        metavar="URL",
        help="count the calls to PostgreSQL instead: to that empty database, or to a server of its own",
    )
    parser.add_argument(
        "--pair", action="store_true", help="count on a PostgreSQL and a RabbitMQ of its own instead"
    )
    args = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as temporary:
        folder = Path(temporary)
        if args.pair:
            report = asyncio.run(measure_pair(folder, args.n))
        elif args.server is None:
            report = asyncio.run(measure(folder, args.n, args.register))
        else:
            with opened_server(args.server, folder) as url:
                report = asyncio.run(measure_server(folder, url, args.n))
    print(json.dumps(report, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
