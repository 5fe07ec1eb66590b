"""Times lists, searches, details and the dashboard over many documents: `python -m bench.lists [--documents N] [--database
URL] [--filled] [--users N] [--seconds S] [--think S]`, or by HTTP of a running node: `… --pages URL [URL …] [--cookie
NAME=VALUE]`. In: an empty database, filled with invented documents of a realistic spread, in bulk; or pages. Out: times on
the handler's side, with so many users at once, with and without think time, and the plan of the slowest query. A time is
never judged."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from bench import pages
from bench.lists_fill import NOW, SCOPE, SEED, TYPES, WORDS, Spread, fill
from gateway.clock import SystemClock
from gateway.domain.document import Urgency
from gateway.domain.wall_clock import VIETNAM
from gateway.store import migrate
from gateway_office.domain.listing import Filter, ListOrder, Origin, Side, Tab
from gateway_office.store.store import SqlOfficeStore


def questions(spread: Spread, documents: int) -> dict[str, Callable[[Any], Awaitable[Any]]]:
    """Return the queries of pages, by name; each is one page of the interface, with everything beside the rows."""
    out, arriving = Filter(side=Side.OUT), Filter(side=Side.IN)
    rng, today = spread.rng, NOW.astimezone(VIETNAM).date()

    def listed(make: Callable[[], Filter], *, tabs: bool = True) -> Callable[[Any], Awaitable[Any]]:
        async def ask(lists: Any) -> None:
            criteria = make()
            page = await lists.page(criteria, limit=50)
            if page.next_cursor is not None:
                await lists.page(criteria, limit=50, cursor=page.next_cursor)
            if tabs and criteria.side is not None:
                await lists.tabs(criteria.side)

        return ask

    async def detail(lists: Any) -> None:
        await lists.line(f"msg_{rng.randrange(documents // 2):010}")

    async def dashboard(lists: Any) -> None:
        await lists.page(Filter(side=Side.IN, sort=ListOrder.NEWEST), limit=8)
        await lists.page(Filter(side=Side.IN, tab=Tab.NEW), limit=20)
        await lists.tiles(today)
        await lists.day(today)

    texts = (
        lambda: f"{rng.randrange(9_000)}/STC-VP",
        lambda: rng.choice(spread.names),
        lambda: " ".join(rng.choices(WORDS, k=3)),
        lambda: f"{rng.choice(WORDS)} {rng.choice(spread.names)[:5]}",
        lambda: "ubnd quyet",
        lambda: f"ky:{rng.choice(spread.names)[:4]}",
    )
    return {
        "list out": listed(lambda: out),
        "list in": listed(lambda: arriving),
        "list by number": listed(lambda: replace(out, sort=ListOrder.NUMBER)),
        "filter tab": listed(lambda: replace(out, tab=rng.choice((Tab.REJECTED, Tab.FAILED, Tab.SILENT)))),
        "filter type": listed(lambda: replace(out, type_name=rng.choice(TYPES), urgency=Urgency.EXPRESS)),
        "filter party": listed(
            lambda: replace(arriving, party=f"Z91.{rng.randrange(40):02}", sort=ListOrder.NEWEST)
        ),
        "filter source": listed(
            lambda: replace(out, origin=rng.choice((Origin.HAND, Origin.PROGRAM, Origin.MACHINE)))
        ),
        "filter register": listed(lambda: replace(out, book=str(rng.choice((NOW.year, NOW.year - 1))))),
        "filter month": listed(
            lambda: replace(out, since=NOW - timedelta(days=90), until=NOW - timedelta(days=60))
        ),
        "count filtered": lambda lists: lists.count(replace(out, type_name=rng.choice(TYPES))),
        "search": listed(lambda: Filter(side=None, text=rng.choice(texts)()), tabs=False),
        "detail": detail,
        "dashboard": dashboard,
    }


async def measure(
    store: SqlOfficeStore, documents: int, users: int, seconds: float, think_s: float
) -> dict[str, list[float]]:
    """Return milliseconds by query; users make random ones in turn, and think in between."""
    queries = questions(Spread(rng=random.Random(SEED)), documents)
    took: dict[str, list[float]] = {name: [] for name in queries}
    end = time.monotonic() + seconds

    async def user(rng: random.Random) -> None:
        await asyncio.sleep(rng.random() * think_s)
        while time.monotonic() < end:
            name = rng.choice(list(queries))
            begun = time.perf_counter()
            async with store.read(SCOPE) as view:
                await queries[name](view.office.lists)
            took[name].append((time.perf_counter() - begun) * 1_000)
            await asyncio.sleep(think_s)

    await asyncio.gather(*(user(random.Random(n)) for n in range(users)))
    return took


def describe_times(took: dict[str, list[float]]) -> Iterator[str]:
    everything = sorted(t for times in took.values() for t in times)
    for name, times in (*took.items(), ("all", everything)):
        if times:
            ordered = sorted(times)
            yield (
                f"  {name:<15} n {len(ordered):>5}  median {_at(ordered, 0.5):7.1f} ms  p95 {_at(ordered, 0.95):7.1f} ms"
                f"  longest {ordered[-1]:7.1f} ms"
            )


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def slowest(store: SqlOfficeStore, documents: int) -> str:
    """Return the plan of the statement that took longest of all queries, each made by one user."""
    worst: tuple[float, str, Any] = (0.0, "", None)

    def note_start(
        connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool
    ) -> None:
        context.begun = time.perf_counter()

    def note_end(connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        nonlocal worst
        took = time.perf_counter() - context.begun
        if took > worst[0] and statement.lstrip().upper().startswith("SELECT"):
            worst = (took, statement, values)

    event.listen(Engine, "before_cursor_execute", note_start)
    event.listen(Engine, "after_cursor_execute", note_end)
    for name, ask in questions(Spread(rng=random.Random(SEED)), documents).items():
        for _ in range(3 if name == "search" else 1):
            async with store.read(SCOPE) as view:
                await ask(view.office.lists)
    event.remove(Engine, "before_cursor_execute", note_start)
    event.remove(Engine, "after_cursor_execute", note_end)
    took, statement, values = worst
    how = "EXPLAIN QUERY PLAN " if store.reader.dialect.name == "sqlite" else "EXPLAIN (ANALYZE, BUFFERS) "
    async with store.reading() as tx:
        plan = (await tx.connection.exec_driver_sql(how + statement, values)).all()
    return "\n".join(
        [f"{took * 1_000:.1f} ms: {' '.join(statement.split())}", *(f"  {line[-1]}" for line in plan)]
    )


async def run(url: str, options: argparse.Namespace) -> None:
    await migrate.up(url)
    store = SqlOfficeStore(url, SystemClock())
    try:
        begun = time.monotonic()
        if not options.filled:
            await fill(store, url, options.documents)
            if not url.startswith("sqlite"):  # a server would do so by itself, a little later
                async with store.writer.connect() as connection:
                    autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
                    await autocommit.exec_driver_sql("VACUUM ANALYZE")
        print(
            f"{url.partition(':')[0]}: {options.documents} documents in {time.monotonic() - begun:.0f} s",
            flush=True,
        )
        begun = time.monotonic()
        while await store.work_out_day():
            pass
        print(f"figures of the days in {time.monotonic() - begun:.1f} s", flush=True)
        for think_s in (options.think, 0.0):
            print(_heading(options.users, think_s), flush=True)
            for line in describe_times(
                await measure(store, options.documents, options.users, options.seconds, think_s)
            ):
                print(line, flush=True)
        print(await slowest(store, options.documents), flush=True)
    finally:
        await store.close()


async def run_pages(options: argparse.Namespace) -> None:
    for think_s in (options.think, 0.0):
        print(_heading(options.users, think_s), flush=True)
        answers = await pages.ask(options.pages, options.cookie, options.users, options.seconds, think_s)
        names = {url: url.partition("://")[2].partition("/")[2] for url in answers.took}
        for line in describe_times({f"/{names[url]}": times for url, times in answers.took.items()}):
            print(line, flush=True)
        answered = sum(map(len, answers.took.values()))
        print(f"  {answers.own} of {answered} times are the server's own; the others end with the last byte")
        for (url, status), n in sorted(answers.refused.items()):
            print(f"  no page: {n} times {status} from /{names[url]}", flush=True)


def _heading(users: int, think_s: float) -> str:
    return f"{users} users, {think_s} s think time, load before {os.getloadavg()[0]:.1f}:"


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.lists")
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument(
        "--database", metavar="URL", help="an empty one; without it SQLite in a scratch folder"
    )
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--think", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, help="where the scratch folder goes")
    parser.add_argument("--filled", action="store_true", help="the database was filled by an earlier run")
    parser.add_argument("--pages", nargs="+", metavar="URL", help="ask these by HTTP, and no database")
    parser.add_argument("--cookie", default="", help="NAME=VALUE of a session that may read them")
    options = parser.parse_args(words)
    if options.pages:
        asyncio.run(run_pages(options))
        return 0
    with tempfile.TemporaryDirectory(prefix="gateway-lists-", dir=options.folder) as folder:
        asyncio.run(run(options.database or f"sqlite:///{folder}/node.db", options))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
