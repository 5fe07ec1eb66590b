"""The node's database as a whole: units of work for one agency, and what workers need of every agency. In: a URL and a
clock. Out: units of work on SQLite or PostgreSQL, by the same code.

Each unit of work is measured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel import col

from gateway import errors, meters
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.certificates import KeyEnd, PendingRevocation
from gateway.domain.event import Event, EventKind
from gateway.domain.hold import Hold
from gateway.domain.pace import ordinary_places
from gateway.domain.queues import InboxPacket, Job, Lease, LeasedInbox, LeasedOutbox, OutboxItem
from gateway.errors import StoreFailure
from gateway.ports.services import Clock
from gateway.store import api_calls, events, holds, inbox, jobs, leases, migrate, outbox, uploads
from gateway.store.accounts import HostedAccounts
from gateway.store.api_calls import SqlApiCalls
from gateway.store.batch import SharedUnits
from gateway.store.calendar import SqlCalendarDays
from gateway.store.due_work import Signs, SignsAsOf, look_for_signs
from gateway.store.engine import AS_SHIPPED, EngineRole, ServerLimits, close_engine, open_engine
from gateway.store.history import SqlHistory
from gateway.store.leases import HeldRows
from gateway.store.log import SqlEventLog
from gateway.store.memory import Memory
from gateway.store.people import SqlKeyEnds, claim_notice
from gateway.store.plans import Growth
from gateway.store.repository import MakeFollower, follow_nothing
from gateway.store.revocation import SqlRevocationAnswers
from gateway.store.sqlite_file import NearReaders, StoreWriter, WriteAheadLog
from gateway.store.systems import SqlSystemLoads
from gateway.store.tables import EventRow, InboxRow, JobRow, OutboxRow
from gateway.store.tables_office import ListFillRow
from gateway.store.transaction import BoundQuery, Transaction, open_for_query, transaction
from gateway.store.wake import FileWake, ServerWake
from gateway.store.webhooks import SqlWebhooks
from gateway.store.work import SqlWork

T = TypeVar("T")
W = TypeVar("W", covariant=True)
L = TypeVar("L", Job, LeasedOutbox, LeasedInbox)


class Measured(AbstractAsyncContextManager[W]):
    """Context of a transaction, measured to its end; it yields what `make` makes of that. `kind` is `reading` or
    `writing`. A stale lease or version is no failure of the database."""

    def __init__(
        self, kind: str, unit: AbstractAsyncContextManager[Transaction], make: Callable[[Transaction], W]
    ) -> None:
        self._kind = kind
        self._unit = unit
        self._make = make
        self._began = perf_counter()

    async def __aenter__(self) -> W:
        try:
            transaction = await self._unit.__aenter__()
        except BaseException as error:
            self._end(error)
            raise
        try:
            return self._make(transaction)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            return await self._unit.__aexit__(kind, error, trace)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        meters.TRANSACTION.observe(perf_counter() - self._began, kind=self._kind)
        if isinstance(error, StoreFailure) and not error.permanent:
            meters.STORE_FAILED.add(kind=self._kind)


_TABLES: Mapping[str, leases.AnyClaimable] = {"job": JobRow, "outbox": OutboxRow, "inbox": InboxRow}
_OPEN = {"job": jobs.is_open, "outbox": outbox.is_open, "inbox": inbox.is_open}


def _itself(tx: Transaction) -> Transaction:
    return tx


class SqlStore:
    """All state of the node. `begin` writes (on SQLite one writer at a time), `read` only reads. Open it before use, close
    it at the end. On SQLite, with its one writer, a unit of work inside another of the same task would wait for itself."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        limits: ServerLimits = AS_SHIPPED,
        follows: MakeFollower = follow_nothing,
    ) -> None:
        """Open the engines. `follows` makes the followers that write what depends on changed documents."""
        self._clock = clock
        self._follows = follows
        self._writer = open_engine(url, EngineRole.WRITER, limits)
        self._reader = open_engine(url, EngineRole.READER, limits)
        self._one_writer = self._writer.dialect.name == "sqlite"
        self._group = StoreWriter(self._writer, self._tell_numbered) if self._one_writer else None
        # A server keeps its journal as its own settings say.
        self.journal = (
            WriteAheadLog(Path(self._writer.url.database or ""), self._group.alone) if self._group else None
        )
        self._near = open_engine(url, EngineRole.NEAR_READER, limits) if self._one_writer else self._reader
        self._views = NearReaders(self._near) if self._one_writer else None
        self.wake = (
            # Events on SQLite have their numbers when they are committed, and the writer rings for them.
            FileWake(Path(self._writer.url.database or ""), needless=(events.EVENTS_WRITTEN,))
            if self._group
            else ServerWake(self._writer)
        )
        self._shared = SharedUnits(self.writing, self._work)
        self._shared_views = SharedUnits(
            self.asking, lambda tx, scope: SqlWork(tx, scope, clock), writes=False
        )
        self.numbered = events.EventWaker()
        self.wake.listen(self.numbered.hear)
        self._held = HeldRows()
        self.own_rows = outbox.OwnRows(clock, self._held)
        self._signs: SignsAsOf | None = None
        self._turns = {"outbox": count(), "inbox": count()}
        self.memory = Memory(self._near)
        self.systems = SqlSystemLoads(self.reading)
        self.accounts = HostedAccounts(self.writing, self.reading, clock, self.memory)
        self.calls = SqlApiCalls(self.writing, self.reading)
        self.log = SqlEventLog(self.writing, self.reading, self.viewing_few, self.asking)
        self.revocation = SqlRevocationAnswers(self.writing, self.reading, self.viewing_few)
        self.history = SqlHistory(self.writing, self.reading)
        self.growth = None if self._one_writer else Growth(self._writer)
        self.calendar = SqlCalendarDays(self.writing, self.reading, clock)
        self.webhooks = SqlWebhooks(self.writing, self.reading, self.viewing_few, self.asking, clock)

    @property
    def writer(self) -> AsyncEngine:
        """The one writing engine, for the registry, whose rows lie in the same database."""
        return self._writer

    @property
    def reader(self) -> AsyncEngine:
        return self._reader

    async def open(self) -> None:
        """Raise Misconfigured unless the database has a schema that this version runs on; nothing is changed."""
        await migrate.check(self._writer)

    async def clock_gap(self, now: Callable[[], datetime]) -> timedelta:
        """Return how far ahead of the server's clock the one that `now` reads is; zero on SQLite, which has no clock."""
        if self._one_writer:
            return timedelta()
        async with self.reading() as tx:
            asked_at = now()
            ((server_time,),) = await tx.tuples(select(func.clock_timestamp()))
            answered_at = now()
        theirs: datetime = server_time
        # The server read its clock between our two readings; a slow line is not a wrong clock.
        return min(max(theirs, asked_at), answered_at) - theirs

    async def close(self) -> None:
        """Close the store; open transactions get some seconds to end."""
        await self._shared.close()
        await self._shared_views.close()
        await self.wake.close()
        self.numbered.close()
        await self.memory.close()
        if self._views is not None:
            await self._views.close()
        if self._group is not None:
            await self._group.close()
        for engine in {self._writer, self._reader, self._near}:
            await close_engine(engine)

    def begin(self, scope: AgencyScope) -> AbstractAsyncContextManager[SqlWork]:
        return self._writing(partial(self._work, scope=scope))

    def _work(self, tx: Transaction, scope: AgencyScope) -> SqlWork:
        return SqlWork(tx, scope, self._clock, self._follows(tx, scope.agency_id))

    def share(
        self, scope: AgencyScope, body: Callable[[SqlWork], Awaitable[T]], *, patience_s: float = 0.0
    ) -> Coroutine[Any, Any, T]:
        """Run `body` in a unit of work that may be committed with others; return its result when it is on disk. The body
        does not commit, may be called a second time, alone, and sets no `asyncio.timeout`, which would end the task of all
        that share. `patience_s`: how long the unit may wait for another one to go with."""
        return self._shared.run(scope, body, patience_s)

    def read(self, scope: AgencyScope) -> AbstractAsyncContextManager[SqlWork]:
        """Open one consistent view; a write in it raises StoreFailure."""
        return self._looking(lambda tx: SqlWork(tx, scope, self._clock))

    def ask(self, scope: AgencyScope) -> AbstractAsyncContextManager[SqlWork]:
        """Open a view for one query: a second query is of a later moment."""
        return self._asking(lambda tx: SqlWork(tx, scope, self._clock))

    def share_view(
        self, scope: AgencyScope, body: Callable[[SqlWork], Awaitable[T]]
    ) -> Coroutine[Any, Any, T]:
        """Run `body` in a view as of `ask`, shared with others; return its result. It may be called a second time."""
        return self._shared_views.run(scope, body)

    def writing(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction for no agency in particular: for the node's own tables, inside this package."""
        return self._writing(_itself)

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        return Measured("reading", transaction(self._reader), _itself)

    def viewing_few(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a view for few rows."""
        return self._looking(_itself)

    def asking(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a view for one query of few rows."""
        return self._asking(_itself)

    def _writing(self, make: Callable[[Transaction], W]) -> Measured[W]:
        unit = transaction(self._writer, shared=True) if self._group is None else self._group.unit()
        return Measured("writing", unit, make)

    def _looking(self, make: Callable[[Transaction], W]) -> Measured[W]:
        return Measured("reading", self._views.view() if self._views else transaction(self._reader), make)

    def _asking(self, make: Callable[[Transaction], W]) -> Measured[W]:
        return Measured("reading", self._views.view() if self._views else open_for_query(self._reader), make)

    async def claim_jobs(self, kind: str, limit: int, lease_s: float) -> Sequence[Job]:
        """Claim due rows without a lease, of every hosted agency; oldest first. Durable on return."""
        return await self._claim(
            lambda tx: jobs.claim(tx, self._clock, kind, limit, lease_s),
            partial(jobs.any_due, lease_s=lease_s, kind=kind),
        )

    async def claim_outbox(self, limit: int, lease_s: float) -> Sequence[LeasedOutbox]:
        """Claim due rows without a lease, urgent lane first."""
        return await self._claim(
            lambda tx: outbox.claim(tx, self._clock, limit, lease_s, self._ordinary("outbox", limit)),
            None if self.wake.has_made("dispatcher") else partial(outbox.any_due, lease_s=lease_s),
        )

    async def claim_inbox(self, limit: int, lease_s: float) -> Sequence[LeasedInbox]:
        """Claim landed rows without a lease, urgent lane first, oldest first."""
        return await self._claim(
            lambda tx: inbox.claim(tx, self._clock, limit, lease_s, self._ordinary("inbox", limit)),
            partial(inbox.any_due, lease_s=lease_s),
        )

    def _ordinary(self, queue: str, limit: int) -> int:
        return ordinary_places(limit, next(self._turns[queue]))

    async def _claim(
        self,
        claim: Callable[[Transaction], Awaitable[list[L]]],
        any_due: Callable[[datetime], BoundQuery] | None,
    ) -> list[L]:
        """Claim rows, after a look unless this process has just made the work: mostly no row is due, and a claim is a
        transaction that holds up SQLite's one writer."""
        if any_due is not None:
            query, values = any_due(self._clock.now())
            async with self.asking() as tx:
                if not await tx.tuples(query, **values):
                    return []
        async with self.writing() as tx:
            rows = await claim(tx)
            if rows:
                self._held.add((row.lease for row in rows), self._clock.now())
                await tx.commit()
        return rows

    async def renew(self, table: str, lease: Lease, lease_s: float) -> Lease:
        """Extend a lease; StaleLease when it is no longer ours. `table`: `job`, `outbox` or `inbox`."""
        if table not in _TABLES:
            raise errors.NotFound(f"no leases are held in {table!r}; it is one of {', '.join(_TABLES)}")
        ends_at = self._clock.now() + timedelta(seconds=lease_s)
        async with self.writing() as tx:
            renewed = await leases.renew(tx, _TABLES[table], _OPEN[table](), lease, ends_at)
            self._held.add((renewed,), self._clock.now())
            await tx.commit()
        return renewed

    async def release_leases(self, cut: Callable[[], None] = lambda: None) -> None:
        """Release every lease of this process when it stops, tries counted; results that still come are discarded as
        stale. `cut` ends the work under way, called while no transaction of it is half done."""
        async with self.writing() as tx:
            # No other unit is writing now: SQLite's driver may leave the lock behind when it is cancelled in a write.
            cut()
            tokens = self._held.tokens()
            for name, table in _TABLES.items():
                await leases.release_rows(tx, table, _OPEN[name](), tokens)
            await tx.commit()

    async def overdue_waiting(self, received_before: datetime, limit: int) -> Sequence[InboxPacket]:
        """Return waiting packets of every agency that were received before that time."""
        async with self.reading() as tx:
            return await inbox.overdue_waiting(tx, received_before, limit)

    async def pending_revocations(
        self, last_place: tuple[str, str], limit: int
    ) -> Sequence[PendingRevocation]:
        """Return packets whose certificate has an unknown status (K4, revocation), by agency and packet, after a place."""
        return await self.revocation.pending(last_place, limit)

    async def key_ends(self, agency_code: str) -> Sequence[KeyEnd]:
        """Return those of the agency's keys that sign nothing from some moment on."""

        async def read(connection: AsyncConnection) -> Sequence[KeyEnd]:
            return await SqlKeyEnds(Transaction(connection, shared=False)).of_agency(agency_code)

        return list(await self.memory.ask(("key_ends", agency_code), read))

    async def signed_under(self, fingerprint: str, since: datetime, limit: int) -> Sequence[OutboxItem]:
        """Return envelopes put into the outbox since then and signed under that certificate; oldest first."""
        async with self.reading() as tx:
            return await outbox.signed_under(tx, fingerprint, since, limit)

    async def record_key_expiring(self, fingerprint: str, days: int, facts: Mapping[str, object]) -> bool:
        """Record once, as an event, that a certificate has so many days left or fewer; False when it was before."""
        now, subject = self._clock.now(), f"key:{fingerprint}"
        async with self.writing() as tx:
            if not await claim_notice(tx, fingerprint, days, now):
                return False
            scope = AgencyScope(agency_id=events.NODE, principal_id="node")
            node_events = events.SqlEvents(tx, scope, self._clock)
            await node_events.append(
                EventKind.KEY_EXPIRING, subject, now, {"fingerprint": fingerprint, "days": days, **facts}
            )
            await tx.commit()
        return True

    async def unproved_bytes(self) -> int:
        """Return the size of all quarantined packets without a proved sender, of every agency."""
        async with self.viewing_few() as tx:
            return await inbox.unproved_bytes(tx)

    async def oldest_unproved(self, limit: int) -> Sequence[InboxPacket]:
        """Return those packets, oldest first."""
        async with self.reading() as tx:
            return await inbox.oldest_unproved(tx, limit)

    async def unsettled_holds(self) -> Sequence[Hold]:
        """Return the sealed holds of every agency whose bytes are yet to be deleted; oldest first."""
        async with self.viewing_few() as tx:
            return await holds.unsettled(tx)

    async def open_holds(self) -> Mapping[str, int]:
        """Count the open sealed holds of every agency, by state."""
        async with self.reading() as tx:
            return await holds.count_open(tx)

    async def signs(self, lease_s: float, kinds: Collection[str]) -> Signs:
        """Return the workers that have something due now; `lease_s` and `kinds` of jobs as in their claims. The SQLite
        file is read only when something was committed since the last look, or a time has come."""
        now, version = self._clock.now(), await self.memory.version()
        version = None if version is None else (version, lease_s, *kinds)
        if self._signs is None or not self._signs.hold(now, version):
            registry = await self.memory.tokens()
            async with self.asking() as tx:
                self._signs = await look_for_signs(tx, now, lease_s, kinds, version, registry)
        return self._signs.signs

    async def number_events(self, limit: int = 500) -> int:
        """Give dense numbers to committed events (node and agency sequence); return how many. Only one caller at a time
        works."""
        if self._group is None:
            numbered = await events.number_on_server(self._writer, limit)
            if numbered:
                self._tell_numbered()
            return numbered
        query, values = events.ANY_UNNUMBERED
        async with self.asking() as tx:
            if not await tx.tuples(query, **values):
                return 0
        async with self.writing() as tx:  # the unit rings by itself
            numbered = await events.number_on_sqlite(tx, limit)
            await tx.commit()
        return numbered

    def _tell_numbered(self) -> None:
        self.wake.ring(events.NUMBERED)

    async def events_after(self, agency_id: str | None, after_seq: int, limit: int) -> Sequence[Event]:
        """Return numbered events, in order: of one agency by its own sequence, or of the whole node."""
        async with self.viewing_few() as tx:
            return await events.load_after(tx, agency_id, after_seq, limit)

    async def wait_events(self, timeout_s: float) -> None:
        """Wait until this process may have numbered new events, at most for that time."""
        self.wake.start()
        await self.numbered.wait(timeout_s)

    async def hosted(self) -> Sequence[HostedAgency]:
        return await self.accounts.hosted()

    async def counts(self) -> Mapping[str, int]:
        """Count rows by state: `outbox.waiting`, `inbox.quarantined`, `job.waiting`, …; none that ended."""
        async with self.reading() as tx:
            by_state = await leases.count_by_state(tx, OutboxRow) | await leases.count_by_state(tx, InboxRow)
            waiting = await tx.tuples(select(func.count()).select_from(JobRow).where(jobs.is_open()))
            unnumbered = select(func.count()).select_from(EventRow).where(col(EventRow.node_seq).is_(None))
            fresh = await tx.tuples(unnumbered)
        return by_state | {"job.waiting": waiting[0][0], "event.unnumbered": fresh[0][0]}

    async def begin_work(self) -> None:
        """Prepare for changes of documents: without a follower the list rows become stale, and are filled anew later."""
        if self._follows is not follow_nothing:
            return
        async with self.viewing_few() as tx:
            if not await tx.rows(ListFillRow, select(ListFillRow).limit(1)):
                return
        async with self.writing() as tx:
            await tx.change(delete(ListFillRow))
            await tx.commit()

    async def purge_idempotency(self, used_before: datetime) -> int:
        """Delete idempotency keys first used before that time; return how many. `external_id` still guards."""
        async with self.writing() as tx:
            purged = await api_calls.forget_idempotency_keys(tx, used_before)
            await tx.commit()
        return purged

    async def forget_uploads(self, now: datetime) -> int:
        """Delete expired uploads of every agency; return how many."""
        async with self.writing() as tx:
            forgotten = await uploads.forget(tx, now)
            await tx.commit()
        return forgotten
