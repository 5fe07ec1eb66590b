"""Counts what one small document costs on a node of SQLite, there and back with its 01: what the program asks of SQLite,
how much SQLite does for it, and how often it waits for another thread. In: how many documents are under way at once, and
how many older ones the register may have besides. Out: each count for one document, with who asked; what SQLite did also
with the long register. `python -m bench.counts [N [REGISTER]]` prints them as JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import linecache
import os
import sqlite3
import sys
import tempfile
from asyncio.base_events import BaseEventLoop
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from greenlet import getcurrent  # type: ignore[import-untyped]

from bench import pair, register, stage, traffic
from gateway.office.bootstrap.office import Office

SIZE, AT_ONCE, WARM = 10_000, 32, 8
# The most that one document may cost.
LIMITS = {"transactions": 12.0, "statements": 60.0, "hops": 15.0, "fsyncs": 3.0}
# Of what SQLite does for a document with a long register, by what it does with an empty one.
GROWS = 1.3
# What SQLite's machine does is told in so many instructions.
PIECE = 100
# Units of a group are savepoints; its own `BEGIN` counts as one more, and its commit as what it is, an fsync.
_OPENS = {"BEGIN": "begun", "SAVEPOINT": "units"}
_BESIDE = frozenset({"RELEASE", "ROLLBACK", "PRAGMA"})
# What these do comes by the clock, however many documents there are.
_BY_THE_CLOCK = (
    *(f"workers/{name}.py" for name in ("clocks", "key_watch", "pulse", "revocation")),
    *("office/bootstrap/office.py", "office/mail.py"),
)
_BELOW = ("store/", "office/store/", "registry/", "log.py", "pool.py", "commits.py", "workers/loop.py")


class Counts:
    """Hears every statement of every connection of this process; counts while `on`."""

    def __init__(self) -> None:
        self.on = False
        self.told: dict[str, Counter[str]] = {}
        self.commits = 0
        self._last: tuple[FrameType | None, str] = None, ""

    def begin(self) -> None:
        self.told.clear()
        self.commits = 0
        self.on = True

    def hear(self, sql: str) -> None:
        if not self.on or sql.startswith("--"):  # of a trigger
            return
        frame = sys._getframe(1)
        (asked, words), self._last = self._last, (frame, sql)
        if asked is frame and (words == sql or _is_for_many(asked)):
            return  # a trigger of the same statement, or the next row of the same call
        word = sql.split(None, 1)[0].upper()
        if word == "COMMIT" and self.on:  # in a thread, for many
            self.commits += 1
        elif word in _OPENS:
            self.add(_OPENS[word])
        elif word not in _BESIDE:
            self.add("statements")

    def went_on(self) -> None:
        self.add("instructions", PIECE)

    def add(self, what: str, times: int = 1) -> None:
        if self.on and (who := _who()) is not None:
            self.told.setdefault(what, Counter())[who] += times


def _is_for_many(asked: FrameType) -> bool:
    call = asked.f_locals.get("call")  # of SQLAlchemy's, which hands the call on
    words = linecache.getline(asked.f_code.co_filename, asked.f_lineno)
    return "executemany" in words or (isinstance(call, partial) and call.func.__name__ == "executemany")


def _who() -> str | None:
    """The step that asked, and the part below it that did; None where no document is the reason."""
    names = list(_frames())
    step = next((name for name in names if not name.startswith(_BELOW)), "?")
    return None if not names or step.startswith(_BY_THE_CLOCK) else f"{step} <- {names[0]}"


def _frames() -> Iterator[str]:
    """Of the program alone; a greenlet's callers stand in its parents."""
    starts: list[FrameType | None] = [sys._getframe(2)]
    at: Any = getcurrent()
    while at.parent is not None:
        at = at.parent
        starts.append(at.gr_frame)
    for frame in starts:
        while frame is not None:
            _, found, name = frame.f_code.co_filename.partition("/gateway/")
            if found and "/site-packages/" not in frame.f_code.co_filename:
                yield f"{name}:{frame.f_code.co_name}"
            frame = frame.f_back


async def measure(folder: Path, at_once: int = AT_ONCE, older: int = 0) -> dict[str, Any]:
    """This process is not fit for anything else afterwards: what it listens to stays."""
    counts = Counts()
    _listen(counts)
    each = WARM + at_once
    papers = await pair.papers(folder / "papers", SIZE, 2 * each if older else each)
    await stage.prepare(folder, {"node": [stage.SENDER, stage.RECEIVER]})
    await _counted(folder, papers[:each], 1, counts)
    told = _told(counts, at_once)
    if older:
        register.grow(folder / "node" / "gateway.db", older)
        await _counted(folder, papers[each:], each + 1, counts)
        grown = _told(counts, at_once)
        told |= {"older": older, "grown": grown["counted"], "who_grown": grown["who"]["instructions"]}
    return told


async def _counted(folder: Path, papers: list[Path], first: int, counts: Counts) -> None:
    async with stage.opened(folder, "node") as node:
        await _carried(node, papers[:WARM], first)
        counts.begin()
        await _carried(node, papers[WARM:], first + WARM, counts)
        counts.on = False


def _listen(counts: Counts) -> None:
    """Any: each stands for a function of the library and takes what that takes."""
    to_thread: Any = BaseEventLoop.run_in_executor
    sync: Any = os.fsync
    open_file: Any = sqlite3.connect

    def run_in_executor(*given: Any) -> Any:
        counts.add("hops")
        return to_thread(*given)

    def fsync(*given: Any) -> None:
        counts.add("fsyncs")
        sync(*given)

    def connect(*given: Any, **named: Any) -> Any:
        opened = open_file(*given, **named)
        opened.set_trace_callback(counts.hear)
        opened.set_progress_handler(counts.went_on, PIECE)
        return opened

    _stand_in(BaseEventLoop, run_in_executor)
    _stand_in(os, fsync)
    for module in (sqlite3, sqlite3.dbapi2):
        _stand_in(module, connect)


def _stand_in(holder: Any, function: Any) -> None:
    """For the one of the same name."""
    setattr(holder, function.__name__, function)


async def _carried(node: Office, papers: list[Path], first: int, counts: Counts | None = None) -> None:
    """All of them sent at once; returns when each has its 01, and lists and the log have them. Looking is not counted."""
    scope = await traffic.scope_of(node)
    sent = await asyncio.gather(
        *(traffic.send(node, scope, paper, str(first + n)) for n, paper in enumerate(papers))
    )
    waiting = {document.id for document in sent}
    async with asyncio.timeout(traffic.PATIENCE_S):
        while waiting:
            await asyncio.sleep(1.0)
            if counts is not None:
                counts.on = False
            async with node.store.read(scope) as work:
                for id in sorted(waiting):
                    if (await work.deliveries.of(id))[0].state == "delivered":
                        waiting.discard(id)
            if counts is not None:
                counts.on = bool(waiting)
        while await node.store.lists_wait():
            if counts is not None:
                counts.on = True
            await asyncio.sleep(0.2)
            if counts is not None:
                counts.on = False


def _told(counts: Counts, documents: int) -> dict[str, Any]:
    """`transactions`: units that write and views that read, of store and axis. A commit of SQLite is one fsync, of its
    journal."""
    sums = {what: sum(counter.values()) / documents for what, counter in counts.told.items()}
    counted = {
        "transactions": sums["units"] + sums["begun"],
        "statements": sums["statements"],
        "hops": sums["hops"],
        "fsyncs": counts.commits / documents + sums.get("fsyncs", 0.0),
        "instructions": sums["instructions"],
    }
    who = {
        what: {name: round(times / documents, 2) for name, times in counter.most_common()}
        for what, counter in counts.told.items()
    }
    return {
        "documents": documents,
        "counted": {what: round(number, 2) for what, number in counted.items()},
        "limits": LIMITS,
        "holds": all(counted[what] <= most for what, most in LIMITS.items()),
        "who": who,
    }


if __name__ == "__main__":
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
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as temporary:
        told = asyncio.run(measure(Path(temporary), given.n, given.register))
    print(json.dumps(told, indent=1, ensure_ascii=False))
