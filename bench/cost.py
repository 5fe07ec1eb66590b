"""CPU of one document there and back with its 01, both sides together, and how many times the bare operations of the
same run that is. At three sizes, one after another and many at once, in two processes on SQLite. `--before` measures
another version by this harness in the same run, in turns."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench import pair, primitives, version
from bench.amounts import number
from bench.machine import MB
from bench.pair import Pair

SIDES = ("sender", "receiver")


@dataclass(frozen=True, slots=True)
class Case:
    """One case: so many documents of a size, so many of them at once."""

    size: int
    at_once: int
    documents: int

    @classmethod
    def parse(cls, word: str) -> Case:
        """Read SIZE:AT_ONCE:DOCUMENTS."""
        return cls(*map(int, word.split(":")))

    def __str__(self) -> str:
        return f"{self.size}:{self.at_once}:{self.documents}"


_FULL = (
    Case(10_000, 1, 20),
    Case(10_000, 32, 640),
    Case(MB, 1, 12),
    Case(MB, 8, 64),
    Case(10 * MB, 1, 7),
)
_QUICK = (Case(10_000, 1, 8), Case(10_000, 32, 128), Case(MB, 8, 16), Case(10 * MB, 1, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Amounts to send."""

    cases: tuple[Case, ...] = number(_FULL, "each SIZE:AT_ONCE:DOCUMENTS", quick=_QUICK, read=Case.parse)
    turns: int = number(
        3, "in how many parts each case is done, with the bare operations between them", quick=2
    )
    before: str = number(
        "", "another version to measure beside this one: a git revision, or a checkout's folder"
    )


@dataclass(slots=True)
class _Spent:
    """CPU of one version in one case, a document of each side, and the seconds of each turn."""

    cpu: dict[str, list[float]] = field(default_factory=lambda: {side: [] for side in SIDES})
    seconds: list[float] = field(default_factory=list)


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure every case. Before each, uncounted documents warm up each version, as many as are under way at once."""
    async with AsyncExitStack() as stack:
        versions: dict[str, Pair] = {}
        if numbers.before:
            root = await version.root(numbers.before, folder / "before")
            versions["before"] = await stack.enter_async_context(pair.opened(folder / "then", root))
        versions["now"] = await stack.enter_async_context(pair.opened(folder / "now"))
        rows = []
        first = 1
        for case in numbers.cases:
            rows.append(await _case(folder, versions, case, numbers.turns, first))
            first += 2 * case.documents + case.at_once
    return {"rows": rows, "before": bool(numbers.before)}


async def _case(
    folder: Path, versions: dict[str, Pair], case: Case, turns: int, first: int
) -> dict[str, Any]:
    per_turn = max(case.documents // turns, min(case.at_once, case.documents), 1)
    warm = min(case.at_once, case.documents)
    papers = await pair.papers(folder / "papers", case.size, warm + turns * per_turn)
    for nodes in versions.values():
        await nodes.send(papers[:warm], first, case.at_once)
    bare, spent = [primitives.exchange(case.size)], {name: _Spent() for name in versions}
    for turn in range(turns):
        begin = warm + turn * per_turn
        for name, nodes in versions.items():
            spent_before = await nodes.ask("spent")
            answer = await nodes.send(papers[begin : begin + per_turn], first + begin, case.at_once)
            spent_after = await nodes.ask("spent")
            spent[name].seconds.append(median(answer["seconds"]))
            for side in SIDES:
                spent[name].cpu[side].append(
                    (spent_after[side]["cpu"] - spent_before[side]["cpu"]) / per_turn
                )
        bare.append(primitives.exchange(case.size))
    for paper in papers:
        paper.unlink()
    answer = {name: _row(s, median(bare)) for name, s in spent.items()}
    return {
        "bytes": case.size,
        "at_once": case.at_once,
        "documents": per_turn * turns,
        "primitives_cpu_s": round(median(bare), 6),
        **answer,
    }


def _row(spent: _Spent, bare: float) -> dict[str, float]:
    both = median(map(sum, zip(*spent.cpu.values(), strict=True)))
    return {
        "cpu_s": round(both, 5),
        **{f"{side}_cpu_s": round(median(values_of_side), 5) for side, values_of_side in spent.cpu.items()},
        "ratio": round(both / bare, 1),
        "seconds": round(median(spent.seconds), 3),
    }
