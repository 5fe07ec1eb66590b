"""What each second way costs and gains: `python -m bench.short_cuts [NAME ...]`. A short cut is a way beside the plain one
that exists for speed alone. In: the table of them, each with a switch that turns it off while the node runs. Out: for each,
the CPU of a document of 10 KB there and back without it, less that with it, as the median of turns in pairs, beside the
same for `nothing`, which is the noise; and the calls of functions, of some turns that are counted."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from bench import counting, pair, stage, traffic
from bench.counting import Counts
from gateway.incoming import receive
from gateway.outgoing import dispatch, package
from gateway.pool import ThreadPool
from gateway.store import batch, blobs
from gateway.store.memory import Memory
from gateway.store.outbox import OwnRows
from gateway_office.bootstrap.office import Office

SIZE, AT_ONCE, DOCUMENTS, PAIRS, COUNTED = 10_000, 32, 96, 9, 2


@dataclass(frozen=True, slots=True)
class ShortCut:
    """One second way. `turn_off` turns it off while its context is open."""

    purpose: str
    turn_off: Callable[[], AbstractContextManager[object]]


async def _nothing(*_: Any) -> None:
    return None


async def _one_by_one(self: Any) -> None:
    for unit in self._take_waiting():
        await self._run_alone(unit)


_run = dispatch.run


async def _each_row_alone(services: Any, rows: Sequence[Any]) -> None:
    await asyncio.gather(*(_run(services, [row]) for row in rows))


async def _read_all(self: Memory, keys: Any, read: Any) -> dict[Any, Any]:
    async with self._engine.connect() as connection:
        return dict(await read(connection, list(keys)))


async def _read_one(self: Memory, key: Any, read: Any) -> Any:
    async with self._engine.connect() as connection:
        return await read(connection)


def _both_of_memory() -> AbstractContextManager[object]:
    return patch.multiple(Memory, ask=_read_one, ask_all=_read_all)


SHORT_CUTS: Mapping[str, ShortCut] = {
    "nothing": ShortCut("the noise: nothing is turned off", nullcontext),
    "signed-first": ShortCut(
        "small packets are signed before the commit", lambda: patch.object(package, "_sign_at_once", _nothing)
    ),
    "settled-as-landed": ShortCut(
        "packets are settled as they land", lambda: patch.object(receive, "_may_end", lambda *_: False)
    ),
    "shared-units": ShortCut(
        "units share a transaction", lambda: patch.object(batch.SharedUnits, "_next", _one_by_one)
    ),
    "rows-together": ShortCut(
        "outbox rows are recorded together", lambda: patch.object(dispatch, "run", _each_row_alone)
    ),
    "own-rows": ShortCut(
        "rows of this process go to its couriers without a claim",
        lambda: patch.object(OwnRows, "lease", lambda *_, **__: None),
    ),
    "memory": ShortCut("answers of the database are remembered", _both_of_memory),
    "small-as-rows": ShortCut("small files of a request are rows", lambda: patch.object(blobs, "SMALL", 0)),
    "brief": ShortCut(
        "brief work stays on the event loop", lambda: patch.object(ThreadPool, "brief", ThreadPool.run)
    ),
}


@dataclass(slots=True)
class _Line:
    """A node with papers to send, each once."""

    node: Office
    papers: Iterator[tuple[int, Path]]

    async def send(self, documents: int) -> None:
        """Send so many, some at once, and return when each has its 01."""
        batch_of_papers = [next(self.papers) for _ in range(documents)]
        first = batch_of_papers[0][0]
        await traffic.there_and_back(self.node, [paper for _, paper in batch_of_papers], first, AT_ONCE)

    async def cpu(self, documents: int) -> float:
        """Return the milliseconds of a document."""
        start = time.process_time()
        await self.send(documents)
        return (time.process_time() - start) * 1000 / documents


async def measure(folder: Path, names: Sequence[str], documents: int, pairs: int) -> dict[str, Any]:
    """Measure each short cut in turns with and without it; which of the two is first changes from pair to pair."""
    counted = max(documents // 2, AT_ONCE)
    needed = AT_ONCE + documents + len(names) * (2 * pairs * documents + 2 * COUNTED * counted)
    paths = await pair.papers(folder / "papers", SIZE, needed)
    await stage.prepare(folder, {"node": [stage.SENDER, stage.RECEIVER]})
    results = {}
    async with stage.opened(folder, "node") as node:
        line = _Line(node, iter(enumerate(paths, 1)))
        await line.send(AT_ONCE)
        await line.send(documents)
        for name in names:
            results[name] = await _compare(line, SHORT_CUTS[name], documents, pairs)
            print(json.dumps({name: results[name]}), flush=True)
    counts = Counts()
    with counting.count_calls(counts):
        async with stage.opened(folder, "node") as node:
            line.node = node
            for name in names:
                results[name] |= await _count(line, counts, SHORT_CUTS[name], counted)
    return results


async def _compare(line: _Line, short_cut: ShortCut, documents: int, pairs: int) -> dict[str, Any]:
    differences, plain = [], []
    for n in range(pairs):
        ms = {}
        for is_off in (n % 2 == 0, n % 2 == 1):
            with short_cut.turn_off() if is_off else nullcontext():
                ms[is_off] = await line.cpu(documents)
        differences.append(ms[True] - ms[False])
        plain.append(ms[False])
    return {
        "purpose": short_cut.purpose,
        "ms": round(median(plain), 2),
        "gains_ms": round(median(differences), 2),
        "gains_percent": round(100 * median(differences) / median(plain), 1),
        "from_to_ms": [round(min(differences), 2), round(max(differences), 2)],
    }


async def _count(line: _Line, counts: Counts, short_cut: ShortCut, documents: int) -> dict[str, Any]:
    """Return the calls of a document without the short cut, less those with it: the least of the turns of each."""
    calls: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for is_off in (False, True) * COUNTED:
        with short_cut.turn_off() if is_off else nullcontext():
            counts.begin()
            await line.send(documents)
            counts.on = False
        python, c = (counting.by_module(kind).total() for kind in (counts.python_calls, counts.c_calls))
        calls[is_off].append((python // documents, c // documents))
    least = {is_off: [min(kind) for kind in zip(*turns, strict=True)] for is_off, turns in calls.items()}
    return {
        "python_calls": least[False][0],
        "more_python_calls": least[True][0] - least[False][0],
        "more_c_calls": least[True][1] - least[False][1],
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.short_cuts", description="Measures what each second way gains."
    )
    parser.add_argument("names", nargs="*", help=", ".join(SHORT_CUTS))
    parser.add_argument("--documents", type=int, default=DOCUMENTS, help="of a turn (%(default)s)")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of turns (%(default)s)")
    args = parser.parse_args(words)
    names = args.names or list(SHORT_CUTS)
    if unknown := set(names) - SHORT_CUTS.keys():
        parser.error(f"no short cut is called {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as temporary:
        run = partial(measure, Path(temporary), names, args.documents, args.pairs)
        print(json.dumps(asyncio.run(run()), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
