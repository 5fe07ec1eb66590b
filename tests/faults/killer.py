"""Wraps every port of a node and stops the process before or after calls. Run as a program, it does what each line on
stdin asks: lay out a folder, tell the demo story in it, or tell it once and copy the folder at each of some points. A
stopped process leaves on disk exactly what a killed one leaves, so each copy is a crash at that point."""

from __future__ import annotations

import asyncio
import collections
import gc
import importlib
import inspect
import json
import os
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterable, Set
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gateway.bootstrap.node import Wrap, open_node
from gateway.clock import SystemClock
from gateway_labs.demo import stage, story
from tests.support.town.builder import stage_in

P = TypeVar("P")
# Calls that only ask for the time of day or wait change nothing that a crash could tear.
_HARMLESS = frozenset({"wait", "wait_events", "counts", "hosted"})


class Call(NamedTuple):
    """One call of a port: which it is of all, and by its name, which of those that are called so."""

    number: int
    name: str


# A call, by its number or by its name, and whether the process ends before or after it.
Point = tuple[int | str, str]
Stop = Callable[[Call, str], None]


class Counter:
    """Counts calls over all ports, and hands every point, before and after a call, to `stop`."""

    def __init__(self, stop: Stop = lambda call, when: None) -> None:
        self.calls = 0
        self._of_name: collections.Counter[str] = collections.Counter()
        self._stop = stop

    def begin_call(self, name: str) -> Call:
        self.calls += 1
        self._of_name[name] += 1
        call = Call(self.calls, f"{name} {self._of_name[name]}")
        self._stop(call, "before")
        return call

    def end_call(self, call: Call) -> None:
        self._stop(call, "after")


def stand_still(call: Call, when: str) -> None:
    """Stop this process with all its threads until its parent lets it go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


class Counted:
    """A port whose every call is counted; units of work that it opens are counted too."""

    def __init__(self, name: str, inner: object, counter: Counter) -> None:
        self._name, self._inner, self._counter = name, inner, counter

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(self._inner, attribute)
        if attribute in _HARMLESS or not callable(value):
            if not callable(value) and type(value).__module__.startswith(
                ("gateway.store", "gateway_office.store")
            ):
                return Counted(f"{self._name}.{attribute}", value, self._counter)
            return value
        return self._counted(f"{self._name}.{attribute}", value)

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            plain = [arg._inner if isinstance(arg, Counted) else arg for arg in args]
            if name == "store.share":
                plain[1] = partial(self._shared, plain[1])  # the body of a unit
            counted = self._counter.begin_call(name)
            result = call(*plain, **kwargs)
            if inspect.isawaitable(result):
                return self._awaited(counted, result)
            if hasattr(result, "__aenter__"):
                return _Opened(name, result, self._counter, counted)
            self._counter.end_call(counted)
            return result

        return run

    async def _shared(self, body: Any, work: object) -> Any:
        return await body(Counted("store.share", work, self._counter))

    async def _awaited(self, counted: Call, result: Any) -> Any:
        value = await result
        self._counter.end_call(counted)
        return value


class _Opened:
    """A unit of work being opened."""

    def __init__(self, name: str, inner: Any, counter: Counter, counted: Call) -> None:
        self._name, self._inner, self._counter, self._counted = name, inner, counter, counted

    async def __aenter__(self) -> Any:
        work = await self._inner.__aenter__()
        try:
            self._counter.end_call(self._counted)
        except BaseException as error:  # it is open, and no other code would close it
            await self._inner.__aexit__(type(error), error, error.__traceback__)
            raise
        return Counted(self._name, work, self._counter)

    async def __aexit__(self, *error: Any) -> Any:
        if not self._name.endswith(".changing") or error[0] is not None:
            return await self._inner.__aexit__(*error)
        try:
            commit = self._counter.begin_call(f"{self._name}.commit")
        except BaseException as stopped:
            await self._inner.__aexit__(type(stopped), stopped, stopped.__traceback__)
            raise
        outcome = await self._inner.__aexit__(*error)
        self._counter.end_call(commit)
        return outcome


class Killer(Wrap):
    """The wrapper that `open_node` puts around each port."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def __call__(self, name: str, port: P) -> P:
        counted: Any = Counted(name, port, self._counter)
        return counted  # type: ignore[no-any-return]  # it answers like the port


class LaterClock(SystemClock):
    """Real time, shifted: after a crash the leases of the dead have run out."""

    def __init__(self, offset: timedelta) -> None:
        self._offset = offset

    def now(self) -> datetime:
        return super().now() + self._offset


async def tell(folder: Path, offset_s: float = 0.0, stop: Stop = lambda call, when: None) -> dict[str, Any]:
    """Tell the story in a staged folder; return its calls, its result and what the folder holds."""
    counter = Counter(stop)
    clock = LaterClock(timedelta(seconds=offset_s))
    result = await story.once(folder, wrap=Killer(counter), clock=clock, envelopes=False, office=False)
    return {
        "calls": counter.calls,
        "ok": result.ok,
        "wrong": result.wrong,
        **result.as_json(),
        **await leftovers(folder, clock),
    }


def torn(report: dict[str, Any]) -> list[str]:
    """List what a crash tore, in words; the list is empty when the folder is as if there had been no crash."""
    if report.get("error") is not None:
        return [f"the story broke: {report['error']}", report["trace"], *report["kept_out"]]
    wrong = [f"unexpected state: {state}" for state in report["wrong"]]
    wrong += [
        f"{name}: {report[name]}"
        for name in ("lost", "doubled", "ownerless", "stray_files", "told_twice", "events_with_gaps")
        if report[name]
    ]
    wrong += [f"arrival numbers with gaps: {run}" for run in report["gaps"]]
    return wrong


# Each sequence of events, how many there are and how many numbers were given: of the node, and of each agency.
_SEQUENCES = """
select 'node', count(*), coalesce(max(node_seq), 0) from event
union all select agency_id, count(*), coalesce(max(agency_seq), 0) from event where agency_id <> '' group by agency_id
"""


async def leftovers(folder: Path, clock: LaterClock) -> dict[str, Any]:
    """Find what is wrong after the sweeper: blobs without an owner, files without a row and rows without their bytes,
    gaps in mode B and in the numbers of events, statuses sent twice."""
    settings = stage.settings_for(folder)
    async with open_node(settings, clock=clock) as node:
        await node.blobs.sweep(clock.now() + timedelta(hours=25))
    with closing(sqlite3.connect(folder / "gateway.db")) as rows:
        blobs = {digest for (digest,) in rows.execute("select digest from blob")}
        small = {digest for (digest,) in rows.execute("select digest from blob where body is not null")}
        owners = "select digest from blob_ref union select digest from blob where agency_id is not null"
        owned = {digest for (digest,) in rows.execute(owners)}
        numbers: dict[str, list[int]] = {}
        for agency, number in rows.execute("select agency_id, number from register_entry"):
            numbers.setdefault(agency, []).append(int(number))
        twice = rows.execute(
            "select count(*) from (select 1 from fact where track = 'business' and code <> '04'"
            " group by subject_id, code having count(*) > 1)"
        ).fetchone()[0]
        with_gaps = [sequence for sequence, *counts in rows.execute(_SEQUENCES) if counts[0] != counts[1]]
    files = {path.name for path in (folder / "content").rglob("*") if path.is_file() and len(path.name) == 64}
    runs = [sorted(numbered) for numbered in numbers.values()]
    return {
        "ownerless": len(blobs - owned),
        "stray_files": len(files ^ (blobs - small)),
        "gaps": [run for run in runs if run[0] == 1 and run != list(range(1, len(run) + 1))],
        "registered": sum(map(len, runs)),
        "told_twice": twice,
        "events_with_gaps": with_gaps,
    }


def kept_out(folder: Path) -> list[str]:
    """List the packets that came to no good end, with the reason that a clerk would read."""
    with closing(sqlite3.connect(folder / "gateway.db")) as rows:
        cursor = rows.execute(
            "select id, transport_packet_id, kind, received_at, state, code, reason from inbox where state <> 'done'"
        )
        return [" | ".join(str(value) for value in row) for row in cursor]


def serve() -> None:
    """Answer each line on stdin. Everything is imported once, and the parent runs no event loop, so that each fork is
    clean."""
    for line in sys.stdin:
        question = json.loads(line)
        if "lay_out" in question:
            _lay_out(Path(question["lay_out"]))
            print("{}", flush=True)
            continue
        folder = Path(question["folder"])
        if "points" in question:
            report = crashed(
                folder, {(call, when) for call, when in question["points"]}, Path(question["into"])
            )
        else:
            report = _tell_in_child(folder, question["offset_s"])
        _load(report.pop("modules", ()))
        print(json.dumps(report), flush=True)


def _lay_out(folder: Path) -> None:
    child = os.fork()
    if child == 0:
        asyncio.run(set_up(folder))
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit("the folder could not be laid out")


def _load(modules: Iterable[str]) -> None:
    """Import what the story loaded on first use, so that later ones need not do it again, and let the garbage collector
    leave it alone: a look at it would copy its memory."""
    for name in modules:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def crashed(folder: Path, points: Set[Point], into: Path) -> dict[str, Any]:
    """Tell the story and copy its folder at those points, each under the point's name; return what the story found when
    it was over. A point beyond the last call is `missed`, and gets the folder as it was at the end."""
    reader, writer = os.pipe()

    def stop(call: Call, when: str) -> None:
        for point in ((call.number, when), (call.name, when)):
            if point in points:
                os.write(writer, (json.dumps(point) + "\n").encode())
                stand_still(call, when)

    child = _forked(folder, 0.0, stop)
    missed = set(points)
    with os.fdopen(reader, "rb", buffering=0) as names:
        while os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1]):
            call, when = json.loads(names.readline())
            missed.discard((call, when))
            try:
                copied(folder, left_by(into, call, when))
            except BaseException:  # otherwise the child and its waiting parent would stand still for ever
                os.kill(child, signal.SIGKILL)
                raise
            os.kill(child, signal.SIGCONT)
    os.close(writer)
    for call, when in missed:
        copied(folder, left_by(into, call, when))
    return {**_read(folder), "missed": sorted(missed, key=str)}


def left_by(into: Path, call: int | str, when: str) -> Path:
    """Return the folder that a crash at that point leaves."""
    return into / f"{when} {call}"


def copied(folder: Path, to: Path) -> Path:
    """Copy the folder as a later process finds it: the pipes of a process that has ended have no reader."""
    return Path(shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*-bells")))


def _tell_in_child(folder: Path, offset_s: float) -> dict[str, Any]:
    os.waitpid(_forked(folder, offset_s, lambda call, when: None), 0)
    return _read(folder)


def _forked(folder: Path, offset_s: float, stop: Stop) -> int:
    """Start a process that tells the story and writes its report beside the folder; return its process id."""
    child = os.fork()
    if child == 0:
        try:
            report = asyncio.run(tell(folder, offset_s, stop))
            report["modules"] = [name for name in sys.modules if name.startswith("gateway")]
        except BaseException as error:
            report = {
                "ok": False,
                "error": repr(error),
                "trace": traceback.format_exc(),
                "kept_out": kept_out(folder),
            }
        _report_path(folder).write_text(json.dumps(report))
        os._exit(0)
    return child


def _read(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(_report_path(folder).read_text())
    return report


def _report_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


async def set_up(folder: Path) -> None:
    """Lay out the staged folder that is copied for each point."""
    await stage_in(folder, SystemClock())


if __name__ == "__main__":
    serve()
