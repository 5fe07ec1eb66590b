"""Loops of workers: a worker is a step that is repeated until the stop. In: a step that returns whether it did something;
the clock, waiting rows, changes of other processes. Out: steps done, rings, log lines. The one broad exception handler of
the program is here: a step that fails is logged (`log` writes one line a minute for each cause), the loop pauses, longer
each time, and goes on. Leases are renewed while their work runs. In an idle process only the lookout wakes up: it rings the
loops that have something due. At the stop each loop ends its present step, and leases that are still held are released."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from gateway import log, meters
from gateway.errors import GatewayError, StaleLease, StoreFailure, TransportFailure
from gateway.ports.services import Clock

if TYPE_CHECKING:
    from gateway.domain.queues import Lease
    from gateway.store.due_work import Signs
    from gateway.store.store import SqlStore

_log = logging.getLogger(__name__)
FIRST_REST_S = 0.2
# Short enough that a node works again soon after its disk or database is back, and that an alarm on failures counts enough.
LONGEST_REST_S = 30.0
# After so many failures in a row their end is logged too.
OUTAGE = 5
Due = Callable[[datetime], bool]
# Sleeps of the landing loop: parcels of other nodes ring no loop here, and an empty poll costs one read. Soon after a
# parcel the next one, or its answer, often follows.
LANDING_POLL_S, LANDING_FIRST_S = 0.4, 0.01
# Longest sleep of a loop without a ring, in periods of the lookout: for changes that the lookout does not see, or while it
# fails. It is shorter for revocation, because the files with authorities' answers change without a ring, and for the
# heartbeat, which must be written also while the database is away.
_LOOKS, _LOOKS_OF = 15, {"lookout": 1, "revocation": 5, "pulse": 5}
LONGEST_UNRUNG_S = 60.0


class StepResult(Enum):
    """Result of a step; a step may also return a bool. All but NOTHING mean that it did something."""

    NOTHING = False
    ALL = "all"
    """All work is done; new work rings."""
    MORE = True
    """There may be more work, so the step runs again at once."""

    def __bool__(self) -> bool:
        return self is not StepResult.NOTHING

    @classmethod
    def batch(cls, count: int, most: int) -> StepResult:
        """Return the result of a step that took `count` rows of at most `most`."""
        return cls.NOTHING if not count else cls.MORE if count >= most else cls.ALL


Step = Callable[[], Coroutine[object, object, bool | StepResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One worker: its step, the names of the loops that it makes work for (`then`), and for periodic work whether it is due
    at a time."""

    step: Step
    then: tuple[str, ...] = ()
    is_due: Callable[[datetime], bool] | None = None
    first_s: float | None = None
    """Sleep after a ring or a step that did something, for loops whose work may come without a ring. It doubles after each
    step that did nothing, up to the loop's longest sleep."""
    is_used: bool = True
    """False when the settings leave the worker nothing to do."""


@dataclass(slots=True)
class Waker:
    """Waker of one loop of this process; a ring wakes the loop at once, and polling makes up for lost rings."""

    _rung: asyncio.Event = field(default_factory=asyncio.Event)
    _is_taken: bool = False
    """True while the loop has a ticket; a ring without one changes nothing."""

    def ring(self) -> None:
        if self._is_taken:
            rung, self._rung, self._is_taken = self._rung, asyncio.Event(), False
            rung.set()

    def ticket(self) -> asyncio.Event:
        """Return a ticket. A loop takes it before it looks for work, so that a ring during the look is not missed."""
        self._is_taken = True
        return self._rung

    async def wait(self, timeout_s: float, ticket: asyncio.Event | None = None) -> bool:
        """Wait for the first ring since the ticket was taken, or for the timeout. Return True for a ring."""
        rung, running_loop = ticket or self.ticket(), asyncio.get_running_loop()
        late = running_loop.call_later(timeout_s, self.ring)
        try:
            await rung.wait()
        finally:
            late.cancel()
        return running_loop.time() < late.when()


async def forever(
    name: str,
    step: Callable[[], Awaitable[bool | StepResult]],
    waker: Waker,
    stop: asyncio.Event,
    poll_s: float,
    then: Callable[[], None] = lambda: None,
    first_s: float | None = None,
) -> None:
    """Run `step` again and again until `stop` is set. After a step that did something, `then` rings the loops that it made
    work for; a step that left more to do runs again at once. After a failed step the loop pauses, longer each time, and no
    ring shortens that. `first_s` is as in `Loop`, `poll_s` the longest sleep without a ring."""
    trouble, soon_s = Trouble(name=name), poll_s if first_s is None else min(first_s, poll_s)
    sleep_s = poll_s
    while not stop.is_set():
        ticket = waker.ticket()
        try:
            step_result = StepResult(await step())
        except asyncio.CancelledError as error:
            if _is_cancelled() or stop.is_set():
                raise
            await _pause(stop, trouble.broke(error))
            continue
        except Exception as error:  # the broad handler of this loop: only the stop may end it
            await _pause(stop, trouble.broke(error))
            continue
        trouble.clear()
        if step_result:
            sleep_s = soon_s
            then()
            # Let other tasks of this process run, even if no step ever waits.
            await asyncio.sleep(0)
        if step_result is not StepResult.MORE:
            sleep_s = soon_s if await waker.wait(sleep_s, ticket) else min(2 * sleep_s, poll_s)
    _log.debug("%s.stopped", name)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _is_cancelled() -> bool:
    """Tell whether this task itself was cancelled. A CancelledError may also come from a library that cancelled a task of
    its own which was awaited here."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def keep_leases(store: SqlStore, table: str, *leases: Lease, lease_s: float) -> AsyncIterator[None]:
    """Renew each lease every third of its time while the body runs. A lost lease is no longer renewed; the store then
    refuses the body's result, because it is written under the lease's token."""
    renewing = asyncio.create_task(_renew(store, table, list(leases), lease_s))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


async def _renew(store: SqlStore, table: str, leases: list[Lease], lease_s: float) -> None:
    while leases:
        await asyncio.sleep(lease_s / 3)
        for lease in [*leases]:
            try:
                await store.renew(table, lease, lease_s)
            except StaleLease:
                leases.remove(lease)
            except StoreFailure as error:
                log.action(_log, "lease.not_renewed", str(error), table=table, row=lease.id, code=error.code)


async def together(works: list[Awaitable[None]]) -> None:
    """Run the works of a claimed batch concurrently until all have ended, then raise the first error. A failed work stops
    none of the others."""
    if not works:  # the usual case, several times a second
        return
    ends = await asyncio.gather(*works, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end


@dataclass(slots=True, kw_only=True)
class Trouble:
    """Counter of a loop's failures in a row, which logs them and sets the pauses."""

    name: str
    _in_a_row: int = 0
    _kind: str = ""

    def broke(self, error: BaseException) -> float:
        """Count and log a failure; return how many seconds the loop pauses: twice as long after each failure, up to
        `LONGEST_REST_S`."""
        meters.LOOP_FAILED.add(loop=self.name)
        self._in_a_row += 1
        self._kind = error.code if isinstance(error, GatewayError) else type(error).__name__
        self._say(error)
        return min(FIRST_REST_S * 2.0 ** min(self._in_a_row - 1, 20), LONGEST_REST_S)

    def clear(self) -> None:
        """Set the count to zero after a step that succeeded."""
        if self._in_a_row >= OUTAGE:
            log.action(_log, f"{self.name}.works_again", failures=self._in_a_row, ends=self._kind)
        self._in_a_row = 0

    def _say(self, error: BaseException) -> None:
        extra: dict[str, object] = {"action": f"{self.name}.broke", "failures": self._in_a_row}
        if isinstance(error, GatewayError):  # an error of our own needs no traceback
            # A failure of the axis is only a warning, because packets wait for it and go on by themselves.
            level = logging.WARNING if isinstance(error, TransportFailure) else logging.ERROR
            _log.log(level, str(error), extra=extra | {"code": self._kind})
        else:
            _log.error("a step broke", exc_info=error, extra=extra | {"error_kind": self._kind})


class Turn:
    """Timer of a periodic step."""

    def __init__(self, every: timedelta) -> None:
        self._every = every
        self._next: datetime | None = None

    def has_come(self, now: datetime) -> bool:
        """Tell whether the step is due, also when the clock was set back. `mark_done` sets the next time."""
        return self._next is None or not self._next - self._every <= now < self._next

    def mark_done(self, now: datetime) -> None:
        self._next = now + self._every

    def take(self, now: datetime) -> bool:
        """Tell whether the step is due, and if so set the next time, which then holds also when the work fails."""
        if not self.has_come(now):
            return False
        self.mark_done(now)
        return True


def paced(every: timedelta, step: Step, clock: Clock) -> Loop:
    """Make a loop that runs a step at that pace."""
    turn = Turn(every)

    async def run() -> bool | StepResult:
        return turn.take(clock.now()) and await step()

    return Loop(step=run, is_due=turn.has_come)


def longest_sleep_s(name: str, poll_s: float) -> float:
    """Return how long the loop of that name sleeps without a ring; `poll_s` is the lookout's period."""
    if name == "landing":
        return min(poll_s, LANDING_POLL_S)
    return max(poll_s, min(poll_s * _LOOKS_OF.get(name, _LOOKS), LONGEST_UNRUNG_S))


class Wakers(Protocol):
    """One waker for each loop."""

    def __getitem__(self, name: str, /) -> Waker: ...


@dataclass(slots=True, kw_only=True)
class Lookout:
    """Worker that rings the loops with due work, one per process. `times` tells by loop whether its time has come; `look`
    queries the store for due rows and changes."""

    clock: Clock
    wakers: Wakers
    times: Mapping[str, Due]
    look: Callable[[], Awaitable[Signs]]
    _last_marks: Mapping[str, object] = field(default_factory=dict)

    async def step(self) -> bool:
        """Ring the loops whose time has come, then those with due rows or changed marks. Times come first, because they
        count also while the database is away. At the first look every mark counts as changed, because earlier changes are
        unknown."""
        now = self.clock.now()
        self._ring(name for name, is_due in self.times.items() if is_due(now))
        signs = await self.look()
        self._ring(sorted(signs.due))
        self._ring(name for name, mark in signs.marks.items() if self._last_marks.get(name) != mark)
        self._last_marks = signs.marks
        return False

    def _ring(self, names: Iterable[str]) -> None:
        for name in names:
            self.wakers[name].ring()


async def drain_loops(
    loops: Sequence[asyncio.Task[None]], stop: asyncio.Event, limit_s: float, store: SqlStore
) -> None:
    """Wait for the stop, then until every loop has ended; cancel those that still work after `limit_s`, and release all
    leases of this process."""
    await stop.wait()
    _, late = await asyncio.wait(loops, timeout=limit_s)

    def cut() -> None:
        for task in (task for task in loops if task in late):
            log.action(_log, "drain.cut_short", f"{task.get_name()} was still at work after {limit_s:g} s")
            task.cancel()

    try:
        await store.release_leases(cut)
    except GatewayError as error:
        # Nothing is lost: the leases run out by themselves.
        log.action(_log, "drain.leases_kept", str(error), code=error.code)
        cut()
    if late:
        await asyncio.wait(late)
