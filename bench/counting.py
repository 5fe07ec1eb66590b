"""Counts the requests of this process while documents pass: statements of SQLite and the work of SQLite for them, calls to
a database server and its commits, messages of a broker, hops to other threads, fsyncs, and calls of functions. While it
listens it replaces functions of the libraries. Out: counts, with the step that asked and the part below it that did."""

from __future__ import annotations

import asyncio
import inspect
import linecache
import os
import re
import sqlite3
import sys
import threading
from asyncio.base_events import BaseEventLoop
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from unittest.mock import patch

import asyncpg
from aiormq import Channel
from aiormq.abc import ChannelFrame
from greenlet import getcurrent  # type: ignore[import-untyped]

import gateway
import gateway_foreign
import gateway_office
from gateway.store.batch import SharedUnits
from gateway.transport.amqp.handout import HandOut
from gateway.workers import clocks, event_log, heartbeat, key_watch, revocation
from gateway_office import mail
from gateway_office.bootstrap import office

# SQLite reports its work in pieces of so many instructions.
PIECE = 100
# A view begins with plain BEGIN. Units of a group are savepoints; the group's own `BEGIN IMMEDIATE` counts as
# one more, and its commit as an fsync.
_OPENS = {"BEGIN": "views", "BEGIN IMMEDIATE": "units", "SAVEPOINT": "units"}
# END commits without waiting for the disk.
_UNCOUNTED = frozenset({"RELEASE", "ROLLBACK", "PRAGMA", "END"})
_CHANGES = re.compile(r"\b(?:INSERT|UPDATE|DELETE)\b")
# The work of these comes by the clock, however many documents there are: modules, and methods of one class.
_CLOCK_MODULES = (clocks, heartbeat, key_watch, revocation, office, mail)
_BY_THE_CLOCK = (
    *(module.__name__.removeprefix("gateway.").replace(".", "/") + ".py:" for module in _CLOCK_MODULES),
    *(
        f"workers/event_log.py:{name}"
        for name, _ in inspect.getmembers(event_log.LogSealer, inspect.isfunction)
    ),
)
# The same of loops, by the names of their tasks; what they make in tasks of their own is counted.
_CLOCK_TASKS = frozenset(
    [
        "accounts",
        "acts",
        "aside",
        "axis_lists",
        "clock",
        "clocks",
        "delegation",
        "digest",
        "figures",
        "growth",
        "history",
        "holds",
        "hosting",
        "keys",
        "lookout",
        "marks",
        "pulse",
        "quarantine",
        "reports",
        "revocation",
        "sealer",
        "signatures",
        "wake",
        "webhooks",
    ]
)
_BELOW = (
    "store/",
    "gateway_office/store/",
    "registry/",
    "log.py",
    "pool.py",
    "commits.py",
    "workers/loop.py",
)
_BENCH = f"{Path(__file__).parent}/"
_LIBRARY = re.compile(r".*/(?:site-packages|python3\.\d+)/([^/]+)")
# Of each distribution: what stands before the path of a module, and what is put there instead.
_PROGRAM = {
    f"{Path(gateway.__file__).parent}/": "",
    f"{Path(gateway_office.__file__).parent}/": "gateway_office/",
    f"{Path(gateway_foreign.__file__).parent}/": "gateway_foreign/",
}
# Calls of the driver; each waits for the server once.
_SERVER_CALLS = frozenset(
    {"bind", "bind_execute", "bind_execute_many", "close_statement", "execute", "prepare", "query"}
)
# What is written to a broker, by the name of the frame.
_BROKER_FRAMES = {"Basic.Publish": "publishes", "Basic.Ack": "acks"}


class Counts:
    """Counts of the requests while `on`."""

    def __init__(self) -> None:
        self.on = False
        self.by_step: dict[str, Counter[str]] = {}
        self.python_calls: Counter[tuple[str, CodeType]] = Counter()
        self.c_calls: Counter[tuple[str, CodeType]] = Counter()
        self.sizes: dict[str, Counter[int]] = {}
        self.commits = 0
        self._last: tuple[FrameType | None, str] = None, ""
        # A frame holds its cursor, and a cursor that goes resets its statement: while SQLite reports, it may be the very
        # statement that runs. So frames are let go of between two countings.
        self._frames: list[FrameType] = []

    def begin(self) -> None:
        """Count from nothing."""
        for counter in (self.by_step, self.sizes, self.python_calls, self.c_calls):
            counter.clear()
        self.commits = 0
        self._last = None, ""
        self._frames.clear()
        self.on = True

    def sum(self, kind: str, by: tuple[str, ...] = ("",)) -> int:
        """Return how often it was counted, for steps whose names begin so."""
        return sum(times for step, times in self.by_step.get(kind, {}).items() if step.startswith(by))

    @property
    def so_far(self) -> tuple[int, int]:
        """Requests of databases and calls of functions so far."""
        return self.sum("statements") + self.sum("server_calls"), self.python_calls.total()

    def is_quiet(self, since: tuple[int, int]) -> bool:
        """Tell whether little more was asked for since then than an idle node asks in a second."""
        requests, calls = self.so_far
        return requests <= since[0] + 10 and calls <= since[1] + 2_000

    def add(self, kind: str, times: int = 1, default: str | None = None) -> None:
        """Count it, unless it comes by the clock. `default`: who is named as the caller where no step asks."""
        if self.on and (caller := _caller(default)) is not None:
            self.by_step.setdefault(kind, Counter())[caller] += times

    def hear_statement(self, sql: str) -> None:
        """Count a statement of SQLite, given with its values."""
        if not self.on or sql.startswith("--"):  # of a trigger
            return
        frame = sys._getframe(1)
        (last_frame, words), self._last = self._last, (frame, sql)
        if last_frame is not frame:
            self._frames.append(frame)
        if last_frame is frame and (words == sql or _is_for_many(last_frame)):
            return  # a trigger of the same statement, or the next row of the same call
        word = sql.split(None, 1)[0].upper()
        if word == "COMMIT":  # in a thread, for many callers
            self.commits += 1
        elif opens := _OPENS.get(sql.upper(), _OPENS.get(word)):
            self.add(opens)
        elif word not in _UNCOUNTED:
            self.add("statements")
            if word == "SELECT" or (word == "WITH" and not _CHANGES.search(sql)):
                self.add("selects")

    def hear_progress(self) -> None:
        """Count one more piece of SQLite's work."""
        self.add("instructions", PIECE)

    def hear_call(self, frame: FrameType, event: str, argument: object) -> None:
        """Count a call, as the interpreter reports it to a profiler, unless a loop makes it that goes by the clock."""
        if self.on and event in ("call", "c_call") and (step := _step()) not in _CLOCK_TASKS:
            (self.python_calls if event == "call" else self.c_calls)[step, frame.f_code] += 1


def _step() -> str:
    """Name the loop or the function whose task makes a call; calls of the event loop itself, and of threads, have none."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return "thread"
    if task is None:
        return "event loop"
    name = task.get_name()
    return getattr(task.get_coro(), "__qualname__", name) if name.startswith("Task-") else name


def _is_for_many(frame: FrameType) -> bool:
    call = frame.f_locals.get("call")  # SQLAlchemy's variable, which passes the call on
    words = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    return "executemany" in words or (isinstance(call, partial) and call.func.__name__ == "executemany")


def _caller(default: str | None) -> str | None:
    """Return the step that asked, and the part below it that did; None where no document is the reason."""
    names = list(_frames())
    step = next((name for name in names if not name.startswith(_BELOW)), "?")
    if not names:
        return default
    return None if step.startswith(_BY_THE_CLOCK) else f"{step} <- {names[0]}"


def _frames() -> Iterator[str]:
    """Yield the frames of the program alone; a greenlet's callers stand in its parents."""
    starts: list[FrameType | None] = [sys._getframe(2)]
    at: Any = getcurrent()
    while at.parent is not None:
        at = at.parent
        starts.append(at.gr_frame)
    for frame in starts:
        while frame is not None:
            if name := _name_within(frame.f_code.co_filename):
                yield f"{name}:{frame.f_code.co_name}"
            frame = frame.f_back


def _name_within(path: str) -> str:
    """Name a module of the program as `store/batch.py` or `gateway_office/mail.py`; nothing for any other."""
    for folder, name in _PROGRAM.items():
        if path.startswith(folder):
            return name + path.removeprefix(folder)
    return ""


def _module(code: CodeType) -> str:
    """Name a module of the program by its path, any other by its library."""
    path = code.co_filename
    if name := _name_within(path):
        return name
    if path.startswith(_BENCH):
        return "bench"
    library = _LIBRARY.match(path)
    return library[1].removesuffix(".py") if library else path


def by_module(calls: Counter[tuple[str, CodeType]]) -> Counter[str]:
    """Count calls by the module that has the function, or that calls one in C; the bench's own are left out."""
    modules: Counter[str] = Counter()
    for (_, code), times in calls.items():
        modules[_module(code)] += times
    del modules["bench"]
    return modules


def by_step(calls: Counter[tuple[str, CodeType]]) -> Counter[str]:
    """Count calls by the loop or task that makes them; the bench's own are left out."""
    steps: Counter[str] = Counter()
    for (step, code), times in calls.items():
        if _module(code) != "bench":
            steps[step] += times
    return steps


@contextmanager
def count_everything_else(counts: Counts) -> Iterator[None]:
    """Count everything but calls of functions meanwhile, of connections that are opened meanwhile. Any: each function
    replaces one of a library and takes its arguments."""
    to_thread: Any = BaseEventLoop.run_in_executor
    sync: Any = os.fsync
    open_file: Any = sqlite3.connect
    open_line: Any = asyncpg.connect

    def run_in_executor(*args: Any) -> Any:
        counts.add("hops")
        return to_thread(*args)

    def fsync(*args: Any) -> None:
        counts.add("fsyncs")
        sync(*args)

    def connect(*args: Any, **kwargs: Any) -> Any:
        opened = open_file(*args, **kwargs)
        opened.set_trace_callback(counts.hear_statement)
        opened.set_progress_handler(counts.hear_progress, PIECE)
        return opened

    def connect_server(*args: Any, **kwargs: Any) -> Any:
        return open_line(*args, connection_class=_counting_line(counts), **kwargs)

    take_units: Any = SharedUnits._take_waiting
    take_arrivals: Any = HandOut.take
    hear_confirm: Any = Channel._on_confirm_frame
    write_frames: Any = ChannelFrame.marshall

    def sized(kind: str, batch: Any) -> Any:
        if counts.on and batch:
            counts.sizes.setdefault(kind, Counter())[len(batch)] += 1
        return batch

    def on_confirm(*args: Any) -> Any:
        counts.add("confirms", default="broker")
        return hear_confirm(*args)

    def marshall(channel_number: int, frames: Any, drain_future: Any = None) -> Any:
        frames = list(frames)
        for kind in (_BROKER_FRAMES[frame.name] for frame in frames if frame.name in _BROKER_FRAMES):
            counts.add(kind, default="?")
        return write_frames(channel_number, frames, drain_future)

    with ExitStack() as stack:
        for holder, name, function in (
            (ChannelFrame, "marshall", marshall),
            (Channel, "_on_confirm_frame", on_confirm),
            (SharedUnits, "_take_waiting", lambda *args: sized("units of a batch", take_units(*args))),
            (HandOut, "take", lambda *args: sized("arrivals of a step", take_arrivals(*args))),
            (BaseEventLoop, "run_in_executor", run_in_executor),
            (os, "fsync", fsync),
            (sqlite3, "connect", connect),
            (sqlite3.dbapi2, "connect", connect),
            (asyncpg, "connect", connect_server),
        ):
            stack.enter_context(patch.object(holder, name, function))
        yield


@contextmanager
def count_calls(counts: Counts) -> Iterator[None]:
    """Count calls of functions meanwhile, in this thread and in those that are started meanwhile. Nothing else is counted:
    the counter calls functions too."""
    threading.setprofile(counts.hear_call)
    sys.setprofile(counts.hear_call)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def _counting_line(counts: Counts) -> type[Any]:
    class Line(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
        """A connection to a server whose calls are counted."""

        def __init__(self, protocol: object, *args: Any, **kwargs: Any) -> None:
            super().__init__(_Protocol(protocol, counts), *args, **kwargs)

    return Line


class _Protocol:
    """Replaces the driver's own below one connection. Any: it answers for all of its attributes."""

    def __init__(self, protocol: Any, counts: Counts) -> None:
        self._protocol, self._counts, self._writes = protocol, counts, False

    def query(self, text: str, *args: Any) -> Any:
        """Run a statement without values, such as a begin and a commit."""
        self._counts.add("server_calls", default="ROLLBACK")
        if text.startswith("BEGIN"):
            self._writes = "READ ONLY" not in text
        elif text.startswith("COMMIT") and self._writes:
            self._counts.add("commits", default="?")
        return self._protocol.query(text, *args)

    def __getattr__(self, name: str) -> Any:
        if name in _SERVER_CALLS:
            # SQLAlchemy ends a transaction that was not committed in a task of its own.
            self._counts.add("server_calls", default="ROLLBACK")
        return getattr(self._protocol, name)
