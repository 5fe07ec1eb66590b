"""What every worker is: a step repeated until told to stop. In: a step that says what it did; the clock, the rows that
wait, what other processes changed. Out: steps done, rings, log lines.
The one broad guard of the program stands here: a step that breaks is logged (`log` writes a line a minute of each
cause), the loop rests, longer each time, and goes on. Keeps a lease alive while
its work runs. The lookout is the one wake-up of a process that has nothing to do: it decides nothing, it rings for
those whose turn it is. A process that is told to stop lets each loop end the step it is in, and gives back leases
that are still held."""

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


class Done(Enum):
    """What a step did. One that says True means that it did something and looks again."""

    NOTHING = False
    ALL = "all"
    """All that there was: who makes more rings."""
    MORE = True
    """There may be more."""

    def __bool__(self) -> bool:
        return self is not Done.NOTHING

    @classmethod
    def batch(cls, taken: int, most: int) -> Done:
        """Of a step that took so many, and would have taken so many at most."""
        return cls.NOTHING if not taken else cls.MORE if taken >= most else cls.ALL


Step = Callable[[], Coroutine[object, object, bool | Done]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One worker: its step, whom it makes work for, and when its turn comes where that is a matter of time."""

    step: Step
    then: tuple[str, ...] = ()
    is_due: Callable[[datetime], bool] | None = None
    first_s: float | None = None
    """Where something may come that rings no bell: how soon it looks again after it did something or was rung. From look
    to look it sleeps twice as long, up to what any loop of that name sleeps."""
    is_used: bool = True
    """False where the settings leave it nothing to do."""


@dataclass(slots=True)
class Waker:
    """Wakes one loop of this process as soon as somebody made work for it; polling is the net."""

    _rung: asyncio.Event = field(default_factory=asyncio.Event)
    _is_taken: bool = False
    """Whether anybody has a ticket of now: a ring for nobody changes nothing."""

    def ring(self) -> None:
        if self._is_taken:
            rung, self._rung, self._is_taken = self._rung, asyncio.Event(), False
            rung.set()

    def ticket(self) -> asyncio.Event:
        """Taken before looking for work: a ring while one looked is then not missed."""
        self._is_taken = True
        return self._rung

    async def heard(self, timeout_s: float, ticket: asyncio.Event | None = None) -> bool:
        """Returns at the first ring after the ticket was taken, or after the time, which then rings itself. Whether it was
        rung before."""
        rung, turning = ticket or self.ticket(), asyncio.get_running_loop()
        late = turning.call_later(timeout_s, self.ring)
        try:
            await rung.wait()
        finally:
            late.cancel()
        return turning.time() < late.when()


async def forever(
    name: str,
    step: Callable[[], Awaitable[bool | Done]],
    waker: Waker,
    stop: asyncio.Event,
    poll_s: float,
    then: Callable[[], None] = lambda: None,
    first_s: float | None = None,
) -> None:
    """Runs `step` until `stop` is set. A step that left more to do runs again at once; where it did something, `then` rings
    the bells of those whom it made work for. After one that broke the loop rests, longer each time; no bell shortens
    that. `first_s`: as of `Loop`."""
    trouble, soon_s = Trouble(name=name), poll_s if first_s is None else min(first_s, poll_s)
    sleep_s = poll_s
    while not stop.is_set():
        ticket = waker.ticket()
        try:
            done = Done(await step())
        except asyncio.CancelledError as error:
            if _is_cancelled() or stop.is_set():
                raise
            await _rest(stop, trouble.broke(error))
            continue
        except Exception as error:  # the guard of this loop: nothing may end it but the stop
            await _rest(stop, trouble.broke(error))
            continue
        trouble.over()
        if done:
            sleep_s = soon_s
            then()
            # Gives the other tasks of this process their turn, even if no step ever waits.
            await asyncio.sleep(0)
        if done is not Done.MORE:
            sleep_s = soon_s if await waker.heard(sleep_s, ticket) else min(2 * sleep_s, poll_s)
    log.action(_log, f"{name}.stopped")


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _is_cancelled() -> bool:
    """Whether this task was asked to end. A library may cancel what it waits for itself, which looks the same here."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def kept(store: SqlStore, table: str, *leases: Lease, lease_s: float) -> AsyncIterator[None]:
    """Renews each lease every third of its time while the body runs. When one is lost its renewing stops; the body's
    completion names its token and is then discarded by the store."""
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
    """Runs a claimed batch side by side. One that breaks stops none of the others, and the next batch is not claimed before
    each has ended."""
    if not works:  # most of the time, and several times a second
        return
    ends = await asyncio.gather(*works, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end


FIRST_REST_S = 0.2
# A node whose disk or database is back works again within this time; the alarm on failures still counts enough of them.
LONGEST_REST_S = 30.0
# From here on it was an outage, and its end is worth a line.
OUTAGE = 5


@dataclass(slots=True, kw_only=True)
class Trouble:
    """Of one loop."""

    name: str
    _in_a_row: int = 0
    _kind: str = ""

    def broke(self, error: BaseException) -> float:
        """For how many seconds the loop rests now: twice as long after each failure, up to `LONGEST_REST_S`."""
        meters.LOOP_FAILED.add(loop=self.name)
        self._in_a_row += 1
        self._kind = error.code if isinstance(error, GatewayError) else type(error).__name__
        self._say(error)
        return min(FIRST_REST_S * 2.0 ** min(self._in_a_row - 1, 20), LONGEST_REST_S)

    def over(self) -> None:
        """A step came through."""
        if self._in_a_row >= OUTAGE:
            log.action(_log, f"{self.name}.works_again", failures=self._in_a_row, ends=self._kind)
        self._in_a_row = 0

    def _say(self, error: BaseException) -> None:
        told: dict[str, object] = {"action": f"{self.name}.broke", "failures": self._in_a_row}
        if isinstance(error, GatewayError):  # it has a name, and a trace would tell no more
            # What waits for the axis waits safely, and goes on by itself.
            level = logging.WARNING if isinstance(error, TransportFailure) else logging.ERROR
            _log.log(level, str(error), extra=told | {"code": self._kind})
        else:
            _log.error("a step broke", exc_info=error, extra=told | {"error_kind": self._kind})


class Turn:
    """Remembers when it comes next."""

    def __init__(self, every: timedelta) -> None:
        self._every = every
        self._next: datetime | None = None

    def has_come(self, now: datetime) -> bool:
        """Changes nothing: whoever did the work says so with `done`."""
        return self._next is None or not self._next - self._every <= now < self._next

    def done(self, now: datetime) -> None:
        self._next = now + self._every

    def take(self, now: datetime) -> bool:
        """Whether it has come; then the next one is a span away, also when the work fails."""
        if not self.has_come(now):
            return False
        self.done(now)
        return True


Due = Callable[[datetime], bool]

# Other nodes' parcels ring no bell here, so this is what each of them waits; an empty look costs one read. While parcels
# are under way the next one, or the answer to one, is soon there.
LANDING_POLL_S, LANDING_FIRST_S = 0.2, 0.01
# Without a ring a loop sleeps for so many looks: the net under them, for what no look tells of, or when looks fail. Files
# with answers of authorities change without a sign, and the sign of life must come also while the database is away.
_LOOKS, _LOOKS_OF = 15, {"lookout": 1, "revocation": 5, "pulse": 5}
LONGEST_UNRUNG_S = 60.0


def longest_sleep_s(name: str, poll_s: float) -> float:
    """For how long the loop of that name sleeps when nobody rings; `poll_s` is from one look to the next."""
    if name == "landing":
        return min(poll_s, LANDING_POLL_S)
    return max(poll_s, min(poll_s * _LOOKS_OF.get(name, _LOOKS), LONGEST_UNRUNG_S))


class Wakers(Protocol):
    """One for each loop."""

    def __getitem__(self, name: str, /) -> Waker: ...


@dataclass(slots=True, kw_only=True)
class Lookout:
    """One per process. `times`: whether the clock alone makes it somebody's turn. `look`: what the store says."""

    clock: Clock
    wakers: Wakers
    times: Mapping[str, Due]
    look: Callable[[], Awaitable[Signs]]
    _seen: Mapping[str, object] = field(default_factory=dict)

    async def step(self) -> bool:
        """Times first: they count also while the database is away. Whoever keeps up with changes looks after the first
        look too: what changed since he began would else not be told of."""
        now = self.clock.now()
        self._ring(name for name, is_due in self.times.items() if is_due(now))
        signs = await self.look()
        self._ring(signs.due)
        self._ring(name for name, mark in signs.marks.items() if self._seen.get(name) != mark)
        self._seen = signs.marks
        return False

    def _ring(self, names: Iterable[str]) -> None:
        for name in names:
            self.wakers[name].ring()


async def drain_loops(
    loops: Sequence[asyncio.Task[None]], stop: asyncio.Event, limit_s: float, store: SqlStore
) -> None:
    """Returns when every loop has ended; those that are still at work `limit_s` after the stop are cut short."""
    await stop.wait()
    _, late = await asyncio.wait(loops, timeout=limit_s)

    def cut() -> None:
        for task in late:
            log.action(_log, "drain.cut_short", f"{task.get_name()} was still at work after {limit_s:g} s")
            task.cancel()

    try:
        await store.let_go(cut)
    except GatewayError as error:
        # Nothing is lost: what is held runs out by itself.
        log.action(_log, "drain.leases_kept", str(error), code=error.code)
        cut()
    if late:
        await asyncio.wait(late)
