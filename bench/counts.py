"""Counts what one small document costs on a node, there and back with its 01: what the program asks of SQLite and how much
SQLite does for it, how often it waits for another thread or the disk, and how many functions it calls. In: how many
documents are under way at once, and how many older ones the register may have besides; or a PostgreSQL, to which the calls
are counted alone. Out: each count for one document, with who asked. `python -m bench.counts [N [REGISTER]]` and
`python -m bench.counts --server [URL]` print them as JSON."""

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

from bench import counting, pair, register, stage, traffic
from bench.counting import Counts
from gateway.office.bootstrap.office import Office
from tests.services import postgres

SIZE, AT_ONCE, ALONE, WARM = 10_000, 32, 8, 8
# The most that one document may cost, a little more than what was measured: whoever makes it cheaper lowers them.
LIMITS: Mapping[str, Mapping[str, float]] = {
    "at_once": {"statements": 16.0, "selects": 5.0, "transactions": 3.0, "hops": 2.6, "fsyncs": 1.4},
    "alone": {"statements": 82.0, "selects": 25.0, "transactions": 11.5, "hops": 7.5, "fsyncs": 6.5},
    "calls": {"python_calls": 5_000.0, "c_calls": 4_800.0},
    "server": {"server_calls": 6.5},
}
# Of what SQLite does for a document with a long register, by what it does with an empty one.
GROWS = 1.3
# Between looks whether documents are delivered, which are not the node's; after which what is written about them later is
# counted too; and for so long nothing must happen before.
LOOK_S, TAIL_S, REST_S = 0.02, 1.5, 1.5
_DELIVERED = "SELECT count(*) FROM delivery WHERE state = 'delivered'"


@dataclass(slots=True)
class _Sender:
    """Sends papers through a node and counts what they cost. `delivered` asks its database how many are, by a way that is
    not counted."""

    node: Office
    counts: Counts
    papers: Iterator[tuple[int, Path]]
    delivered: Callable[[], Awaitable[int]]

    async def count(self, *groups: int) -> None:
        """So many documents at once, and when each has its 01 the next group."""
        await self._rest()
        self.counts.begin()
        for documents in groups:
            await self.send(documents)
        await asyncio.sleep(TAIL_S)
        self.counts.on = False

    async def send(self, documents: int) -> None:
        """All of them at once; returns when each has its 01."""
        wanted = await self.delivered() + documents
        scope = await traffic.scope_of(self.node)
        taken = [next(self.papers) for _ in range(documents)]
        await asyncio.gather(*(traffic.send(self.node, scope, paper, str(n)) for n, paper in taken))
        async with asyncio.timeout(traffic.PATIENCE_S):
            while True:
                if await self.delivered() >= wanted:
                    return
                await asyncio.sleep(LOOK_S)

    async def _rest(self) -> None:
        """Until the work of a start, and of what was sent before, is done."""
        async with asyncio.timeout(traffic.PATIENCE_S):
            while True:
                self.counts.begin()
                await asyncio.sleep(REST_S)
                if self.counts.is_quiet():
                    return


async def measure(folder: Path, at_once: int = AT_ONCE, older: int = 0) -> dict[str, Any]:
    """On SQLite: many at once, one at a time, and calls of functions, which disturb the other counts, in a run of their
    own; then many at once with the long register."""
    counts, cases = Counts(), {}
    made = await pair.papers(folder / "papers", SIZE, 4 * at_once + ALONE + 2 * WARM)
    papers = iter(enumerate(made, 1))
    await stage.prepare(folder, {"node": [stage.SENDER, stage.RECEIVER]})
    file = folder / "node" / "gateway.db"
    with _delivered_in(file) as delivered, counting.heard(counts):
        async with stage.opened(folder, "node") as node:
            sender = _Sender(node, counts, papers, delivered)
            # Compiles every statement, as in a node that has run for a while.
            await sender.send(at_once)
            await sender.count(at_once)
            cases["at_once"] = _asked(counts, at_once)
            await sender.count(*[1] * ALONE)
            cases["alone"] = _asked(counts, ALONE)

    async def count_again(watch: AbstractContextManager[None]) -> None:
        with _delivered_in(file) as delivered, watch:
            async with stage.opened(folder, "node") as node:
                sender = _Sender(node, counts, papers, delivered)
                await sender.send(WARM)
                await sender.count(at_once)

    await count_again(counting.profiled(counts))
    cases["calls"] = _function_calls(counts, at_once)
    if older:
        register.grow(file, older)
        await count_again(counting.heard(counts))
        cases["grown"] = _asked(counts, at_once) | {"older": older}
    return _judged(cases)


@contextmanager
def _delivered_in(file: Path) -> Iterator[Callable[[], Awaitable[int]]]:
    """Ask how many documents are delivered, on a connection that is not counted."""
    with closing(sqlite3.connect(file, check_same_thread=False)) as beside:

        async def delivered() -> int:
            return int(beside.execute(_DELIVERED).fetchone()[0])

        yield delivered


async def measure_server(folder: Path, url: str, at_once: int = AT_ONCE) -> dict[str, Any]:
    """On an empty PostgreSQL database."""
    counts = Counts()
    papers = iter(enumerate(await pair.papers(folder / "papers", SIZE, 2 * at_once), 1))
    stage.more_settings(folder, "node").write_text(json.dumps({"GATEWAY_DATABASE_URL": url}))
    await stage.prepare(folder, {"node": [stage.SENDER, stage.RECEIVER]})
    async with _line(url) as beside:

        async def delivered() -> int:
            return int(await beside.fetchval(_DELIVERED))

        with counting.heard(counts):
            async with stage.opened(folder, "node") as node:
                sender = _Sender(node, counts, papers, delivered)
                await sender.send(at_once)
                await sender.count(at_once)
    counted = {"server_calls": counts.sum("server_calls") / at_once}
    return _judged({"server": _told(at_once, counted, {"server_calls": counts.by_step["server_calls"]})})


@asynccontextmanager
async def _line(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def _asked(counts: Counts, documents: int) -> dict[str, Any]:
    """`transactions`: units that write and views that read, of store and axis. A commit of SQLite is one fsync, of its
    journal."""
    sums = {
        what: counts.sum(what)
        for what in ("statements", "selects", "units", "views", "hops", "fsyncs", "instructions")
    }
    sums["fsyncs"] += counts.commits
    sums["transactions"] = sums["units"] + sums["views"]
    return _told(documents, {what: times / documents for what, times in sums.items()}, counts.by_step)


def _function_calls(counts: Counts, documents: int) -> dict[str, Any]:
    who = {
        "python_calls": counting.by_module(counts.python_calls),
        "c_calls": counting.by_module(counts.c_calls),
    }
    counted = {what: calls.total() / documents for what, calls in who.items()}
    return _told(documents, counted, who)


def _told(documents: int, counted: Mapping[str, float], who: Mapping[str, Counter[str]]) -> dict[str, Any]:
    return {
        "documents": documents,
        "counted": {what: round(number, 2) for what, number in counted.items()},
        "who": {
            what: {name: round(times / documents, 2) for name, times in counter.most_common()}
            for what, counter in who.items()
        },
    }


def _judged(cases: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    counted = {name: case["counted"] for name, case in cases.items()}
    return {"cases": cases, "limits": LIMITS, "above": above(counted)}


def above(counted: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A line for each count of each case that is above its limit."""
    return [
        f"{name}: {what} {counted[name][what]}, at most {most}"
        for name, limits in LIMITS.items()
        if name in counted
        for what, most in limits.items()
        if counted[name][what] > most
    ]


@contextmanager
def _server(url: str, folder: Path) -> Iterator[str]:
    """The address of a database: that one, or one on a server of our own."""
    if url:
        yield url
        return
    folder.chmod(0o755)  # it runs as a user of its own
    server = postgres.start(folder / "postgres")
    try:
        yield server.url
    finally:
        server.stop()


def main(words: Sequence[str] | None = None) -> None:
    asked = argparse.ArgumentParser(
        prog="python -m bench.counts",
        description="Counts what one small document costs, there and back with its 01.",
    )
    asked.add_argument(
        "n", nargs="?", type=int, default=AT_ONCE, help="documents under way at once (%(default)s)"
    )
    asked.add_argument(
        "register", nargs="?", type=int, default=0, help="older documents besides (%(default)s)"
    )
    asked.add_argument(
        "--server",
        nargs="?",
        const="",
        metavar="URL",
        help="count the calls to PostgreSQL instead: to that empty database, or to a server of its own",
    )
    given = asked.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as temporary:
        folder = Path(temporary)
        if given.server is None:
            told = asyncio.run(measure(folder, given.n, given.register))
        else:
            with _server(given.server, folder) as url:
                told = asyncio.run(measure_server(folder, url, given.n))
    print(json.dumps(told, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
