"""An event loop whose clock jumps to the next timer. In: tasks of several owners, which are processes of nodes or callers.
Out: the same order of all steps for the same seed. Work for threads runs on the loop itself after a seeded delay, so that
commits, syncs and steps overlap in any order. The steps of an owner that was killed are dropped and never run."""

# A loop reaches into asyncio, whose own parts have no types.
# mypy: disable-error-code="attr-defined,override,assignment,method-assign"

from __future__ import annotations

import asyncio
import contextvars
import heapq
import math
import os
import selectors
import weakref
from asyncio import events
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from aiosqlite import core as aiosqlite

_MISSING = object()
_OWNER: contextvars.ContextVar[Owner | None] = contextvars.ContextVar("owner", default=None)


class Standstill(Exception):
    """Neither a timer nor a file is left to wait for, and the world has not ended."""


class Owner:
    """A process of the world: whatever its tasks start belongs to it. `strike` is called once so many of its turns have
    passed, counted from now or from the next call of `reaches` with a moment of that kind; at that moment itself for 0."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.turns = 0
        self.turns_left: int | None = None
        self.strike: Callable[[], None] = _nothing
        self.strikes_after: tuple[str, int] | None = None
        self.disk: Any = None  # the `disk.Disk` that it writes to
        self.shared_disk: Any = None  # one that it shares with other owners
        self.at_work: events.Handle | None = None  # the step that begins now
        self.tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    def reaches(self, moment: str) -> None:
        if self.strikes_after is not None and self.strikes_after[0] == moment:
            turns, self.strikes_after = self.strikes_after[1], None
            if turns:
                self.turns_left = turns
            else:  # before the step goes on: what it still does is not in the folder that it leaves
                self.strike()

    def counts_turn(self) -> None:
        self.turns += 1
        if self.turns_left is not None:
            self.turns_left -= 1
            if self.turns_left <= 0:
                self.turns_left = None
                self.strike()


def _nothing() -> None:
    pass


def current_owner() -> Owner | None:
    return _OWNER.get()


def context_of(owner: Owner | None) -> contextvars.Context:
    """Return a new context in which everything that is started belongs to the owner."""
    context = contextvars.Context()
    context.run(_OWNER.set, owner)
    return context


def _run_owned(handle: events.Handle, owner: Owner | None) -> None:
    """Run a step, unless its owner was killed, by an earlier step or at this very one."""
    handle._loop.count_turn()
    if owner is not None and not owner.is_dead:
        owner.at_work = handle
        owner.counts_turn()
        owner.at_work = None
    if owner is None or not owner.is_dead:
        events.Handle._run(handle)


class _Handle(events.Handle):
    __slots__ = ("owner",)
    owner: Owner | None

    def _run(self) -> None:
        _run_owned(self, self.owner)


class _TimerHandle(events.TimerHandle):
    __slots__ = ("number", "owner")
    owner: Owner | None
    number: int

    def __lt__(self, other: Any) -> bool:
        # Timers of one moment keep their order, which a heap alone does not.
        return (self._when, self.number) < (other._when, other.number)

    def _run(self) -> None:
        _run_owned(self, self.owner)


class _JumpingSelector(selectors.DefaultSelector):
    """Asks for ready files without waiting, and lets the clock jump where none is."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return sorted(ready, key=lambda key: key[0].fd)
        self.loop.jump()
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop of a world."""

    def __init__(self, seed: str) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = 1e-9
        self.now = 0.0
        self._chance = Random(f"{seed} threads")
        self._timers = 0
        self.turns = 0
        self._at_turns: list[tuple[int, int, Callable[[], object]]] = []
        self._numbered = 0
        self.usual_slowness = self.slowness = 1.0
        # What a piece of work left unsynced until its answer has reached its owner (`disk`).
        self.begin_work: Callable[[], None] = lambda: None
        self.end_work: Callable[[], Callable[[], None]] = lambda: _nothing

    def time(self) -> float:
        return self.now

    def at_turn(self, turns: int, strike: Callable[[], object]) -> None:
        """Call `strike` before the step that comes after so many others of all owners."""
        self._numbered += 1
        heapq.heappush(self._at_turns, (self.turns + turns, self._numbered, strike))

    def count_turn(self) -> None:
        self.turns += 1
        while self._at_turns and self._at_turns[0][0] <= self.turns:
            heapq.heappop(self._at_turns)[2]()

    def jump(self) -> None:
        """Let the clock jump to the next timer. Standstill where there is none."""
        if not self._scheduled:
            raise Standstill
        self.now = max(self.now, self._scheduled[0]._when)
        # After months a nanosecond is less than the next number, and no timer would ever be due.
        self._clock_resolution = max(1e-9, math.ulp(self.now))

    # --- steps ------------------------------------------------------------------------------------------------

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        handle = _Handle(callback, args, self, context)
        handle.owner = self._owner_in(context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> Any:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> Any:
        timer = _TimerHandle(when, callback, args, self, context)
        timer.owner = self._owner_in(context)
        self._timers += 1
        timer.number = self._timers
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def create_task(self, coro: Any, **more: Any) -> Any:
        owner = self._owner_in(more.get("context"))
        task = super().create_task(coro, **more)
        if owner is not None:
            owner.tasks.add(task)
        return task

    def _owner_in(self, context: contextvars.Context | None) -> Owner | None:
        """Return the owner of a context. A new empty one, which keeps units of work apart, belongs to who made it."""
        if context is None:
            return _OWNER.get()
        owner: Any = context.get(_OWNER, _MISSING)
        if owner is _MISSING:
            owner = _OWNER.get()
            context.run(_OWNER.set, owner)
        return owner  # type: ignore[no-any-return]

    def close_files_of_dead(self) -> None:
        """Close the pipes at which killed owners listened, as the machine does."""
        for key in list(self._selector.get_map().values()):
            handle = key.data[0] if key.data else None
            if isinstance(handle, _Handle) and handle.owner is not None and handle.owner.is_dead:
                self._selector.unregister(key.fileobj)
                os.close(key.fd)

    def _add_reader(self, file: Any, callback: Any, *args: Any) -> Any:
        handle = _Handle(callback, args, self, None)
        handle.owner = _OWNER.get()
        self._selector.register(file, selectors.EVENT_READ, (handle, None))
        return handle

    # --- threads ----------------------------------------------------------------------------------------------

    def delay_s(self) -> float:
        """Draw a delay: mostly some microseconds, sometimes milliseconds, rarely half a second."""
        kind = self._chance.random()
        scale = 0.00005 if kind < 0.7 else 0.003 if kind < 0.97 else 0.1
        return self._chance.expovariate(1.0) * scale * self.slowness

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        future: asyncio.Future[Any] = self.create_future()
        self.call_later(self.delay_s(), self._work, future, partial(func, *args))
        return future

    def _work(self, future: asyncio.Future[Any], work: Callable[[], object]) -> None:
        """Do a thread's work in one moment, and give the answer a moment later: in between it is done and not known."""
        answer: object = None
        error: BaseException | None = None
        self.begin_work()
        try:
            answer = work()
        except Exception as cause:  # reason: the caller gets it, as from a thread
            error = cause
        self.call_later(self.delay_s(), self._answer, future, answer, error, self.end_work())

    def _answer(
        self,
        future: asyncio.Future[Any],
        answer: object,
        error: BaseException | None,
        settle: Callable[[], None],
    ) -> None:
        settle()
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(answer)


class _LoopQueue:
    """Queue of one `aiosqlite` connection, whose calls run on the loop in order, each after a delay."""

    def __init__(self) -> None:
        self._last_s = 0.0

    def put_nowait(self, entry: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        loop: Any = asyncio.get_running_loop()
        self._last_s = max(self._last_s + 1e-7, loop.now + loop.delay_s())
        loop.call_at(self._last_s, self._call, *entry)

    def _call(self, future: asyncio.Future[Any] | None, call: Callable[[], Any]) -> None:
        try:
            answer = call()
        except Exception as cause:  # reason: the caller gets it, as from the connection's thread
            if future is not None and not future.done():
                future.set_exception(cause)
        else:
            if future is not None and not future.done():
                future.set_result(answer)


class _NoThread:
    daemon = True

    def start(self) -> None:
        """Start nothing: the queue's calls run on the loop."""


def _open_without_thread(connection: Any, connector: Any, iter_chunk_size: int, loop: Any = None) -> None:
    connection._running, connection._connection, connection._connector = True, None, connector
    connection._tx, connection._iter_chunk_size, connection._thread = (
        _LoopQueue(),
        iter_chunk_size,
        _NoThread(),
    )


def install() -> None:
    """Let connections of `aiosqlite`, which have a thread each, run their calls on the loop."""
    aiosqlite.Connection.__init__ = _open_without_thread
    aiosqlite.Connection.__del__ = lambda connection: None
