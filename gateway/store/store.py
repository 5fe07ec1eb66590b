"""The node's database as a whole: units of work for one agency, and what workers ask for every agency. In: a URL and a
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
from gateway.store.people import SqlKeyEnds, first_notice
from gateway.store.plans import Growth
from gateway.store.repository import Follows, nobody
from gateway.store.revocation import SqlRevocationAnswers
from gateway.store.sqlite_file import NearReaders, StoreWriter, WriteAheadLog
from gateway.store.systems import SqlSystemLoads
from gateway.store.tables import EventRow, InboxRow, JobRow, OutboxRow
from gateway.store.tables_office import ListFillRow
from gateway.store.transaction import Asked, Transaction, question, transaction
from gateway.store.wake import FileWake, ServerWake
from gateway.store.webhooks import SqlWebhooks
from gateway.store.work import SqlWork

T = TypeVar("T")
W = TypeVar("W", covariant=True)
L = TypeVar("L", Job, LeasedOutbox, LeasedInbox)


class Measured(AbstractAsyncContextManager[W]):
    """What is made of a transaction, for as long as that is open. `kind` is `reading` or `writing`. A lease or a version
    that is stale is no failure of the database."""

    def __init__(
        self, kind: str, unit: AbstractAsyncContextManager[Transaction], made: Callable[[Transaction], W]
    ) -> None:
        self._kind = kind
        self._unit = unit
        self._made = made
        self._began = perf_counter()

    async def __aenter__(self) -> W:
        try:
            transaction = await self._unit.__aenter__()
        except BaseException as error:
            self._end(error)
            raise
        try:
            return self._made(transaction)
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
        meters.TRANSACTION.took(perf_counter() - self._began, kind=self._kind)
        if isinstance(error, StoreFailure) and not error.permanent:
            meters.STORE_FAILED.add(kind=self._kind)


_TABLES: Mapping[str, leases.AnyClaimable] = {"job": JobRow, "outbox": OutboxRow, "inbox": InboxRow}
_OPEN = {"job": jobs.is_open, "outbox": outbox.is_open, "inbox": inbox.is_open}


def _itself(tx: Transaction) -> Transaction:
    return tx


class SqlStore:
    """All state of the node. `begin` writes (on SQLite one writer at a time), `read` only reads. Open it before use, close
    it at the end; a unit of work inside another one of the same task would wait for itself on SQLite, which has one
    writer."""

    def __init__(
        self, url: str, clock: Clock, limits: ServerLimits = AS_SHIPPED, follows: Follows = nobody
    ) -> None:
        """`follows`: who writes what hangs on the documents that a unit of work changed."""
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
            # Its events have their numbers when they are committed, and its writer rings for these.
            FileWake(Path(self._writer.url.database or ""), needless=(events.WRITTEN,))
            if self._group
            else ServerWake(self._writer)
        )
        self._shared = SharedUnits(self.writing, self._work)
        self._shared_views = SharedUnits(
            self.asking, lambda tx, scope: SqlWork(tx, scope, clock), writes=False
        )
        self.numbered = events.EventWaker()
        self.wake.listen(self.numbered.heard)
        self._held = HeldRows()
        self.own_rows = outbox.OwnRows(clock, self._held)
        self._signs: SignsAsOf | None = None
        self._turns = {"outbox": count(), "inbox": count()}
        self.memory = Memory(self._near)
        self.systems = SqlSystemLoads(self.reading)
        self.accounts = HostedAccounts(self.writing, self.reading, clock, self.memory)
        self.calls = SqlApiCalls(self.writing, self.reading)
        self.log = SqlEventLog(self.writing, self.reading, self.looking, self.asking)
        self.revocation = SqlRevocationAnswers(self.writing, self.reading, self.looking)
        self.history = SqlHistory(self.writing, self.reading)
        self.growth = None if self._one_writer else Growth(self._writer)
        self.calendar = SqlCalendarDays(self.writing, self.reading, clock)
        self.webhooks = SqlWebhooks(self.writing, self.reading, self.looking, self.asking, clock)

    @property
    def writer(self) -> AsyncEngine:
        """The one writing engine, for the registry, whose rows lie in the same database."""
        return self._writer

    @property
    def reader(self) -> AsyncEngine:
        return self._reader

    async def open(self) -> None:
        """Misconfigured unless the database has a schema that this version runs on; changes nothing."""
        await migrate.check(self._writer)

    async def clock_gap(self, now: Callable[[], datetime]) -> timedelta:
        """How far ahead of the server's clock the one that `now` reads is; none on SQLite, which has no clock."""
        if self._one_writer:
            return timedelta()
        async with self.reading() as tx:
            asked = now()
            ((told,),) = await tx.tuples(select(func.clock_timestamp()))
            answered = now()
        theirs: datetime = told
        # Somewhere between asking and the answer; a slow line is not a wrong clock.
        return min(max(theirs, asked), answered) - theirs

    async def close(self) -> None:
        """Waits some seconds for who still reads or writes."""
        await self._shared.close()
        await self._shared_views.close()
        await self.wake.close()
        self.numbered.close()
        await self.memory.close()
        if self._views is not None:
            await self._views.close()
        if self._group is not None:
            await self._group.close()
        for each in {self._writer, self._reader, self._near}:
            await close_engine(each)

    def begin(self, scope: AgencyScope) -> AbstractAsyncContextManager[SqlWork]:
        return self._writing(partial(self._work, scope=scope))

    def _work(self, tx: Transaction, scope: AgencyScope) -> SqlWork:
        return SqlWork(tx, scope, self._clock, self._follows(tx, scope.agency_id))

    def share(
        self, scope: AgencyScope, body: Callable[[SqlWork], Awaitable[T]], *, patience_s: float = 0.0
    ) -> Coroutine[Any, Any, T]:
        """A unit of work that may be committed with others: what `body` gives, when it is on disk. It does not commit, and
        may be called a second time, alone; and sets no `asyncio.timeout`, which would end the task of all who share.
        `patience_s`: so long it may wait for another unit to go with, because nobody waits for what it writes."""
        return self._shared.run(scope, body, patience_s)

    def read(self, scope: AgencyScope) -> AbstractAsyncContextManager[SqlWork]:
        """One consistent view; StoreFailure for whoever writes in it."""
        return self._looking(lambda tx: SqlWork(tx, scope, self._clock))

    def ask(self, scope: AgencyScope) -> AbstractAsyncContextManager[SqlWork]:
        """As `read`, for one question: what is asked after it is of a later moment."""
        return self._asking(lambda tx: SqlWork(tx, scope, self._clock))

    def share_view(
        self, scope: AgencyScope, body: Callable[[SqlWork], Awaitable[T]]
    ) -> Coroutine[Any, Any, T]:
        """As `ask`, with others who ask at the same time: what `body` gives, which may be called a second time."""
        return self._shared_views.run(scope, body)

    def writing(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction for no agency in particular: for the node's own tables, inside this package."""
        return self._writing(_itself)

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        return Measured("reading", transaction(self._reader), _itself)

    def looking(self) -> AbstractAsyncContextManager[Transaction]:
        """For few rows."""
        return self._looking(_itself)

    def asking(self) -> AbstractAsyncContextManager[Transaction]:
        """For one question about few rows."""
        return self._asking(_itself)

    def _writing(self, made: Callable[[Transaction], W]) -> Measured[W]:
        unit = transaction(self._writer, shared=True) if self._group is None else self._group.unit()
        return Measured("writing", unit, made)

    def _looking(self, made: Callable[[Transaction], W]) -> Measured[W]:
        return Measured("reading", self._views.view() if self._views else transaction(self._reader), made)

    def _asking(self, made: Callable[[Transaction], W]) -> Measured[W]:
        return Measured("reading", self._views.view() if self._views else question(self._reader), made)

    async def claim_jobs(self, kind: str, limit: int, lease_s: float) -> Sequence[Job]:
        """Due rows nobody holds, of every hosted agency; oldest first. Durable on return."""
        return await self._claimed(
            lambda tx: jobs.claim(tx, self._clock, kind, limit, lease_s),
            partial(jobs.any_due, lease_s=lease_s, kind=kind),
        )

    async def claim_outbox(self, limit: int, lease_s: float) -> Sequence[LeasedOutbox]:
        """Due rows nobody holds, urgent lane first."""
        return await self._claimed(
            lambda tx: outbox.claim(tx, self._clock, limit, lease_s, self._ordinary("outbox", limit)),
            None if self.wake.has_made("dispatcher") else partial(outbox.any_due, lease_s=lease_s),
        )

    async def claim_inbox(self, limit: int, lease_s: float) -> Sequence[LeasedInbox]:
        """Landed rows nobody holds, urgent lane first, oldest first."""
        return await self._claimed(
            lambda tx: inbox.claim(tx, self._clock, limit, lease_s, self._ordinary("inbox", limit)),
            partial(inbox.any_due, lease_s=lease_s),
        )

    def _ordinary(self, queue: str, limit: int) -> int:
        return ordinary_places(limit, next(self._turns[queue]))

    async def _claimed(
        self,
        claim: Callable[[Transaction], Awaitable[list[L]]],
        any_due: Callable[[datetime], Asked] | None,
    ) -> list[L]:
        """Looks first where nobody here has just made the work: mostly there is nothing, and a claim is a transaction for
        which SQLite's one writer is held up."""
        if any_due is not None:
            query, values = any_due(self._clock.now())
            async with self.asking() as tx:
                if not await tx.tuples(query, **values):
                    return []
        async with self.writing() as tx:
            found = await claim(tx)
            if found:
                self._held.took((each.lease for each in found), self._clock.now())
                await tx.commit()
        return found

    async def renew(self, table: str, lease: Lease, lease_s: float) -> Lease:
        """A longer lease; StaleLease when it is no longer ours. `table`: `job`, `outbox` or `inbox`."""
        if table not in _TABLES:
            raise errors.NotFound(f"no leases are held in {table!r}; it is one of {', '.join(_TABLES)}")
        until = self._clock.now() + timedelta(seconds=lease_s)
        async with self.writing() as tx:
            renewed = await leases.renew(tx, _TABLES[table], _OPEN[table](), lease, until)
            self._held.took((renewed,), self._clock.now())
            await tx.commit()
        return renewed

    async def let_go(self, cut: Callable[[], None] = lambda: None) -> None:
        """What this process still holds is due again at once, its tries counted. For a process that goes: whatever of it is
        still at work is discarded as stale. `cut` ends that work, called while no transaction of it is half done."""
        async with self.writing() as tx:
            # Nobody else is in the middle of writing now: SQLite's driver may leave the lock behind when it is cut there.
            cut()
            tokens = self._held.tokens()
            for name, table in _TABLES.items():
                await leases.let_go(tx, table, _OPEN[name](), tokens)
            await tx.commit()

    async def overdue_waiting(self, before: datetime, limit: int) -> Sequence[InboxPacket]:
        """Waiting packets received before that time, of every agency."""
        async with self.reading() as tx:
            return await inbox.overdue_waiting(tx, before, limit)

    async def pending_revocations(self, after: tuple[str, str], limit: int) -> Sequence[PendingRevocation]:
        """Packets of every agency that wait to hear of their certificate (K4), by agency and packet, after that place."""
        return await self.revocation.pending(after, limit)

    async def key_ends(self, agency_code: str) -> Sequence[KeyEnd]:
        """Of the agency's keys that sign nothing from some moment on."""

        async def read(connection: AsyncConnection) -> Sequence[KeyEnd]:
            return await SqlKeyEnds(Transaction(connection, shared=False)).of(agency_code)

        return list(await self.memory.ask(("key_ends", agency_code), read))

    async def signed_under(self, fingerprint: str, since: datetime, limit: int) -> Sequence[OutboxItem]:
        """Envelopes that were put into the outbox since then, signed under that certificate; oldest first."""
        async with self.reading() as tx:
            return await outbox.signed_under(tx, fingerprint, since, limit)

    async def tell_key_expiring(self, fingerprint: str, days: int, data: Mapping[str, object]) -> bool:
        """Tells once, by an event of the node, that a certificate has so many days left or fewer; False when that was told
        before."""
        now, subject = self._clock.now(), f"key:{fingerprint}"
        async with self.writing() as tx:
            if not await first_notice(tx, fingerprint, days, now):
                return False
            scope = AgencyScope(agency_id=events.NODE, principal_id="node")
            told = events.SqlEvents(tx, scope, self._clock)
            await told.append(
                EventKind.KEY_EXPIRING, subject, now, {"fingerprint": fingerprint, "days": days, **data}
            )
            await tx.commit()
        return True

    async def unproved_bytes(self) -> int:
        """Size of all packets in quarantine of which no sender is proved, of every agency."""
        async with self.looking() as tx:
            return await inbox.unproved_bytes(tx)

    async def oldest_unproved(self, limit: int) -> Sequence[InboxPacket]:
        """Those packets, oldest first."""
        async with self.reading() as tx:
            return await inbox.oldest_unproved(tx, limit)

    async def unsettled_holds(self) -> Sequence[Hold]:
        """Sealed holds of every agency of which bytes that must go may still be there; oldest first."""
        async with self.looking() as tx:
            return await holds.unsettled(tx)

    async def open_holds(self) -> Mapping[str, int]:
        """How many sealed holds are open, of every agency, by state."""
        async with self.reading() as tx:
            return await holds.count_open(tx)

    async def signs(self, lease_s: float, kinds: Collection[str]) -> Signs:
        """For whom something is due now; `lease_s` and `kinds` of jobs as they claim with. Nothing is asked while nobody
        wrote to the SQLite file since the last look, and no time has come."""
        now, version = self._clock.now(), await self.memory.version()
        version = None if version is None else (version, lease_s, *kinds)
        if self._signs is None or not self._signs.hold(now, version):
            registry = await self.memory.tokens()
            async with self.asking() as tx:
                self._signs = await look_for_signs(tx, now, lease_s, kinds, version, registry)
        return self._signs.signs

    async def number_events(self, limit: int = 500) -> int:
        """Numbers committed events densely (node and agency sequence); how many. Only one caller at a time works."""
        if self._group is None:
            numbered = await events.number_on_server(self._writer, limit)
            if numbered:
                self._tell_numbered()
            return numbered
        query, values = events.ANY_UNNUMBERED
        async with self.asking() as tx:
            if not await tx.tuples(query, **values):
                return 0
        async with self.writing() as tx:  # the unit itself rings
            numbered = await events.number_here(tx, limit)
            await tx.commit()
        return numbered

    def _tell_numbered(self) -> None:
        self.wake.ring(events.NUMBERED)

    async def events_after(self, agency_id: str | None, after_seq: int, limit: int) -> Sequence[Event]:
        """Numbered events, in order: of one agency by its own sequence, or of the whole node."""
        async with self.looking() as tx:
            return await events.after(tx, agency_id, after_seq, limit)

    async def wait_events(self, timeout_s: float) -> None:
        """Returns when new events may have been numbered by this process, or after the time."""
        self.wake.start()
        await self.numbered.wait(timeout_s)

    async def hosted(self) -> Sequence[HostedAgency]:
        return await self.accounts.hosted()

    async def counts(self) -> Mapping[str, int]:
        """Rows by state for status pages: `outbox.waiting`, `inbox.quarantined`, `job.waiting`, …; none that ended."""
        async with self.reading() as tx:
            by_state = await leases.count_by_state(tx, OutboxRow) | await leases.count_by_state(tx, InboxRow)
            waiting = await tx.tuples(select(func.count()).select_from(JobRow).where(jobs.is_open()))
            unnumbered = select(func.count()).select_from(EventRow).where(col(EventRow.node_seq).is_(None))
            fresh = await tx.tuples(unnumbered)
        return by_state | {"job.waiting": waiting[0][0], "event.unnumbered": fresh[0][0]}

    async def begin_work(self) -> None:
        """Documents change from now on. Where nobody follows them, who does so later has to begin anew."""
        if self._follows is not nobody:
            return
        async with self.looking() as tx:
            if not await tx.rows(ListFillRow, select(ListFillRow).limit(1)):
                return
        async with self.writing() as tx:
            await tx.change(delete(ListFillRow))
            await tx.commit()

    async def purge_idempotency(self, before: datetime) -> int:
        """Forgets idempotency keys first used before that time, of every agency; how many. `external_id` goes on to
        guard."""
        async with self.writing() as tx:
            purged = await api_calls.forget_idempotency_keys(tx, before)
            await tx.commit()
        return purged

    async def forget_uploads(self, now: datetime) -> int:
        """Lets go of uploads whose time is up, of every agency; how many."""
        async with self.writing() as tx:
            forgotten = await uploads.forget(tx, now)
            await tx.commit()
        return forgotten
