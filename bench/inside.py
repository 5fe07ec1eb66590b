"""Times searches for words inside files: `python -m bench.inside [--documents N] [--database URL] [--searches N]`. In: an
empty database, filled with documents of three pages of 300 words each, whose words are as common and rare as in a language
(Zipf). Out: the time to fill and the room that it takes; median and p95 of searches for rare, common and two words, and
with a filter; how long it takes until nothing of a removed document is left in the file. A time is never judged."""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import accumulate, islice
from pathlib import Path

import asyncpg
from sqlalchemy import text

from bench.lists_fill import SCOPE, SEED, fill
from gateway.clock import SystemClock
from gateway.store import migrate
from gateway.store.tables_office import ListRow
from gateway_office.domain.content import searched_words
from gateway_office.domain.listing import Filter, Side
from gateway_office.store.contents import _place
from gateway_office.store.store import SqlOfficeStore

PAGES, WORDS_OF_PAGE, VOCABULARY = 3, 300, 30_000
_TEMPLATES = 2_000
_END = searched_words("a").split()[-1]


class Vocabulary:
    """Invented words; the n-th is as common as 1/n."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        signs = "abcdeghiklmnopqrstuvxy"
        names = ["".join(rng.choices(signs, k=rng.randint(2, 6))) for _ in range(VOCABULARY)]
        self.words = names
        self._weights = list(accumulate(1 / (n + 2) for n in range(VOCABULARY)))

    def page(self) -> str:
        return " ".join(self._rng.choices(self.words, cum_weights=self._weights, k=WORDS_OF_PAGE))

    def folded(self, words: str) -> str:
        """Return what `searched_words` makes of such words, which have no accents, many times faster."""
        return f" {words} {_END} "

    def common(self) -> str:
        return self.words[self._rng.randrange(20)]

    def moderate(self) -> str:
        return self.words[self._rng.randrange(200, 2_000)]

    def rare(self) -> str:
        return self.words[self._rng.randrange(VOCABULARY - 5_000, VOCABULARY)]


def pages(documents: Sequence[tuple[str, int]], vocabulary: Vocabulary) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the pages of these documents, the oldest first, in the order of their places."""
    last = 0
    for id, place in documents:
        # As far apart as a node would put them.
        last = max(last + PAGES, _place(SCOPE.agency_id, (place >> 12) // 1_000_000))
        for page in range(PAGES, 0, -1):
            words = vocabulary.page()
            yield last + PAGES - page, SCOPE.agency_id, id, 1, page, vocabulary.folded(words), words


async def grow(store: SqlOfficeStore, documents: int) -> Sequence[tuple[str, int]]:
    """Copy the list rows up to that number, each some days older, and return their ids and places, the oldest first."""
    async with store.writing() as tx:
        ((count,),) = await tx.tuples(text("SELECT count(*) FROM list_row"))
        columns = ", ".join(name for name in ListRow.defaults if name not in ("place", "id"))
        for copy in range(1, documents // count):
            await tx.tuples(
                text(
                    f"INSERT INTO list_row (place, id, {columns}) "  # noqa: S608 - our words
                    f"SELECT place - {copy} * 4096, id || '.{copy}', {columns} FROM list_row WHERE id NOT LIKE '%.%'"
                )
            )
        await tx.commit()
    async with store.reading() as tx:
        return [
            (id, place)
            for id, place in await tx.tuples(text("SELECT id, place FROM list_row ORDER BY place"))
        ]


async def fill_words(url: str, documents: Sequence[tuple[str, int]], vocabulary: Vocabulary) -> None:
    """Fill the pages of these documents, past the node; the indexes are made when all rows are there."""
    columns = ("place", "agency_id", "document_id", "n", "page", "folded", "text")
    rows = pages(documents, vocabulary)
    if url.startswith("sqlite"):
        await asyncio.to_thread(_fill_file, url.removeprefix("sqlite:///"), rows)
        return
    connection = await asyncpg.connect(url)
    try:
        index = await connection.fetchval(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_content_search'"
        )
        await connection.execute("DROP INDEX ix_content_search")
        while batch := list(islice(rows, 5_000)):
            await connection.copy_records_to_table("content_text", records=batch, columns=columns)
        await connection.execute(index, timeout=3_600)
        await connection.execute("VACUUM ANALYZE content_text", timeout=3_600)
        await connection.execute("VACUUM ANALYZE list_row", timeout=3_600)
    finally:
        await connection.close()


def _fill_file(path: str, rows: Iterator[tuple[object, ...]]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        ((trigger,),) = database.execute("SELECT sql FROM sqlite_schema WHERE name = 'content_search_new'")
        for pragma in ("synchronous = OFF", "cache_size = -500000"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("DROP TRIGGER content_search_new")
        while batch := list(islice(rows, 20_000)):
            database.execute("BEGIN")
            database.executemany("INSERT INTO content_text VALUES (?, ?, ?, ?, ?, ?, ?)", batch)
            database.execute("COMMIT")
        database.execute("INSERT INTO content_search (content_search) VALUES ('rebuild')")
        database.execute(trigger)


def searches(vocabulary: Vocabulary) -> dict[str, Callable[[], Filter]]:
    """Return the questions of a search page by name."""
    v, both = vocabulary, Filter(side=None)
    return {
        "common word": lambda: _with(both, v.common()),
        "moderate word": lambda: _with(both, v.moderate()),
        "rare word": lambda: _with(both, v.rare()),
        "two common words": lambda: _with(both, f"{v.common()} {v.common()}"),
        "common and rare word": lambda: _with(both, f"{v.common()} {v.rare()}"),
        "two moderate words": lambda: _with(both, f"{v.moderate()} {v.moderate()}"),
        "phrase of two words": lambda: _with(both, f'"{v.common()} {v.moderate()}"'),
        "common word, incoming": lambda: _with(Filter(side=Side.IN), v.common()),
        "moderate word, one type": lambda: _with(Filter(side=None, type_name="Giay moi"), v.moderate()),
    }


def _with(criteria: Filter, words: str) -> Filter:
    return replace(criteria, text=words)


async def measure(store: SqlOfficeStore, make: Callable[[], Filter], count: int) -> Sequence[float]:
    times = []
    for _ in range(count):
        criteria = make()
        start = time.perf_counter()
        async with store.read(SCOPE) as work:
            await work.office.contents.search(work.office.lists, criteria, limit=20)
        times.append((time.perf_counter() - start) * 1000)
    return sorted(times)


async def run(documents: int, url: str, count: int) -> None:
    await migrate.up(url)
    rng = random.Random(SEED)
    vocabulary = Vocabulary(rng)
    store = SqlOfficeStore(url, SystemClock())
    await store.open()
    try:
        start = time.perf_counter()
        await fill(store, url, min(documents, _TEMPLATES))
        rows = await grow(store, documents)
        print(f"{len(rows):,} documents in {time.perf_counter() - start:.0f} s", flush=True)
        start = time.perf_counter()
        await fill_words(url, rows, vocabulary)
        print(f"their words in {time.perf_counter() - start:.0f} s", flush=True)
        every = list[float]()
        for name, make in searches(vocabulary).items():
            times = await measure(store, make, count)
            every += times
            print(f"{name:26} median {_median(times):7.1f} ms   p95 {_p95(times):7.1f} ms", flush=True)
        print(f"{'all':26} median {_median(every):7.1f} ms   p95 {_p95(sorted(every)):7.1f} ms", flush=True)
        if url.startswith("sqlite"):
            await _rewrite(store)
    finally:
        await store.close()


async def _rewrite(store: SqlOfficeStore) -> None:
    """Remove one document's words, and time the steps until nothing of them is left."""
    async with store.writing() as tx:
        ((place,),) = await tx.tuples(text("SELECT max(place) FROM content_text"))
        start = time.perf_counter()
        await tx.tuples(text("DELETE FROM content_text WHERE place = :at"), at=place)
        await tx.commit()
    print(f"removed in {(time.perf_counter() - start) * 1000:.1f} ms", flush=True)
    longest, steps, began = 0.0, 0, time.perf_counter()
    while True:
        start = time.perf_counter()
        if not await store.content_queue.rewrite():
            break
        longest, steps = max(longest, time.perf_counter() - start), steps + 1
    took = time.perf_counter() - began
    print(f"rewritten in {steps} steps, {took:.1f} s, the longest {longest * 1000:.0f} ms", flush=True)


def _median(times: Sequence[float]) -> float:
    return statistics.median(times)


def _p95(times: Sequence[float]) -> float:
    return times[min(len(times) - 1, int(len(times) * 0.95))]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.inside")
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--database", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "node.db"
        url = arguments.database or f"sqlite:///{file}"
        asyncio.run(run(arguments.documents, url, arguments.searches))
        if not arguments.database:
            print(f"file of {file.stat().st_size / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
