"""Runs workers: a worker is a step, repeated until the stop. In: a step that says what it did; the clock, waiting rows,
changes of other processes. Out: steps done, rings, log lines. The one broad guard of the program is here: a step that
breaks is logged (`log` writes a line a minute of each cause), the loop rests, longer each time, and goes on. Leases are
kept alive while their work runs. The lookout is the one wake-up of an idle process: it decides nothing and rings for loops
whose turn it is. At the stop each loop ends its present step, and leases that are still held are given back."""

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


class StepResult(Enum):
    """Result of a step. True means that it did something and looks again."""

    NOTHING = False
    ALL = "all"
    """Nothing is left: new work rings."""
    MORE = True
    """There may be more."""

    def __bool__(self) -> bool:
        return self is not StepResult.NOTHING

    @classmethod
    def batch(cls, count: int, most: int) -> StepResult:
        """Return the result of a step that took `count` rows of at most `most`."""
        return cls.NOTHING if not count else cls.MORE if count >= most else cls.ALL


Step = Callable[[], Coroutine[object, object, bool | StepResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One worker: its step, the loops that it makes work for, and its turn where that is a matter of time."""

    step: Step
    then: tuple[str, ...] = ()
    is_due: Callable[[datetime], bool] | None = None
    first_s: float | None = None
    """Time until the next look after a step that did something, or a ring, where work may come without a ring. From look to
    look it sleeps twice as long, up to the longest sleep of a loop of that name."""
    is_used: bool = True
    """False where the settings leave it nothing to do."""


@dataclass(slots=True)
class Waker:
    """Wakes one loop of this process as soon as there is work for it; polling is the net."""

    _rung: asyncio.Event = field(default_factory=asyncio.Event)
    _is_taken: bool = False
    """True while a ticket is out: a ring without one changes nothing."""

    def ring(self) -> None:
        if self._is_taken:
            rung, self._rung, self._is_taken = self._rung, asyncio.Event(), False
            rung.set()

    def ticket(self) -> asyncio.Event:
        """Return a ticket, to be taken before looking for work: a ring during the look is then not missed."""
        self._is_taken = True
        return self._rung

    async def wait(self, timeout_s: float, ticket: asyncio.Event | None = None) -> bool:
        """Wait for the first ring after the ticket was taken, or for the timeout, which then rings itself. Tell whether it
        was rung before."""
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
    """Run `step` until `stop` is set. A step that left more to do runs again at once; where it did something, `then` rings
    the loops that it made work for. After a broken step the loop rests, longer each time; no ring shortens that. `first_s`:
    as in `Loop`."""
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
        except Exception as error:  # the guard of this loop: only the stop may end it
            await _pause(stop, trouble.broke(error))
            continue
        trouble.clear()
        if step_result:
            sleep_s = soon_s
            then()
            # Gives the other tasks of this process their turn, even if no step ever waits.
            await asyncio.sleep(0)
        if step_result is not StepResult.MORE:
            sleep_s = soon_s if await waker.wait(sleep_s, ticket) else min(2 * sleep_s, poll_s)
    log.action(_log, f"{name}.stopped")


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _is_cancelled() -> bool:
    """Tell whether this task was asked to end. A library may cancel its own awaited task, which looks the same here."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def keep_leases(store: SqlStore, table: str, *leases: Lease, lease_s: float) -> AsyncIterator[None]:
    """Renew each lease every third of its time while the body runs. A lost one is no longer renewed; the body's completion
    names its token and is then discarded by the store."""
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
    """Run a claimed batch side by side. One that breaks stops none of the others, and the next batch is not claimed before
    each has ended."""
    if not works:  # the usual case, several times a second
        return
    ends = await asyncio.gather(*works, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end


FIRST_REST_S = 0.2
# A node whose disk or database is back works again within this time; the alarm on failures still counts enough of them.
LONGEST_REST_S = 30.0
# After so many failures the log gets a line when they end.
OUTAGE = 5


@dataclass(slots=True, kw_only=True)
class Trouble:
    """Failures of one loop in a row."""

    name: str
    _in_a_row: int = 0
    _kind: str = ""

    def broke(self, error: BaseException) -> float:
        """Return how many seconds the loop rests now: twice as long after each failure, up to `LONGEST_REST_S`."""
        meters.LOOP_FAILED.add(loop=self.name)
        self._in_a_row += 1
        self._kind = error.code if isinstance(error, GatewayError) else type(error).__name__
        self._say(error)
        return min(FIRST_REST_S * 2.0 ** min(self._in_a_row - 1, 20), LONGEST_REST_S)

    def clear(self) -> None:
        """Note that a step succeeded."""
        if self._in_a_row >= OUTAGE:
            log.action(_log, f"{self.name}.works_again", failures=self._in_a_row, ends=self._kind)
        self._in_a_row = 0

    def _say(self, error: BaseException) -> None:
        extra: dict[str, object] = {"action": f"{self.name}.broke", "failures": self._in_a_row}
        if isinstance(error, GatewayError):  # a named error needs no trace
            # Packets wait safely for the axis, and go on by themselves.
            level = logging.WARNING if isinstance(error, TransportFailure) else logging.ERROR
            _log.log(level, str(error), extra=extra | {"code": self._kind})
        else:
            _log.error("a step broke", exc_info=error, extra=extra | {"error_kind": self._kind})


class Turn:
    """The next turn of a periodic step."""

    def __init__(self, every: timedelta) -> None:
        self._every = every
        self._next: datetime | None = None

    def has_come(self, now: datetime) -> bool:
        """Tell whether the turn has come, changing nothing: `mark_done` follows the work."""
        return self._next is None or not self._next - self._every <= now < self._next

    def mark_done(self, now: datetime) -> None:
        self._next = now + self._every

    def take(self, now: datetime) -> bool:
        """Tell whether it has come; then the next one is a span away, also when the work fails."""
        if not self.has_come(now):
            return False
        self.mark_done(now)
        return True


Due = Callable[[datetime], bool]

# Other nodes' parcels ring no loop here, so each may wait this long; an empty look costs one read. While parcels are
# under way the next one, or its answer, follows soon.
LANDING_POLL_S, LANDING_FIRST_S = 0.2, 0.01
# Without a ring a loop sleeps for so many looks: the net for changes that no look shows, or when looks fail. Files with
# answers of authorities change unnoticed, and the sign of life must come also while the database is away.
_LOOKS, _LOOKS_OF = 15, {"lookout": 1, "revocation": 5, "pulse": 5}
LONGEST_UNRUNG_S = 60.0


def longest_sleep_s(name: str, poll_s: float) -> float:
    """Return how long the loop of that name sleeps without a ring; `poll_s` is from one look to the next."""
    if name == "landing":
        return min(poll_s, LANDING_POLL_S)
    return max(poll_s, min(poll_s * _LOOKS_OF.get(name, _LOOKS), LONGEST_UNRUNG_S))


class Wakers(Protocol):
    """One waker for each loop."""

    def __getitem__(self, name: str, /) -> Waker: ...


@dataclass(slots=True, kw_only=True)
class Lookout:
    """One per process. `times` tells by the clock alone whose turn it is, `look` asks the store."""

    clock: Clock
    wakers: Wakers
    times: Mapping[str, Due]
    look: Callable[[], Awaitable[Signs]]
    _last_marks: Mapping[str, object] = field(default_factory=dict)

    async def step(self) -> bool:
        """Ring by times first: they count also while the database is away. Loops that follow changes are rung after the
        first look too, since changes from before it would go unnoticed."""
        now = self.clock.now()
        self._ring(name for name, is_due in self.times.items() if is_due(now))
        signs = await self.look()
        self._ring(signs.due)
        self._ring(name for name, mark in signs.marks.items() if self._last_marks.get(name) != mark)
        self._last_marks = signs.marks
        return False

    def _ring(self, names: Iterable[str]) -> None:
        for name in names:
            self.wakers[name].ring()


async def drain_loops(
    loops: Sequence[asyncio.Task[None]], stop: asyncio.Event, limit_s: float, store: SqlStore
) -> None:
    """Return when every loop has ended; those that are still at work `limit_s` after the stop are cut short."""
    await stop.wait()
    _, late = await asyncio.wait(loops, timeout=limit_s)

    def cut() -> None:
        for task in late:
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
