"""django-pyas2 and the node over HTTP, in turns of one run: documents a second and CPU a document of all server processes,
with so many callers at once on the same cores. Each caller sends its next when the sender has the signed receipt of its
last: the MDN there, the 01 here.

What each side does for a document. *django-pyas2* is two installations, a sender's and a receiver's, each with an SQLite
file as Django makes it (rollback journal, `synchronous = FULL`: told in the result) and served by gunicorn with a thread
for every caller. The caller posts the file to its own view for that, signed in. The sender builds a signed message
(CMS, RSA-2048, SHA-256), stores row, content and headers, posts it to the receiver and waits; the receiver verifies the
signature, stores row, content twice and headers, signs the receipt, stores it and answers; the sender verifies and stores
that. Files are written without fsync and each row is a commit of its own, after the file. No certificate is judged,
nothing is held against a schema, no log of events is kept, a message whose sending fails waits for a command, and nothing
is encrypted or compressed.

*The node* hosts both agencies in one process on one SQLite file (WAL, `synchronous = FULL`), with the embedded axis between
them. The caller posts the document to `POST /api/v1/messages` and is answered with 202 when it is on the disk. The PDF is
inspected, the envelope (P-256, edXML) is signed, read a second time before it leaves, stored in an outbox, handed to the
axis, landed, verified against the bound certificate, held against the schema, admitted once; the 01 goes the same way
back. Every step is committed with fsync before the next begins, events go into a log with a hash chain, and lists and
search are kept. Whether the 01 is there is read in the node's database by this program, some hundred times a second."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, Protocol

from bench import as2_served, environments, machine, papers, served
from bench.amounts import number
from bench.burst import shares
from bench.machine import MB
from bench.pair import Broken
from bench.served import Served

THEIRS, OURS = "theirs", "ours"
# Wanted: at least so many times as many documents a second.
TARGET_RATIOS = {10_000: 6.0, MB: 4.0}
LOOK_S = 0.01
# Work of a side for a document after its receipt counts for that document too.
REST_S = 1.5
PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Case:
    """One case: so many documents of a size in each turn."""

    size: int
    documents: int

    @classmethod
    def parse(cls, word: str) -> Case:
        """Read SIZE:DOCUMENTS."""
        return cls(*map(int, word.split(":")))

    def __str__(self) -> str:
        return f"{self.size}:{self.documents}"


_FULL = (Case(10_000, 160), Case(MB, 48))
_QUICK = (Case(10_000, 16), Case(MB, 8))


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Amounts to send, and the processes that serve them."""

    cases: tuple[Case, ...] = number(_FULL, "each SIZE:DOCUMENTS", quick=_QUICK, read=Case.parse)
    callers: int = number(8, "callers at once")
    turns: int = number(3, "in turns, so that a machine that slows down slows both", quick=2)
    roles: tuple[str, ...] = number(
        ("all",), "roles of the node's processes on its one SQLite file", read=str
    )
    processes: int = number(1, "worker processes of each installation of django-pyas2")
    journal: str = number(
        "delete",
        "how its SQLite files keep their journal: delete as Django leaves it, wal as the node has it",
    )
    venv: str = number(
        "", "a virtual environment with the libraries; without one it is made below the cache folder"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Times of one side for the documents of one turn."""

    documents: int
    seconds: float
    cpu_s: float
    callers_cpu_s: float
    waited_s: Sequence[float]


class Side(Protocol):
    """One of both sides, at work."""

    async def exchange(self, content: bytes) -> None:
        """Send a document and wait until the sender has the signed receipt."""

    def cpu(self) -> float:
        """Return the seconds so far of all its processes."""

    async def check(self) -> None:
        """Raise Broken unless every document sent has its receipt, once."""


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure both. `missing` says why there are no rows, where the libraries cannot be had."""
    figures = {"libraries": as2_served.LIBRARIES, "callers": numbers.callers, "rows": [], "missing": ""}
    try:
        python = await environments.interpreter(as2_served.LIBRARIES, numbers.venv)
    except Broken as why:
        return figures | {"missing": str(why)}
    load = machine.load()
    async with (
        as2_served.opened(
            python,
            folder / "as2",
            callers=numbers.callers,
            processes=numbers.processes,
            journal=numbers.journal,
        ) as theirs,
        _node(folder / "node", numbers.roles) as ours,
    ):
        sides: dict[str, Side] = {THEIRS: theirs, OURS: ours}
        rows = [await _measure_case(sides, case, numbers) for case in numbers.cases]
        state = await theirs.state("sender")
    return figures | {
        "rows": rows,
        "processes": {THEIRS: 2 * numbers.processes, OURS: len(numbers.roles)},
        "database": {name: state[name] for name in ("journal", "synchronous")},
        "load": {"before": load, "after": machine.load()},
    }


async def _measure_case(sides: Mapping[str, Side], case: Case, numbers: Numbers) -> dict[str, Any]:
    """Measure one case. A first turn of each warms it up and is not counted."""
    makes = random.Random(case.size)
    turns: dict[str, list[Turn]] = {name: [] for name in sides}
    for turn in range(numbers.turns + 1):
        documents = case.documents if turn else min(case.documents, 2 * numbers.callers)
        for name, side in sides.items():
            contents = [papers.content(case.size, makes.getrandbits(60)) for _ in range(documents)]
            figures = await _take_turn(side, contents, numbers.callers)
            if turn:
                turns[name].append(figures)
    for side in sides.values():
        await side.check()
    return compare(case, turns)


async def _take_turn(side: Side, contents: Sequence[bytes], callers: int) -> Turn:
    remaining = iter(contents)
    waits: list[float] = []

    async def caller() -> None:
        for content in remaining:
            sent = perf_counter()
            async with asyncio.timeout(PATIENCE_S):
                await side.exchange(content)
            waits.append(perf_counter() - sent)

    cpu, own, begun = side.cpu(), process_time(), perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    seconds, own = perf_counter() - begun, process_time() - own
    await asyncio.sleep(REST_S)
    return Turn(
        documents=len(contents),
        seconds=seconds,
        cpu_s=side.cpu() - cpu,
        callers_cpu_s=own,
        waited_s=waits,
    )


def compare(case: Case, turns: Mapping[str, Sequence[Turn]]) -> dict[str, Any]:
    """Return the median of each side's turns; and how many times the documents and as little CPU the node has."""
    rows = {name: _figures(of_side) for name, of_side in turns.items()}
    ratios = [
        (theirs.seconds / theirs.documents) / (ours.seconds / ours.documents)
        for theirs, ours in zip(turns[THEIRS], turns[OURS], strict=True)
    ]
    return {
        "bytes": case.size,
        "documents": sum(turn.documents for turn in turns[OURS]),
        **rows,
        "ratio": round(median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
        "cpu_ratio": round(rows[THEIRS]["cpu_ms"] / rows[OURS]["cpu_ms"], 2),
        "wanted": TARGET_RATIOS.get(case.size, 0.0),
    }


def _figures(turns: Sequence[Turn]) -> dict[str, Any]:
    def middle(values: Sequence[float], digits: int) -> float:
        return round(median(values), digits)

    return {
        "per_second": middle([turn.documents / turn.seconds for turn in turns], 1),
        "cpu_ms": middle([turn.cpu_s / turn.documents * 1000 for turn in turns], 1),
        "callers_cpu_ms": middle([turn.callers_cpu_s / turn.documents * 1000 for turn in turns], 1),
        "waited_s": shares([seconds for turn in turns for seconds in turn.waited_s]),
    }


@dataclass(slots=True)
class _Node:
    """The node at work, and the answers that its callers wait for."""

    served: Served
    _sent: int = 0
    _waiting: dict[str, asyncio.Future[None]] = field(default_factory=dict)

    async def exchange(self, content: bytes) -> None:
        id = await self.served.send(content)
        self._sent += 1
        self._waiting[id] = answered = asyncio.get_running_loop().create_future()
        try:
            await answered
        finally:
            del self._waiting[id]

    def cpu(self) -> float:
        return self.served.cpu()["node"]

    async def check(self) -> None:
        counts = await self.served.receipts()
        if len(counts) != self._sent or set(counts.values()) != {1}:
            raise Broken(f"of {self._sent} documents {len(counts)} have an 01, {sum(counts.values())} in all")

    async def look(self) -> None:
        """Ask one question for all waiting callers, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._waiting:
                for id in await self.served.receipts(list(self._waiting)):
                    if (answered := self._waiting.get(id)) is not None and not answered.done():
                        answered.set_result(None)


@asynccontextmanager
async def _node(folder: Path, roles: Sequence[str]) -> AsyncIterator[_Node]:
    folder.mkdir()
    async with served.opened(folder, roles, servers_below=False) as opened, asyncio.TaskGroup() as group:
        node = _Node(opened)
        looking = group.create_task(node.look())
        yield node
        looking.cancel()
