"""Worker that sends events to webhooks. In: the log of events, the cursor of each endpoint, and deliveries that are due
again. Out: signed bodies at the endpoints' addresses, and a report of each batch. One task at a time serves an endpoint, in
the order of its events, one batch under a lease; the results are recorded with the cursor, in one transaction, so a crash
before that sends the batch again. After two failed events no new event is sent until one of them succeeds, so that an
endpoint that is down costs few tries and no memory. Slow endpoints have places of their own, and never hold up the
others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from gateway import log, random_source, time_source
from gateway.domain import feed
from gateway.domain.account import ApiScope
from gateway.domain.event import Event
from gateway.domain.feed import ClientWords
from gateway.domain.webhook import (
    MOST_SUSPECTS,
    MOST_TRIES_KEPT,
    DeliveryState,
    Endpoint,
    PauseWhy,
    Try,
    TryCode,
    WebhookDelivery,
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

# Most events, and most seconds, of a batch: then its results are recorded, and other endpoints have their turn.
BATCH = 20
BATCH_S = 3.0
# Number of events that are read at once; the endpoint may want few of them.
READ = 200
# An endpoint whose last try failed, or took longer than this, counts as slow.
SLOW_S = 2.0
# After so many unforeseen errors in a row an endpoint is paused, and its owner notified.
MOST_BROKEN = 5
# An endpoint with this many deliveries waiting for their next try counts as failing.
MOST_WAITING = 100
MOST_LOGGED = 10_000
LOOK_EVERY = timedelta(hours=1)


Spawn = Callable[[Coroutine[None, None, None]], asyncio.Task[None]]
"""Starts a task that is cancelled when the process ends."""


@dataclass(slots=True, kw_only=True)
class Pusher:
    """Sender of events to webhooks; one per process, several may run at once. `wake` rings its loop when a place is free,
    `announce` rings when an endpoint was paused or a delivery given up."""

    store: SqlStore
    rows: SqlWebhooks
    sender: Sender
    clock: Clock
    spawn: Spawn
    stop: asyncio.Event
    wake: Callable[[], None]
    announce: Callable[[], None]
    at_once: int
    lease_s: float
    retention: timedelta
    aging: Clock
    """The clock for the age of its log and of events that cannot be sent; it follows no jump of the system's clock."""
    chance: Callable[[], float] = random_source.fraction
    _running: dict[bool, dict[asyncio.Task[None], None]] = field(
        default_factory=lambda: {True: {}, False: {}}
    )
    _trouble: Trouble = field(default_factory=lambda: Trouble(name="webhooks"))
    _turn: Turn = field(default_factory=lambda: Turn(LOOK_EVERY))
    _broken_turns: dict[str, int] = field(default_factory=dict)
    _any_active: bool = True

    def hear_of_events(self) -> None:
        """Wake the loop for new events, unless no endpoint is active; adding or changing an endpoint wakes it too."""
        if self._any_active:
            self.wake()

    def is_due(self, now: datetime) -> bool:
        return self._turn.has_come(now)

    async def step(self) -> bool:
        """Claim due endpoints for the free places and start a task for each. Slow endpoints have half of the places."""
        if self._turn.take(self.clock.now()):
            await self.rows.trim(self.aging.now() - self.retention, MOST_LOGGED)
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
        for leased in await self.rows.claim(free, self.lease_s, slow=slow):
            task = self.spawn(self._serve(leased))
            running[task] = None
            task.add_done_callback(partial(self._ended, running))

    def _ended(self, running: dict[asyncio.Task[None], None], task: asyncio.Task[None]) -> None:
        running.pop(task, None)
        self.wake()

    async def _serve(self, leased: LeasedEndpoint) -> None:
        """Send one batch to an endpoint. Errors are handled here, so that they affect no other endpoint."""
        try:
            await EndpointBatch(pusher=self, leased=leased).run()
        except StaleLease as stale:
            log.action(_log, "webhook.stale", str(stale), webhook=leased.endpoint.id)
        except Exception as error:  # reason: an unforeseen error of one endpoint stops no other
            # The lease runs out by itself, which is the pause that a broken endpoint needs.
            self._trouble.broke(error)
            if not isinstance(error, StoreFailure):
                await self._count_broken(leased)
        else:
            self._trouble.clear()
            self._broken_turns.pop(leased.endpoint.id, None)

    async def _count_broken(self, leased: LeasedEndpoint) -> None:
        """Count an endpoint's unforeseen errors, and pause it after several in a row, so that its owner is notified."""
        endpoint = leased.endpoint
        count = self._broken_turns.get(endpoint.id, 0) + 1
        self._broken_turns[endpoint.id] = count
        if count < MOST_BROKEN:
            return
        report = Report(
            cursor=endpoint.cursor,
            suspects=endpoint.suspects,
            last_ok_at=endpoint.last_ok_at,
            last_try_at=self.clock.now(),
            slow=endpoint.slow,
            pause=PauseWhy.FAILING,
        )
        try:
            await self.rows.record(leased, report)
        except GatewayError as error:
            log.action(_log, "webhook.not_paused", str(error), webhook=endpoint.id, code=error.code)
            return
        self._broken_turns.pop(endpoint.id)
        self.announce()

    async def drain(self, stop: asyncio.Event, seconds: float) -> None:
        """After the stop, wait for the running tasks, and cancel them when the time is over."""
        await stop.wait()
        if open_tasks := [task for running in self._running.values() for task in running]:
            await asyncio.wait(open_tasks, timeout=seconds)
            for task in open_tasks:
                task.cancel()


@dataclass(slots=True, kw_only=True)
class EndpointBatch:
    """One batch for one endpoint: first deliveries due again, then new events, until it fails or its time is over."""

    pusher: Pusher
    leased: LeasedEndpoint
    _cursor: int = 0
    _suspects: int = 0
    _last_ok_at: datetime | None = None
    _last_try_at: datetime | None = None
    _revived: bool = False
    _slow: bool = False
    _pause: PauseWhy | None = None
    _deliveries: dict[int, WebhookDelivery] = field(default_factory=dict)
    _gave_up: list[WebhookDelivery] = field(default_factory=list)
    _scopes: frozenset[ApiScope] = frozenset()
    _until_s: float = 0.0
    _waiting: int = 0

    async def run(self) -> None:
        """Retry due deliveries, send new events, and record the results; pause an endpoint that may get no events."""
        pusher, endpoint = self.pusher, self.leased.endpoint
        self._cursor, self._suspects = endpoint.cursor, endpoint.suspects
        self._last_ok_at, self._slow = endpoint.last_ok_at, endpoint.slow
        self._until_s = time_source.monotonic() + BATCH_S
        codes = {agency.id: agency.code for agency in await pusher.store.hosted()}
        standing = await pusher.rows.standing(endpoint, BATCH)
        if endpoint.agency_id not in codes:
            # An agency that left gets no more events; a person who brings it back also resumes its webhooks.
            self._pause = PauseWhy.PERSON
        elif not standing.scopes:
            self._pause = PauseWhy.KEY
        else:
            self._scopes = standing.scopes
            code = codes[endpoint.agency_id]
            self._waiting = standing.waiting
            await self._retry_due(code, standing.due)
            await self._send_new(code)
        await pusher.rows.record(self.leased, self._report())
        if self._pause is not None or self._gave_up:
            pusher.announce()

    async def _retry_due(self, code: str, due: Sequence[WebhookDelivery]) -> None:
        """Send due deliveries again, the oldest event first. A few failed tries end this, because they show that the
        endpoint is still down."""
        numbers = [delivery.sequence for delivery in due]
        events = await self.pusher.store.numbered_events(self.leased.endpoint.agency_id, numbers)
        words, failed = await self._words([*events.values()]), 0
        for delivery in due:
            if self._is_over() or failed >= MOST_SUSPECTS:
                return
            event = events.get(delivery.sequence)
            if event is None or not feed.is_wanted(event.kind, self._scopes, ()):
                self._waiting -= 1
                self._deliveries[delivery.sequence] = replace(
                    delivery, state=DeliveryState.FAILED, due_at=None
                )
                continue
            updated = await self._try(event, code, words, delivery)
            failed += updated.state is not DeliveryState.DELIVERED

    async def _send_new(self, code: str) -> None:
        """Send the events after the cursor, and move it. Events that the endpoint does not want only move the cursor."""
        endpoint = self.leased.endpoint
        while not self._is_over() and not self._is_failing():
            events = await self.pusher.store.events_after(endpoint.agency_id, self._cursor, READ)
            words = await self._words([event for event in events if self._is_told(event)])
            for event in events:
                if self._is_told(event):
                    if self._is_over() or self._is_failing():
                        return
                    await self._try(event, code, words, None)
                self._cursor = event.agency_seq or self._cursor
            if len(events) < READ:
                return

    def _is_told(self, event: Event) -> bool:
        endpoint = self.leased.endpoint
        is_wanted = feed.is_wanted(event.kind, self._scopes, endpoint.types)
        return is_wanted and feed.is_meant_for(event, endpoint.id)

    def _is_failing(self) -> bool:
        return self._suspects >= MOST_SUSPECTS or self._waiting >= MOST_WAITING

    def _is_over(self) -> bool:
        return (
            self._pause is not None
            or len(self._deliveries) >= BATCH
            or time_source.monotonic() >= self._until_s
            or self.pusher.stop.is_set()
        )

    async def _words(self, events: Sequence[Event]) -> ClientWords:
        return await self.pusher.rows.client_words(self.leased.endpoint.agency_id, feed.documents_of(events))

    async def _try(
        self, event: Event, code: str, words: ClientWords, earlier: WebhookDelivery | None
    ) -> WebhookDelivery:
        """Send one event, and return its delivery with this try recorded."""
        endpoint = self.leased.endpoint
        sent = await self._send(event, code, words)
        self._slow = not sent.is_good or sent.took_ms > SLOW_S * 1000
        delivery = earlier or _new_delivery(endpoint, event, sent.at)
        tries = (*delivery.tries, sent)[-MOST_TRIES_KEPT:]
        latest = replace(delivery, attempts=delivery.attempts + 1, at=sent.at, tries=tries)
        self._last_try_at = sent.at
        latest = self._came_through(latest, earlier) if sent.is_good else self._failed(latest, earlier, sent)
        self._deliveries[latest.sequence] = latest
        return latest

    async def _send(self, event: Event, code: str, words: ClientWords) -> Try:
        """Send one event and return the try. An event whose body cannot be built counts as failed like any other: it is
        tried again, and given up with an event."""
        pusher, endpoint = self.pusher, self.leased.endpoint
        try:
            body = feed.to_bytes(feed.event_body(event, code, words))
        except Exception as error:  # reason: one event whose body cannot be built must not hold up others
            log.log_unforeseen(_log, "webhook.unmade", error, webhook=endpoint.id, sequence=event.agency_seq)
            return Try(at=pusher.clock.now(), code=TryCode.UNMADE)
        client_words = words.get(event.subject_id)
        trace = client_words.trace if client_words is not None else None
        return await pusher.sender.send(endpoint, feed.event_id(event), body, trace)

    def _came_through(self, delivery: WebhookDelivery, earlier: WebhookDelivery | None) -> WebhookDelivery:
        self._revived = self._revived or self._suspects > 0
        self._suspects, self._last_ok_at = 0, self.pusher.clock.now()
        self._waiting -= earlier is not None
        return replace(delivery, state=DeliveryState.DELIVERED, due_at=None)

    def _failed(
        self, delivery: WebhookDelivery, earlier: WebhookDelivery | None, sent: Try
    ) -> WebhookDelivery:
        if earlier is None:
            self._suspects += 1
            self._waiting += 1
        log.action(
            _log,
            "webhook.failed",
            webhook=delivery.webhook_id,
            host=self.leased.endpoint.host,
            sequence=delivery.sequence,
            code=sent.code.value,
            status=sent.status,
            attempts=delivery.attempts,
        )
        now = self.pusher.clock.now()
        wait = upkeep.next_try(
            delivery.attempts,
            permanent=False,
            age=self.pusher.aging.now() - delivery.first_at,
            chance=self.pusher.chance(),
            delays_s=upkeep.WEBHOOK_DELAYS_S,
        )
        if sent.code is TryCode.GONE:
            self._pause = PauseWhy.GONE
        elif isinstance(wait, GiveUp):
            endpoint = replace(self.leased.endpoint, last_ok_at=self._last_ok_at)
            # A body that the node cannot build is no fault of the endpoint.
            if sent.code is TryCode.UNMADE or not upkeep.is_dead(endpoint, delivery):
                given_up = replace(delivery, state=DeliveryState.FAILED, due_at=None)
                self._gave_up.append(given_up)
                self._waiting -= 1
                return given_up
            self._pause = PauseWhy.FAILING
        # Deliveries of a paused endpoint wait until a person resumes it.
        due = now + (wait if isinstance(wait, timedelta) else timedelta(seconds=upkeep.WEBHOOK_DELAYS_S[-1]))
        return replace(delivery, state=DeliveryState.WAITING, due_at=due)

    def _report(self) -> Report:
        if self._waiting >= MOST_WAITING:
            self._suspects = max(self._suspects, MOST_SUSPECTS)
        return Report(
            cursor=self._cursor,
            suspects=self._suspects,
            deliveries=tuple(self._deliveries.values()),
            last_ok_at=self._last_ok_at,
            last_try_at=self._last_try_at or self.pusher.clock.now(),
            slow=self._slow,
            revived=self._revived,
            pause=self._pause,
            gave_up=tuple(self._gave_up),
        )


def _new_delivery(endpoint: Endpoint, event: Event, at: datetime) -> WebhookDelivery:
    """Return a delivery that was not tried yet."""
    return WebhookDelivery(
        webhook_id=endpoint.id,
        sequence=event.agency_seq or 0,
        event_id=feed.event_id(event),
        kind=event.kind.value,
        state=DeliveryState.WAITING,
        attempts=0,
        first_at=at,
        at=at,
    )
