"""The axis of one machine: a durable queue in its own SQLite file, with the payloads as files beside it, shared
by the processes and nodes that open the same folder. In: parcels and the codes each node hosts. Out: arrivals
under a lease, at least once. A row belongs to a recipient code, not to a node: whoever hosts the code may take
it, so a code that moves takes its waiting parcels with it, and several hosts of one code share its parcels."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import BinaryIO, Self

import aiosqlite
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from gateway.domain.agency_code import fold_code
from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.domain.turns import Horizon, ordinary_places
from gateway.errors import Misconfigured, NotFound, Unreachable
from gateway.log import action
from gateway.ports import Arrival, AxisState, Clock, DeadParcel, Fate, Outcome, Parcel, Pool
from gateway.transport import queue_sql as sql
from gateway.transport.bell import Bell, ring
from gateway.transport.parcel import PayloadFolder, discard

BUSY_S = 10.0  # how long a writer waits for another process's transaction (design 6)
LEASE_S = 60.0  # as `workers.lease_s` is shipped
POLL_S = 0.2  # how late a publish of another process may be noticed
_LANES = (Lane.URGENT, Lane.NORMAL)  # the number stored is the place here: urgent sorts first

_log = logging.getLogger(__name__)
_DELIVERED = Outcome(fate=Fate.DELIVERED)


class EmbeddedAxis:
    """The `Axis` promise over a folder. Opened on first use; whoever made it calls `close`."""

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
        """`lease_s`: how long its takers hold a parcel; what is held for longer than twice that is held by nobody."""
        self._path = folder.resolve() / "axis.sqlite"
        self._files = PayloadFolder(self._path.parent / "payload")
        self._node, self._clock, self._pool = node, clock, pool
        self._poison_limit, self._max_bytes, self._lease_s = poison_limit, max_bytes, lease_s
        self._connection: aiosqlite.Connection | None = None
        self._closed = False
        self._one_at_a_time = asyncio.Lock()
        self._bell = Bell(self._path)
        self._since = clock.now()
        self._held: dict[str, float] = {}
        self._turns = count()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """What this process still holds is due at once. A second call does nothing."""
        if self._connection is not None and self._held:
            # Else nothing is lost either: leases run out by themselves.
            with contextlib.suppress(Unreachable):
                async with self._write() as queue:
                    await queue.executemany(sql.AGAIN, [(token,) for token in self._held])
        async with self._one_at_a_time:
            self._closed = True
            self._bell.close()
            if self._connection is not None:
                connection, self._connection = self._connection, None
                with self._failures_named():
                    await connection.close()

    async def host(self, codes: Sequence[str]) -> None:
        """This node receives for these codes from now on, and for no others."""
        spelled = {fold_code(code): code.strip() for code in codes}
        async with self._write() as queue:
            await queue.execute(sql.FORGET_NODE, (self._node,))
            await queue.executemany(sql.HOST, [(key, self._node, code) for key, code in spelled.items()])
        ring(self._path)

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        """DELIVERED once payload and rows are on disk. A repeat adds rows: at least once."""
        if self._max_bytes is not None and parcel.size > self._max_bytes:
            return dict.fromkeys(routes, _too_large(parcel.size, self._max_bytes))
        async with self._read() as queue:
            hosted = await _hosted_of(queue, routes)
        if hosted:
            hosted = await self._store(parcel, routes)
            ring(self._path)
        return {route: _DELIVERED if fold_code(route) in hosted else _unroutable(route) for route in routes}

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        try:
            async with self._read() as queue:
                hosted = await _hosted_of(queue, routes)
        except Unreachable:
            return None
        return frozenset(route for route in routes if fold_code(route) not in hosted)

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        """Leases up to `limit` due rows, urgent first, a share of them ordinary; those over the poison limit go to the
        dead list instead."""
        times = self._times(lease_s)
        if not await self._any_due(times):  # an idle poll takes no write lock
            return ()
        ordinary, now = ordinary_places(limit, next(self._turns)), times["now"]
        async with self._write() as queue:
            rows = await _due_of(queue, {"node": self._node, **times}, limit, ordinary)
            poisoned = [row for row in rows if row[8] >= self._poison_limit]
            arrivals = [self._arrival(row) for row in rows if row[8] < self._poison_limit]
            ids = [row[0] for row in rows if row[8] < self._poison_limit]
            leases = [(each.token, now + lease_s, id) for each, id in zip(arrivals, ids, strict=True)]
            # Before the commit: a lease that nobody remembers could not be given back.
            self._held = {token: until for token, until in self._held.items() if until > now}
            self._held |= {token: until for token, until, _ in leases}
            await queue.executemany(sql.LEASE, leases)
            await queue.executemany(sql.BURY, [(now, _poison_reason(row[8]), row[0]) for row in poisoned])
        for row in poisoned:
            action(_log, "axis.dead", _poison_reason(row[8]), packet_id=row[2], recipient=row[1])
        return arrivals

    async def settle(self, arrival: Arrival, *, done: bool) -> None:
        """The row is gone, or due again at once. With a stale token nothing changes."""
        async with self._write() as queue:
            settled = (await queue.execute(sql.DONE if done else sql.AGAIN, (arrival.token,))).rowcount
            needed = await queue.execute_fetchall(sql.STILL_NEEDED, (arrival.digest,))
        self._held.pop(arrival.token, None)
        if settled and not needed:
            await self._remove_unneeded([arrival.digest])
        if settled and not done:
            ring(self._path)

    async def wait(self, timeout_s: float) -> None:
        """Wakes at once for what this process publishes, within `POLL_S` for what another one does."""
        waited = 0.0
        while waited < timeout_s and not await self._any_due(self._times(self._lease_s)):
            pause = min(POLL_S, timeout_s - waited)
            await self._pause(pause)
            waited += pause

    def state(self) -> AxisState:
        """A folder is always there: what it cannot take is said by the call that needed it."""
        return AxisState(connected_since=self._since, servers=(str(self._path.parent),))

    async def counts(self) -> Mapping[str, int]:
        """Rows of the whole queue, all nodes: `waiting` (of which `urgent`), `leased` and `dead`."""
        async with self._read() as queue:
            found = next(iter(await queue.execute_fetchall(sql.COUNTS, self._times(self._lease_s))))
        return dict(zip(("waiting", "urgent", "leased", "dead"), found[:4], strict=True))

    def in_hand(self) -> Mapping[str, int]:
        """Nothing: whoever opens the folder counts all of it."""
        return {}

    async def leased_ahead(self) -> int:
        """Parcels whose lease a clock that was ahead wrote; whoever takes next has them."""
        async with self._read() as queue:
            found = next(iter(await queue.execute_fetchall(sql.COUNTS, self._times(self._lease_s))))
        return int(found[4])

    async def dead_list(self) -> Sequence[DeadParcel]:
        """Oldest first, of all nodes."""
        async with self._read() as queue:
            return [_dead(row) for row in await queue.execute_fetchall(sql.DEAD)]

    async def dead_open(self, id: str) -> BinaryIO:
        """Its payload, to look into."""
        found = [each for each in await self.dead_list() if each.id == id]
        if not found:
            raise _not_dead(id)
        return await self._pool.run(partial(_open_payload, self._files.path(found[0].digest)))

    async def dead_retry(self, id: str) -> None:
        """It is due again with its deliveries counted from zero. NotFound when it is not on the dead list."""
        async with self._write() as queue:
            found = (await queue.execute(sql.REVIVE, (id,))).rowcount
        if not found:
            raise _not_dead(id)
        ring(self._path)

    async def dead_drop(self, id: str, reason: str) -> None:
        """It is gone for good; the log keeps the reason. NotFound when it is not on the dead list."""
        async with self._write() as queue:
            rows = list(await queue.execute_fetchall(sql.DROP_DEAD, (id,)))
        if not rows:
            raise _not_dead(id)
        digest, packet_id, recipient = rows[0]
        action(_log, "axis.dead_dropped", reason, packet_id=packet_id, recipient=recipient, digest=digest)
        await self._remove_unneeded([digest])

    async def _any_due(self, times: Mapping[str, float]) -> bool:
        async with self._read() as queue:
            return bool(await queue.execute_fetchall(sql.ANY_DUE, {"node": self._node, **times}))

    def _times(self, lease_s: float) -> dict[str, float]:
        horizon = Horizon.of(self._clock.now(), lease_s)
        return {"now": horizon.now.timestamp(), "far": horizon.lease.timestamp()}

    async def _store(self, parcel: Parcel, routes: Sequence[str]) -> frozenset[str]:
        """The folded codes whose rows are committed: hosting is asked again inside the transaction."""
        with self._failures_named():
            draft = await self._pool.run(partial(self._files.copy_in, parcel))
        adopted = False
        try:
            async with self._write() as queue:
                hosted = await _hosted_of(queue, routes)
                if hosted:
                    await self._pool.run(partial(self._files.adopt, draft, parcel.digest))
                    adopted = True
                    await queue.executemany(sql.PUT, self._rows(parcel, routes, hosted))
        finally:
            if not adopted:
                discard(draft)
        return hosted

    def _rows(
        self, parcel: Parcel, routes: Sequence[str], hosted: frozenset[str]
    ) -> list[tuple[object, ...]]:
        lane, now = _LANES.index(parcel.lane), self._clock.now().timestamp()
        about = (parcel.packet_id, parcel.kind, parcel.sender, parcel.digest, parcel.size, now, self._node)
        once = {fold_code(route): route for route in routes}
        return [(key, lane, route, *about) for key, route in once.items() if key in hosted]

    def _arrival(self, row: sqlite3.Row) -> Arrival:
        _, recipient, packet_id, kind, sender, lane, digest, size, deliveries, node = row
        return Arrival(
            token=secrets.token_hex(16),
            recipient=recipient,
            packet_id=packet_id,
            kind=kind,
            sender=sender,
            lane=_LANES[lane],
            digest=Digest(digest),
            size=size,
            deliveries=deliveries + 1,
            open=partial(_open_payload, self._files.path(digest)),
            node=node,
        )

    async def _remove_unneeded(self, digests: Sequence[str]) -> None:
        """Removes the payloads that no row needs. Under the write lock, so that no publisher can have adopted the
        file and not yet committed its rows."""
        async with self._write() as queue:
            needed = {row[0] for row in await queue.execute_fetchall(sql.NEEDED_OF, (json.dumps(digests),))}
            unneeded = [digest for digest in digests if digest not in needed]
            await self._pool.run(partial(_remove_all, self._files, unneeded))

    async def _pause(self, seconds: float) -> None:
        """Until the bell rings or the clock has slept."""
        rung = asyncio.ensure_future(self._bell.wait())
        slept = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((rung, slept), return_when=asyncio.FIRST_COMPLETED)
        finally:
            rung.cancel()
            slept.cancel()
            await asyncio.gather(rung, slept, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def _read(self) -> AsyncIterator[aiosqlite.Connection]:
        async with self._one_at_a_time:
            with self._failures_named():
                yield await self._opened()

    @contextlib.asynccontextmanager
    async def _write(self) -> AsyncIterator[aiosqlite.Connection]:
        """One transaction with the write lock from its first moment; what returns without error is on disk."""
        async with self._one_at_a_time:
            with self._failures_named():
                queue = await self._opened()
                try:
                    await queue.execute("BEGIN IMMEDIATE")
                    yield queue
                    await queue.commit()
                except BaseException:
                    # Statements run in order on the driver's thread: one that a cancelled task left behind is
                    # undone here too.
                    await queue.rollback()
                    raise

    async def _opened(self) -> aiosqlite.Connection:
        if self._closed:
            raise Unreachable(f"the embedded axis {self._path} was closed; restart the node to open it again")
        if self._connection is None:
            await self._pool.run(self._files.prepare)
            connection = await aiosqlite.connect(self._path, timeout=BUSY_S, isolation_level=None)
            try:
                await _set_up(connection, self._path)
                await self._clean(connection)
            except BaseException:
                await connection.close()
                raise
            self._connection = connection
        return self._connection

    async def _clean(self, connection: aiosqlite.Connection) -> None:
        """Removes what a crash left behind; what is younger than an hour may be another process's work."""
        drafts, digests = await self._pool.run(self._files.abandoned)
        for draft in drafts:
            discard(draft)
        rows = await connection.execute_fetchall(sql.NEEDED_OF, (json.dumps(digests),))
        leftover = sorted(set(digests) - {row[0] for row in rows})
        if leftover:
            await connection.execute("BEGIN IMMEDIATE")
            rows = await connection.execute_fetchall(sql.NEEDED_OF, (json.dumps(leftover),))
            unneeded = sorted(set(leftover) - {row[0] for row in rows})
            await self._pool.run(partial(_remove_all, self._files, unneeded))
            await connection.commit()

    @contextlib.contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as cause:
            raise Unreachable(
                f"the embedded axis {self._path} did not answer: {type(cause).__name__}: {cause};"
                " check that the folder exists, has free space and may be written",
            ) from cause


async def _set_up(connection: aiosqlite.Connection, path: Path) -> None:
    # Several processes may open a new file at once, and the change to WAL does not wait for the busy timeout.
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(sqlite3.OperationalError),
        stop=stop_after_attempt(8),
        wait=wait_random_exponential(multiplier=0.02, max=1.0),
        reraise=True,
    ):
        with attempt:
            await connection.execute("PRAGMA journal_mode = WAL")
    await connection.execute("PRAGMA synchronous = FULL")
    version = await _format_of(connection)
    if version > sql.SCHEMA_VERSION:
        raise Misconfigured(
            f"{path} has queue format {version}, this program knows up to {sql.SCHEMA_VERSION}: use the newer program"
        )
    if version == 0:
        await connection.executescript(sql.SCHEMA)
    elif version < sql.SCHEMA_VERSION:
        await _upgrade(connection)


async def _upgrade(connection: aiosqlite.Connection) -> None:
    """The format is asked again under the write lock: another process may have been quicker."""
    await connection.execute("BEGIN IMMEDIATE")
    for version in range(await _format_of(connection), sql.SCHEMA_VERSION):
        for step in sql.UPGRADES[version]:
            await connection.execute(step)
    await connection.commit()


async def _format_of(connection: aiosqlite.Connection) -> int:
    return int(next(iter(await connection.execute_fetchall("PRAGMA user_version")))[0])


async def _hosted_of(queue: aiosqlite.Connection, routes: Iterable[str]) -> frozenset[str]:
    keys = json.dumps([fold_code(route) for route in routes])
    return frozenset(row[0] for row in await queue.execute_fetchall(sql.HOSTED, (keys,)))


async def _due_of(
    queue: aiosqlite.Connection, asked: Mapping[str, object], limit: int, ordinary: int
) -> list[sqlite3.Row]:
    """The first of the queue; where the urgent lane would have all of them, so many are the oldest ordinary ones."""
    rows = list(await queue.execute_fetchall(sql.DUE, {**asked, "most": limit}))
    urgent = [row for row in rows if _LANES[row[5]] is Lane.URGENT]
    if len(rows) < limit or limit - len(urgent) >= ordinary:
        return rows
    theirs = list(await queue.execute_fetchall(sql.DUE_ORDINARY, {**asked, "most": ordinary}))
    return [*urgent[: limit - len(theirs)], *theirs]


def _open_payload(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as cause:
        raise Unreachable(f"the payload {path} cannot be read: {cause}; it may be settled already") from cause


def _remove_all(files: PayloadFolder, digests: Sequence[str]) -> None:
    for digest in digests:
        files.remove(digest)


def _too_large(size: int, limit: int) -> Outcome:
    detail = f"the packet has {size} bytes, this axis takes at most {limit}; send fewer or smaller files"
    return Outcome(fate=Fate.NEVER, code="too-large", detail=detail)


def _unroutable(route: str) -> Outcome:
    return Outcome(fate=Fate.NEVER, code="unroutable", detail=f"{route} is not connected to the axis")


def _poison_reason(deliveries: int) -> str:
    return f"delivered {deliveries} times and never settled"


def _dead(row: sqlite3.Row) -> DeadParcel:
    id, recipient, packet_id, kind, sender, lane, digest, size, deliveries, dead_at, reason = row
    return DeadParcel(
        id=str(id),
        recipient=recipient,
        packet_id=packet_id,
        kind=kind,
        sender=sender,
        lane=_LANES[lane],
        digest=Digest(digest),
        size=size,
        deliveries=deliveries,
        dead_at=datetime.fromtimestamp(dead_at, UTC),
        reason=reason,
    )


def _not_dead(id: str) -> NotFound:
    return NotFound(f"no parcel {id!r} on the dead list of the embedded axis; list it again")
