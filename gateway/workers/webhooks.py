"""Tells webhooks of events. In: the log of events, how far each endpoint was told, what has to be told again. Out: signed
bodies at their addresses, and a report of each batch.

Each endpoint is told by one task at a time, in the order of its events, a batch under a lease; what came of it is
recorded with how far it was told, in one transaction. A crash before that tells the batch again. When two events in a
row do not come through nothing new is tried before one of them does, so that an endpoint that is down costs a try now
and then and no memory. Those that answer slowly or not at all have places of their own, and never stand in the way of
the others."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from gateway import log
from gateway.domain import feed
from gateway.domain.event import Event
from gateway.domain.feed import ClientWords
from gateway.domain.webhook import (
    MOST_SUSPECTS,
    MOST_TRIES_KEPT,
    Delivery,
    DeliveryState,
    Endpoint,
    PauseWhy,
    Try,
    TryCode,
)
from gateway.errors import GatewayError, StaleLease, StoreFailure
from gateway.policy import upkeep
from gateway.policy.upkeep import GiveUp
from gateway.ports.services import Clock
from gateway.store.store import SqlStore
from gateway.store.webhooks import LeasedEndpoint, Report, SqlWebhooks
from gateway.webhooks import Sender
from gateway.workers.loop import Trouble, Turn

_log = logging.getLogger(__name__)

# Events of one endpoint before others have their turn, and before what was done is recorded.
BATCH = 20
BATCH_S = 3.0
# Events are looked through so many at a time, most of which may be none that the endpoint wants.
READ = 200
# One whose last try failed, or took longer, stands among the slow.
SLOW_S = 2.0
# Turns of one endpoint that broke in a row; then it is paused, and its owner is told.
MOST_BROKEN = 5
# So many of one endpoint may wait for their next try; more, and it counts as failing.
MOST_WAITING = 100
MOST_LOGGED = 10_000
LOOK_EVERY = timedelta(hours=1)


Spawn = Callable[[Coroutine[None, None, None]], asyncio.Task[None]]
"""Of whoever ends the tasks when the process ends."""


@dataclass(slots=True, kw_only=True)
class Pusher:
    """One per process; several may run at once. `again` is called when a place is free."""

    store: SqlStore
    rows: SqlWebhooks
    sender: Sender
    clock: Clock
    spawn: Spawn
    stop: asyncio.Event
    again: Callable[[], None]
    told: Callable[[], None]
    at_once: int
    lease_s: float
    kept: timedelta
    aging: Clock
    """The clock by which its log and what cannot be told grow old: it follows no jump."""
    chance: Callable[[], float] = random.random
    _running: dict[bool, set[asyncio.Task[None]]] = field(default_factory=lambda: {True: set(), False: set()})
    _trouble: Trouble = field(default_factory=lambda: Trouble(name="webhooks"))
    _turn: Turn = field(default_factory=lambda: Turn(LOOK_EVERY))
    _broken_turns: dict[str, int] = field(default_factory=dict)
    _any_active: bool = True

    def hear_of_events(self) -> None:
        """Where no endpoint is active new events make no work; whoever adds or changes one rings this loop."""
        if self._any_active:
            self.again()

    def is_due(self, now: datetime) -> bool:
        return self._turn.has_come(now)

    async def step(self) -> bool:
        """Takes what may be told now, as many as there are places for; each goes on by itself. The slow ones have half
        of the places."""
        if self._turn.take(self.clock.now()):
            await self.rows.trim(self.aging.now() - self.kept, MOST_LOGGED)
        outlook, of_slow = await self.rows.outlook(self.lease_s), self.at_once // 2
        self._any_active = outlook.any_active
        if outlook.slow:
            await self._take(of_slow, slow=True)
        if outlook.other:
            await self._take(self.at_once - of_slow, slow=False)
        return False

    async def _take(self, places: int, *, slow: bool) -> None:
        running = self._running[slow]
        free = places - len(running)
        if free <= 0 or self.stop.is_set():
            return
        for each in await self.rows.claim(free, self.lease_s, slow=slow):
            task = self.spawn(self._tell(each))
            running.add(task)
            task.add_done_callback(partial(self._ended, running))

    def _ended(self, running: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
        running.discard(task)
        self.again()

    async def _tell(self, leased: LeasedEndpoint) -> None:
        """The one guard of this task: what breaks ends this endpoint's turn, and nobody else's."""
        try:
            await Telling(pusher=self, leased=leased).run()
        except StaleLease as stale:
            log.action(_log, "webhook.stale", str(stale), webhook=leased.endpoint.id)
        except Exception as error:  # reason: what nobody foresaw in one endpoint stops no other
            # The lease runs out by itself, which is the pause that a broken thing needs.
            self._trouble.broke(error)
            if not isinstance(error, StoreFailure):
                await self._count_broken(leased)
        else:
            self._trouble.over()
            self._broken_turns.pop(leased.endpoint.id, None)

    async def _count_broken(self, leased: LeasedEndpoint) -> None:
        """Pause an endpoint whose turns break again and again, so that its owner is told."""
        endpoint = leased.endpoint
        count = self._broken_turns.get(endpoint.id, 0) + 1
        self._broken_turns[endpoint.id] = count
        if count < MOST_BROKEN:
            return
        report = Report(
            cursor=endpoint.cursor,
            suspects=endpoint.suspects,
            deliveries=(),
            last_ok_at=endpoint.last_ok_at,
            last_try_at=self.clock.now(),
            slow=endpoint.slow,
            revived=False,
            pause=PauseWhy.FAILING,
            gave_up=(),
        )
        try:
            await self.rows.record(leased, report)
        except GatewayError as error:
            log.action(_log, "webhook.not_paused", str(error), webhook=endpoint.id, code=error.code)
            return
        self._broken_turns.pop(endpoint.id)
        self.told()

    async def drain(self, stop: asyncio.Event, seconds: float) -> None:
        """After the stop: what is under way may end, and is cut short then."""
        await stop.wait()
        if under_way := {task for running in self._running.values() for task in running}:
            _, late = await asyncio.wait(under_way, timeout=seconds)
            for task in late:
                task.cancel()


@dataclass(slots=True, kw_only=True)
class Telling:
    """One batch for one endpoint: first what is due again, then what is new, until it fails or others wait."""

    pusher: Pusher
    leased: LeasedEndpoint
    _cursor: int = 0
    _suspects: int = 0
    _last_ok_at: datetime | None = None
    _last_try_at: datetime | None = None
    _revived: bool = False
    _slow: bool = False
    _pause: PauseWhy | None = None
    _done: dict[int, Delivery] = field(default_factory=dict)
    _gave_up: list[Delivery] = field(default_factory=list)
    _until_s: float = 0.0
    _waiting: int = 0

    async def run(self) -> None:
        pusher, endpoint = self.pusher, self.leased.endpoint
        self._cursor, self._suspects = endpoint.cursor, endpoint.suspects
        self._last_ok_at, self._slow = endpoint.last_ok_at, endpoint.slow
        self._until_s = time.monotonic() + BATCH_S
        codes = {agency.id: agency.code for agency in await pusher.store.hosted()}
        standing = await pusher.rows.standing(endpoint, BATCH)
        if endpoint.agency_id not in codes:
            # An agency that left is told nothing more; whoever brings it back lets its webhooks go on.
            self._pause = PauseWhy.PERSON
        elif not standing.has_key:
            self._pause = PauseWhy.KEY
        else:
            code = codes[endpoint.agency_id]
            self._waiting = standing.waiting
            await self._again(code, standing.due)
            await self._further(code)
        await pusher.rows.record(self.leased, self._report())
        if self._pause is not None or self._gave_up:
            pusher.told()

    async def _again(self, code: str, due: Sequence[Delivery]) -> None:
        """What waits and is due, oldest event first. While the endpoint fails one try after another is not worth it: a few
        tell whether it is back."""
        events = {each.sequence: await self._event(each.sequence) for each in due}
        words, failed = await self._words([each for each in events.values() if each is not None]), 0
        for each in due:
            if self._is_over() or failed >= MOST_SUSPECTS:
                return
            event = events[each.sequence]
            if event is None:
                self._done[each.sequence] = replace(each, state=DeliveryState.FAILED, due_at=None)
                continue
            made = await self._try(event, code, words, each)
            failed += made.state is not DeliveryState.DELIVERED

    async def _further(self, code: str) -> None:
        """Events behind the cursor. What is not wanted only moves it."""
        endpoint = self.leased.endpoint
        while not self._is_over() and not self._is_failing():
            found = await self.pusher.store.events_after(endpoint.agency_id, self._cursor, READ)
            wanted = [each for each in found if feed.is_wanted(each.kind, endpoint.scopes, endpoint.types)]
            words = await self._words(wanted)
            for event in found:
                if feed.is_wanted(event.kind, endpoint.scopes, endpoint.types):
                    if self._is_over() or self._is_failing():
                        return
                    await self._try(event, code, words, None)
                self._cursor = event.agency_seq or self._cursor
            if len(found) < READ:
                return

    def _is_failing(self) -> bool:
        return self._suspects >= MOST_SUSPECTS or self._waiting >= MOST_WAITING

    def _is_over(self) -> bool:
        return (
            self._pause is not None
            or len(self._done) >= BATCH
            or time.monotonic() >= self._until_s
            or self.pusher.stop.is_set()
        )

    async def _event(self, sequence: int) -> Event | None:
        found = await self.pusher.store.events_after(self.leased.endpoint.agency_id, sequence - 1, 1)
        return found[0] if found and found[0].agency_seq == sequence else None

    async def _words(self, events: Sequence[Event]) -> ClientWords:
        return await self.pusher.rows.client_words(self.leased.endpoint.agency_id, feed.documents_of(events))

    async def _try(self, event: Event, code: str, words: ClientWords, known: Delivery | None) -> Delivery:
        endpoint = self.leased.endpoint
        done = await self._send(event, code, words)
        self._slow = not done.is_good or done.took_ms > SLOW_S * 1000
        before = known or _first(endpoint, event, done.at)
        tries = (*before.tries, done)[-MOST_TRIES_KEPT:]
        made = replace(before, attempts=before.attempts + 1, at=done.at, tries=tries)
        self._last_try_at = done.at
        made = self._came_through(made, known) if done.is_good else self._failed(made, known, done)
        self._done[made.sequence] = made
        return made

    async def _send(self, event: Event, code: str, words: ClientWords) -> Try:
        """Send one event. One whose body cannot be made failed like any other: it is tried again, and given up visibly."""
        pusher, endpoint = self.pusher, self.leased.endpoint
        try:
            body = feed.to_bytes(feed.event_body(event, code, words))
        except Exception as error:  # reason: one event that nobody can tell stands in the way of no other
            log.unforeseen(_log, "webhook.unmade", error, webhook=endpoint.id, sequence=event.agency_seq)
            return Try(at=pusher.clock.now(), code=TryCode.UNMADE)
        said = words.get(event.subject_id)
        trace = said.trace if said is not None else None
        return await pusher.sender.send(endpoint, feed.event_id(event), body, trace)

    def _came_through(self, made: Delivery, known: Delivery | None) -> Delivery:
        self._revived = self._revived or self._suspects > 0
        self._suspects, self._last_ok_at = 0, self.pusher.clock.now()
        self._waiting -= known is not None
        return replace(made, state=DeliveryState.DELIVERED, due_at=None)

    def _failed(self, made: Delivery, known: Delivery | None, done: Try) -> Delivery:
        if known is None:
            self._suspects += 1
            self._waiting += 1
        log.action(
            _log,
            "webhook.failed",
            webhook=made.webhook_id,
            host=self.leased.endpoint.host,
            sequence=made.sequence,
            code=done.code.value,
            status=done.status,
            attempts=made.attempts,
        )
        now = self.pusher.clock.now()
        wait = upkeep.next_try(
            made.attempts,
            permanent=False,
            age=self.pusher.aging.now() - made.first_at,
            chance=self.pusher.chance(),
            delays_s=upkeep.WEBHOOK_DELAYS_S,
        )
        if done.code is TryCode.GONE:
            self._pause = PauseWhy.GONE
        elif isinstance(wait, GiveUp):
            endpoint = replace(self.leased.endpoint, last_ok_at=self._last_ok_at)
            # A body that the node cannot make says nothing of the endpoint.
            if done.code is TryCode.UNMADE or not upkeep.is_dead(endpoint, made):
                given_up = replace(made, state=DeliveryState.FAILED, due_at=None)
                self._gave_up.append(given_up)
                self._waiting -= 1
                return given_up
            self._pause = PauseWhy.FAILING
        # Of one that is paused everything waits for whoever lets it go on.
        due = now + (wait if isinstance(wait, timedelta) else timedelta(seconds=upkeep.WEBHOOK_DELAYS_S[-1]))
        return replace(made, state=DeliveryState.WAITING, due_at=due)

    def _report(self) -> Report:
        if self._waiting >= MOST_WAITING:
            self._suspects = max(self._suspects, MOST_SUSPECTS)
        return Report(
            cursor=self._cursor,
            suspects=self._suspects,
            deliveries=tuple(self._done.values()),
            last_ok_at=self._last_ok_at,
            last_try_at=self._last_try_at or self.pusher.clock.now(),
            slow=self._slow,
            revived=self._revived,
            pause=self._pause,
            gave_up=tuple(self._gave_up),
        )


def _first(endpoint: Endpoint, event: Event, at: datetime) -> Delivery:
    """Not tried yet."""
    return Delivery(
        webhook_id=endpoint.id,
        sequence=event.agency_seq or 0,
        event_id=feed.event_id(event),
        kind=event.kind.value,
        state=DeliveryState.WAITING,
        attempts=0,
        first_at=at,
        at=at,
    )
