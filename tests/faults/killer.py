"""Wraps every port of a node and kills the process before or after one call. Run as a program: tells the demo story in a
folder once per line asked on stdin, and dies at the call it is asked to die at."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from gateway.bootstrap import Wrap, open_node
from gateway.clock import SystemClock
from gateway.demo import stage, story

P = TypeVar("P")
# Calls that only ask for the time of day or wait change nothing that a crash could tear.
_HARMLESS = frozenset({"wait", "wait_events", "counts", "hosted"})


class Counter:
    """Counts calls over all ports, and dies at one of them. With `stops` it stops itself at each one instead, for its
    parent to look at the folder: a stopped process leaves the very files that a killed one leaves."""

    def __init__(self, point: int | None, when: str, *, stops: bool = False) -> None:
        self.calls = 0
        self._point, self._when, self._stops = point, when, stops

    def before(self, name: str) -> int:
        self.calls += 1
        self._die(self.calls, "before")
        return self.calls

    def after(self, number: int) -> None:
        self._die(number, "after")

    def _die(self, number: int, when: str) -> None:
        if self._stops:
            os.kill(os.getpid(), signal.SIGSTOP)
        elif number == self._point and when == self._when:
            os.kill(os.getpid(), signal.SIGKILL)


class Counted:
    """A port whose every call is counted; units of work that it opens are counted too."""

    def __init__(self, name: str, inner: object, counter: Counter) -> None:
        self._name, self._inner, self._counter = name, inner, counter

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(self._inner, attribute)
        if attribute in _HARMLESS or not callable(value):
            if not callable(value) and type(value).__module__.startswith("gateway.store"):
                return Counted(f"{self._name}.{attribute}", value, self._counter)
            return value
        return self._counted(f"{self._name}.{attribute}", value)

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            plain = [arg._inner if isinstance(arg, Counted) else arg for arg in args]
            number = self._counter.before(name)
            result = call(*plain, **kwargs)
            if inspect.isawaitable(result):
                return self._awaited(number, result)
            if hasattr(result, "__aenter__"):
                return _Opened(name, result, self._counter, number)
            self._counter.after(number)
            return result

        return run

    async def _awaited(self, number: int, result: Any) -> Any:
        value = await result
        self._counter.after(number)
        return value


class _Opened:
    """A unit of work being opened."""

    def __init__(self, name: str, inner: Any, counter: Counter, number: int) -> None:
        self._name, self._inner, self._counter, self._number = name, inner, counter, number

    async def __aenter__(self) -> Any:
        work = await self._inner.__aenter__()
        self._counter.after(self._number)
        return Counted(self._name, work, self._counter)

    async def __aexit__(self, *error: Any) -> Any:
        return await self._inner.__aexit__(*error)


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


async def tell(
    folder: Path, point: int | None, when: str, offset_s: float, *, stops: bool = False
) -> dict[str, Any]:
    """The story in a staged folder, with the crash it is to have; then what the folder holds."""
    counter = Counter(point, when, stops=stops)
    clock = LaterClock(timedelta(seconds=offset_s))
    result = await story.once(folder, wrap=Killer(counter), clock=clock, envelopes=False)
    return {
        "calls": counter.calls,
        "ok": result.ok,
        "wrong": result.wrong,
        **result.as_json(),
        **await leftovers(folder, clock),
    }


def torn(found: dict[str, Any]) -> list[str]:
    """Everything that a crash tore, in words; nothing when the folder is as if there had been none."""
    if found.get("error") is not None:
        return [f"the story broke: {found['error']}", found["trace"]]
    wrong = [f"unexpected state: {each}" for each in found["wrong"]]
    wrong += [
        f"{name}: {found[name]}"
        for name in ("lost", "doubled", "ownerless", "stray_files", "told_twice")
        if found[name]
    ]
    wrong += [f"arrival numbers with gaps: {run}" for run in found["gaps"]]
    return wrong


async def leftovers(folder: Path, clock: LaterClock) -> dict[str, Any]:
    """After the sweeper: blobs without an owner, files without a row, gaps in mode B, statuses told twice."""
    settings = stage.settings_for(folder)
    async with open_node(settings, clock=clock) as node:
        await node.blobs.sweep(clock.now() + timedelta(hours=25))
    with closing(sqlite3.connect(folder / "gateway.db")) as rows:
        blobs = {digest for (digest,) in rows.execute("select digest from blob")}
        owned = {digest for (digest,) in rows.execute("select distinct digest from blob_ref")}
        numbers: dict[str, list[int]] = {}
        for agency, number in rows.execute("select agency_id, number from register_entry"):
            numbers.setdefault(agency, []).append(int(number))
        twice = rows.execute(
            "select count(*) from (select 1 from fact where track = 'business' and code <> '04'"
            " group by subject_id, code having count(*) > 1)"
        ).fetchone()[0]
    files = {path.name for path in (folder / "content").rglob("*") if path.is_file() and len(path.name) == 64}
    runs = [sorted(found) for found in numbers.values()]
    return {
        "ownerless": len(blobs - owned),
        "stray_files": len(files ^ blobs),
        "gaps": [run for run in runs if run[0] == 1 and run != list(range(1, len(run) + 1))],
        "registered": sum(map(len, runs)),
        "told_twice": twice,
    }


def serve() -> None:
    """Reads one request a line, forks a process that tells the story, and answers how it ended. Everything is imported
    once, and the parent runs no event loop, so that the fork is clean."""
    for line in sys.stdin:
        asked = json.loads(line)
        folder = Path(asked["folder"])
        child = os.fork()
        if child == 0:
            try:
                told = asyncio.run(tell(folder, asked["point"], asked["when"], asked["offset_s"]))
            except BaseException as error:
                told = {"ok": False, "error": repr(error), "trace": traceback.format_exc()}
            (folder / "told.json").write_text(json.dumps(told))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps({"killed": killed}), flush=True)


async def set_up(folder: Path) -> None:
    """A staged folder that each point gets a copy of."""
    settings = stage.settings_for(folder)
    await stage.prepare(settings)
    async with open_node(settings) as node:
        await stage.register(node)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stage"]:
        asyncio.run(set_up(Path(sys.argv[2])))
    else:
        serve()
