"""Implements the axis on one machine as a durable queue in a SQLite file, with large payloads as files beside it, shared
by all processes and nodes that open the same folder. In: parcels, and the codes each node hosts. Out: arrivals under a
lease, at least once. A row belongs to a recipient code, not to a node: any node that hosts the code may take it, so a
code that moves takes its waiting parcels along, and several hosts of one code share its parcels. Waiters in this process
are woken at once; those of other processes poll."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Self

from gateway import commits, random_source, time_source
from gateway.domain.identity import Digest
from gateway.domain.pace import Horizon, ordinary_places
from gateway.domain.registry import fold_code
from gateway.errors import NotFound, Unreachable
from gateway.log import action
from gateway.ports.axis import Arrival, AxisState, DeadCause, DeadParcel, Fate, Outcome, Parcel, Promises
from gateway.ports.services import Clock, Pool
from gateway.transport import queue_file
from gateway.transport.parcel import (
    SMALL,
    PayloadFolder,
    Together,
    content_of,
    contents_of,
    discard,
    lies_in_memory,
    too_large,
    unroutable,
)
from gateway.transport.queue_file import QueueFile

LEASE_S = 60.0  # default of the setting `workers.lease_s`
POLL_S = 0.2  # longest delay until a publish of another process is noticed
_MAX_HOSTING = 4096  # limit of codes remembered as hosted or not
LEASES_S = 1.0  # longest delay until an expired lease is noticed
QUIET_S = 5.0  # after this time without removals, removed rows are wiped from SQLite's log too

_log = logging.getLogger(__name__)
_DELIVERED = Outcome(fate=Fate.DELIVERED)
_GUARD = threading.Lock()
_BELLS: dict[str, set[WaiterWaker]] = {}


class EmbeddedAxis:
    """Axis over a folder (the `Axis` protocol). It opens on first use; its creator calls `close`."""

    def __init__(
        self,
        folder: Path,
        node: str,
        clock: Clock,
        pool: Pool,
        poison_limit: int = 5,
        max_bytes: int | None = None,
        lease_s: float = LEASE_S,
    ) -> None:
        """`lease_s` is how long takers hold a parcel; a lease that ends more than twice that ahead counts as expired."""
        self._path = folder.resolve() / "axis.sqlite"
        self._name = str(self._path)
        self._files = PayloadFolder(self._path.parent / "payload")
        self._node, self._clock, self._pool = node, clock, pool
        self._poison_limit, self._max_bytes, self._lease_s = poison_limit, max_bytes, lease_s
        self._queue = QueueFile(self._path, pool, self._clean)
        self._reading = Together(self._read_all)
        self._storing = Together(self._store_rows)
        self._settling = Together(self._settle_all)
        # A process that was killed may have left removed rows in the log.
        self._removed: float | None = time_source.monotonic()
        self._bell = WaiterWaker(self._name)
        self._hosting = _Hosting()
        self._idle_version: object = None
        self._idle_since = 0.0
        self._since = clock.now()
        self._held: dict[str, float] = {}
        self._turns = count()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Release the leases of this process, so that their parcels are due at once, and close the file. A second call
        does nothing."""
        if self._queue.is_open and self._held:
            # A failure here loses nothing, because leases expire by themselves.
            with contextlib.suppress(Unreachable):
                async with self._queue.write() as queue:
                    queue.executemany(queue_file.RELEASE_LEASE, [(token,) for token in sorted(self._held)])
        self._bell.close()
        await self._queue.close()

    async def host(self, codes: Sequence[str]) -> None:
        """Host exactly these codes on this node from now on."""
        codes_by_key = {fold_code(code): code.strip() for code in codes}
        try:
            async with self._queue.write() as queue:
                queue.execute(queue_file.FORGET_NODE, (self._node,))
                queue.executemany(
                    queue_file.HOST, [(key, self._node, code) for key, code in codes_by_key.items()]
                )
        finally:
            self._hosting.clear()
        ring(self._name)

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        """Store the parcel for every hosted recipient and return one outcome per route: DELIVERED once payload and rows
        are on disk. Publishing again adds rows again (at least once). Concurrent publishes share one commit."""
        if self._max_bytes is not None and parcel.size > self._max_bytes:
            return dict.fromkeys(routes, too_large(parcel.size, self._max_bytes))
        # The payload is copied only where at least one recipient is hosted.
        if parcel.size <= SMALL:
            hosted = await self._store_row(parcel, routes)
        elif hosted := await self._hosted(routes):
            hosted = await self._store_file(parcel, routes)
        if hosted:
            ring(self._name)
        return {route: _DELIVERED if fold_code(route) in hosted else unroutable(route) for route in routes}

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        try:
            hosted = await self._hosted(routes)
        except Unreachable:
            return None
        return frozenset(route for route in routes if fold_code(route) not in hosted)

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        """Lease up to `limit` due rows, urgent first with a share for normal ones; bury rows over the poison limit."""
        times = self._times(lease_s)
        # A woken waiter looks at once for what was published here; an idle poll takes no write lock.
        if self._bell.take():
            self._idle_version = None
        elif not await self._any_due(times):
            await self._forget_for_good()
            return ()
        ordinary = ordinary_places(limit, next(self._turns))
        arrivals, poisoned = await self._queue.change(partial(self._lease, limit, ordinary, lease_s, times))
        for row in poisoned:
            action(_log, "axis.dead", queue_file.tries_reason(row[8]), packet_id=row[2], recipient=row[1])
        return arrivals

    def _lease(
        self, limit: int, ordinary: int, lease_s: float, times: Mapping[str, float], queue: sqlite3.Connection
    ) -> tuple[Sequence[Arrival], Sequence[Sequence[Any]]]:
        """Lease due rows inside a write transaction; return their arrivals, and the rows buried as poisoned. Both are
        empty where another taker was quicker."""
        now = times["now"]
        rows = queue_file.due_of(queue, {"node": self._node, **times}, limit, ordinary)
        if not rows:
            return (), ()
        poisoned = [row for row in rows if row[8] >= self._poison_limit]
        healthy = [row for row in rows if row[8] < self._poison_limit]
        arrivals = [self._arrival(row) for row in healthy]
        leases = [
            (arrival.token, now + lease_s, row[0]) for arrival, row in zip(arrivals, healthy, strict=True)
        ]
        # Noted before the commit, because a lease that this process forgot could not be released.
        self._held = {token: expiry for token, expiry in self._held.items() if expiry > now}
        self._held |= {token: expiry for token, expiry, _ in leases}
        queue.executemany(queue_file.LEASE, leases)
        queue.executemany(queue_file.BURY, [(now, DeadCause.TRIES, row[0]) for row in poisoned])
        return arrivals, poisoned

    async def settle(self, arrival: Arrival, *, is_done: bool) -> None:
        """Delete the row when done, or make it due again at once. A stale token changes nothing."""
        await self._settling.ask((arrival, is_done))
        if is_done and self._files.has(arrival.digest):
            await self._remove_unneeded(arrival.digest)

    async def _settle_all(self, settled: Sequence[tuple[Arrival, bool]]) -> Sequence[None]:
        """Settle a batch of arrivals in one transaction."""
        finished_tokens = [(arrival.token,) for arrival, finished in settled if finished]
        returned_tokens = [(arrival.token,) for arrival, finished in settled if not finished]

        def end(queue: sqlite3.Connection) -> tuple[int, int]:
            removed = (
                queue.executemany(queue_file.DELETE_LEASED, finished_tokens).rowcount
                if finished_tokens
                else 0
            )
            freed = (
                queue.executemany(queue_file.RELEASE_LEASE, returned_tokens).rowcount
                if returned_tokens
                else 0
            )
            return removed, freed

        if any(arrival.file is not None for arrival, _ in settled):
            # A durable commit: the file may go only after its row is gone for good.
            async with self._queue.write() as queue:
                removed, freed = end(queue)
        else:
            removed, freed = await self._queue.change(end)
        for arrival, _ in settled:
            self._held.pop(arrival.token, None)
        if removed:
            self._removed = time_source.monotonic()
        if freed:
            ring(self._name)
        return [None] * len(settled)

    async def put_aside(self, arrival: Arrival) -> None:
        """Move the row to the dead list."""
        buried = (self._clock.now().timestamp(), DeadCause.NO_ROOM, arrival.token)
        await self._queue.change(lambda queue: queue.execute(queue_file.BURY_LEASED, buried))
        self._held.pop(arrival.token, None)

    async def wait(self, timeout_s: float) -> None:
        """Wait until a row is due: a publish by this process wakes at once, one by another within `POLL_S`."""
        waited_s = 0.0
        while waited_s < timeout_s and not await self._any_due(self._times(self._lease_s)):
            pause = min(POLL_S, timeout_s - waited_s)
            await self._forget_for_good()
            await self._pause(pause)
            waited_s += pause

    def promises(self) -> Promises:
        return Promises()

    def state(self) -> AxisState:
        """Return the folder as connected, always: a failing call reports by itself what is wrong."""
        return AxisState(connected_since=self._since, servers=(str(self._path.parent),))

    async def counts(self) -> Mapping[str, int]:
        """Count rows of the whole queue, of all nodes: `waiting`, the `urgent` ones among them, `leased` and `dead`."""
        (totals,) = await self._queue.search(queue_file.COUNTS, self._times(self._lease_s))
        return dict(zip(("waiting", "urgent", "leased", "dead"), totals[:4], strict=True))

    async def oldest(self) -> datetime | None:
        """Return when the oldest waiting parcel for a code hosted by this node was published."""
        ((published_at,),) = await self._queue.search(
            queue_file.OLDEST, {"node": self._node, **self._times(self._lease_s)}
        )
        return datetime.fromtimestamp(published_at, UTC) if published_at is not None else None

    def in_hand(self) -> Mapping[str, int]:
        """Return nothing: every process that opens the folder counts all rows anyway."""
        return {}

    async def leased_ahead(self) -> int:
        """Count parcels leased by a clock that was ahead; the next taker may lease them."""
        (totals,) = await self._queue.search(queue_file.COUNTS, self._times(self._lease_s))
        return int(totals[4])

    async def dead_list(self) -> Sequence[DeadParcel]:
        """List the dead parcels of all nodes, oldest first."""
        return [queue_file.dead_parcels(row) for row in await self._queue.search(queue_file.DEAD)]

    async def dead_open(self, id: str) -> BinaryIO:
        """Open the payload of a dead parcel."""
        parcels = [parcel for parcel in await self.dead_list() if parcel.id == id]
        if not parcels:
            raise _not_dead(id)
        digest = parcels[0].digest
        bytes_by_digest = dict(await self._queue.search(queue_file.BYTES_OF, (json.dumps([digest]),)))
        return await self._pool.run(self._opener(digest, bytes_by_digest.get(digest)))

    async def dead_retry(self, id: str) -> None:
        """Make a dead parcel due again, with its deliveries counted from zero. NotFound when it is not dead."""
        async with self._queue.write() as queue:
            revived_count = queue.execute(queue_file.REVIVE, (id,)).rowcount
        if not revived_count:
            raise _not_dead(id)
        ring(self._name)

    async def dead_drop(self, id: str, reason: str) -> None:
        """Delete a dead parcel for good; the log keeps the reason. NotFound when it is not dead."""
        async with self._queue.write() as queue:
            rows = queue.execute(queue_file.DROP_DEAD, (id,)).fetchall()
            if not rows:
                raise _not_dead(id)
            digest, packet_id, recipient = rows[0]
        self._removed = time_source.monotonic()
        names = {"packet_id": packet_id, "recipient": recipient, "digest": digest}
        action(_log, "axis.dead_dropped", **names, reason=reason)
        if self._files.has(Digest(digest)):
            await self._remove_unneeded(digest)

    async def _any_due(self, times: Mapping[str, float]) -> bool:
        """Tell whether a row is due for this node. While no other connection wrote and no publish woke this one, only a
        lease can expire, which is looked for once a second."""
        now, version = times["now"], await self._queue.others_version()
        is_as_before = version is not None and version == self._idle_version
        if is_as_before and self._idle_since <= now < self._idle_since + LEASES_S:
            return False
        is_due = bool(await self._queue.read(queue_file.ANY_DUE, {"node": self._node, **times}))
        self._idle_version, self._idle_since = None if is_due else version, now
        return is_due

    async def _hosted(self, routes: Iterable[str]) -> frozenset[str]:
        return frozenset(
            row[0] for row in await self._queue.read(queue_file.HOSTED, queue_file.folded_codes(routes))
        )

    async def _leaves_node(self, routes: Iterable[str]) -> bool:
        """Tell whether another node hosts a recipient: its store shall share no file with this node's."""
        codes = queue_file.folded_codes(routes)
        return bool(await self._queue.read(queue_file.HOSTED_ELSEWHERE, (*codes, self._node)))

    def _times(self, lease_s: float) -> dict[str, float]:
        horizon = Horizon.from_lease(self._clock.now(), lease_s)
        return {"now": horizon.now.timestamp(), "far": horizon.lease.timestamp()}

    async def _store_row(self, parcel: Parcel, routes: Sequence[str]) -> frozenset[str]:
        """Store a small parcel with its bytes as a row; return the folded codes whose rows were inserted. Hosting is
        read inside the transaction."""
        with self._queue.failures:
            content = content_of(parcel) if lies_in_memory(parcel) else await self._reading.ask(parcel)
        return await self._storing.ask((parcel, routes, content))

    async def _read_all(self, parcels: Sequence[Parcel]) -> Sequence[bytes | Exception]:
        return await self._pool.run(partial(contents_of, parcels))

    async def _store_rows(
        self, requests: Sequence[tuple[Parcel, Sequence[str], bytes]]
    ) -> Sequence[frozenset[str]]:
        """Store a batch of small parcels in one transaction."""
        async with self._queue.write() as queue:
            hosted = self._insert_rows(queue, [(parcel, routes) for parcel, routes, _ in requests])
            bodies = [
                (parcel.digest, content)
                for (parcel, _, content), codes in zip(requests, hosted, strict=True)
                if codes
            ]
            queue.executemany(queue_file.PUT_BYTES, bodies)
        return hosted

    async def _store_file(self, parcel: Parcel, routes: Sequence[str]) -> frozenset[str]:
        """Store a large parcel with its payload as a file; return the folded codes whose rows were inserted."""
        draft = self._files.draft()
        try:
            with self._queue.failures:
                may_link = not await self._leaves_node(routes)
                await self._pool.run(partial(self._files.bring_in, parcel, draft, may_link=may_link))
            async with self._queue.write() as queue:
                (hosted,) = self._insert_rows(queue, [(parcel, routes)])
                if hosted:
                    await commits.run_in_thread(partial(self._files.adopt, draft, parcel.digest))
        except BaseException:
            with contextlib.suppress(Unreachable):
                await self._remove_unneeded(parcel.digest)
            raise
        finally:
            draft.give_up()
        return hosted

    def _insert_rows(
        self, queue: sqlite3.Connection, requests: Sequence[tuple[Parcel, Sequence[str]]]
    ) -> list[frozenset[str]]:
        """Insert one row per parcel and hosted recipient; return the folded codes inserted for each parcel."""
        folded = [{fold_code(route): route for route in routes} for _, routes in requests]
        hosted = self._hosting.hosted_among(queue, {code for codes in folded for code in codes})
        now = self._clock.now().timestamp()
        rows = [
            (
                code,
                queue_file.LANES.index(parcel.lane),
                route,
                parcel.packet_id,
                parcel.kind,
                parcel.sender,
                parcel.digest,
                parcel.size,
                now,
                self._node,
            )
            for (parcel, _), routes in zip(requests, folded, strict=True)
            for code, route in routes.items()
            if code in hosted
        ]
        queue.executemany(queue_file.INSERT_ROW, rows)
        return [frozenset(hosted.intersection(codes)) for codes in folded]

    def _arrival(self, row: Sequence[Any]) -> Arrival:
        _, recipient, packet_id, kind, sender, lane, digest, size, deliveries, node, content = row
        return Arrival(
            token=random_source.random_16().hex(),
            recipient=recipient,
            packet_id=packet_id,
            kind=kind,
            sender=sender,
            lane=queue_file.LANES[lane],
            digest=Digest(digest),
            size=size,
            deliveries=deliveries + 1,
            open=self._opener(Digest(digest), content),
            node=node,
            file=self._files.path(digest) if content is None else None,
        )

    def _opener(self, digest: Digest, content: bytes | None) -> Callable[[], BinaryIO]:
        """Return a function that opens the payload. Content without a payload row is a file: large, or of an older
        version."""
        if content is None:
            return partial(_open_payload, self._files.path(digest))
        return partial(io.BytesIO, content)

    async def _forget_for_good(self) -> None:
        """Wipe removed rows from SQLite's log once nothing has been removed for a while."""
        removed = self._removed
        if removed is None or time_source.monotonic() - removed < QUIET_S:
            return
        if await self._queue.shorten() and self._removed == removed:
            self._removed = None

    async def _remove_unneeded(self, digest: str) -> None:
        """Remove a payload file that no row needs. The write lock keeps a publisher from adopting the file before its
        rows are committed; the row is gone durably by now, so none is left without its bytes. Not cancellable: a
        cancelled removal would release the lock while the file may still be adopted."""
        async with self._queue.write() as queue:
            if not queue.execute(queue_file.STILL_NEEDED, (digest,)).fetchall():
                await commits.run_in_thread(partial(self._files.remove, digest))

    async def _pause(self, seconds: float) -> None:
        """Wait until the waker is triggered or the time has passed."""
        rung = asyncio.ensure_future(self._bell.wait())
        slept = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((rung, slept), return_when=asyncio.FIRST_COMPLETED)
            if rung.done():
                self._idle_version = None
        finally:
            rung.cancel()
            slept.cancel()
            await asyncio.gather(rung, slept, return_exceptions=True)

    def _clean(self, queue: sqlite3.Connection) -> None:
        """Remove files that a crash left behind; files younger than an hour may belong to a running process."""
        self._files.prepare()
        drafts, digests = self._files.find_abandoned()
        for draft in drafts:
            discard(draft)
        if set(digests) - queue_file.needed_payloads(queue, digests):
            queue.execute("BEGIN IMMEDIATE")
            for digest in sorted(set(digests) - queue_file.needed_payloads(queue, digests)):
                self._files.remove(digest)
            queue.execute("COMMIT")


class _Hosting:
    """Cache of hosted codes for the writing connection, until another connection writes or this axis hosts other codes."""

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}
        self._version: object = None

    def hosted_among(self, queue: sqlite3.Connection, folded: set[str]) -> set[str]:
        """Return those of the folded codes that are hosted; the caller holds the write lock."""
        version = queue_file.version_of(queue)
        if version != self._version or len(self._known) > _MAX_HOSTING:
            self._version, self._known = version, {}
        if unknown := sorted(folded - self._known.keys()):
            hosted = {code for (code,) in queue.execute(queue_file.HOSTED, (json.dumps(unknown),))}
            self._known |= {code: code in hosted for code in unknown}
        return {code for code in folded if self._known[code]}

    def clear(self) -> None:
        self._known = {}


def _open_payload(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as cause:
        raise Unreachable(f"the payload {path} cannot be read: {cause}; it may be settled already") from cause


def _not_dead(id: str) -> NotFound:
    return NotFound(f"no parcel {id!r} on the dead list of the embedded axis; list it again")


class WaiterWaker:
    """Wakes one waiter on the queue file `path`, until it is closed. A signal between two waits is kept."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        with _GUARD:
            _BELLS.setdefault(self._path, set()).add(self)

    async def wait(self) -> None:
        """Wait for a signal; one given since the last call counts."""
        self._loop = asyncio.get_running_loop()
        await self._event.wait()
        self._event.clear()

    def take(self) -> bool:
        """Tell whether a signal came since the last wait or take, and clear it."""
        rung = self._event.is_set()
        self._event.clear()
        return rung

    def close(self) -> None:
        with _GUARD:
            wakers = _BELLS.get(self._path)
            if wakers is not None:
                wakers.discard(self)
                if not wakers:
                    del _BELLS[self._path]

    def _ring(self, running: asyncio.AbstractEventLoop) -> None:
        if self._loop is None or self._loop is running:
            self._event.set()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)


def ring(path: str) -> None:
    """Wake every waiter of this path, in whatever event loop each waits."""
    running = asyncio.get_running_loop()
    with _GUARD:
        wakers = list(_BELLS.get(path, ()))
    for waker in wakers:
        waker._ring(running)
