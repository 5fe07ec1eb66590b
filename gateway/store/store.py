"""The node's database as a whole: units of work for one agency, and queries of workers over all agencies. In: a URL and a
clock. Out: units of work on SQLite or PostgreSQL, by the same code; the duration of each is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel import col

from gateway import errors, meters, time_source
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.event import Event, EventKind
from gateway.domain.pace import ordinary_places
from gateway.domain.queues import InboxPacket, Job, Lease, LeasedInbox, LeasedOutbox, OutboxItem
from gateway.domain.registry import fold_code
from gateway.errors import StoreFailure
from gateway.ports.services import Clock
from gateway.store import events, inbox, jobs, leases, migrate, outbox, outgoing
from gateway.store.accounts import HostedAccounts
from gateway.store.batch import SharedUnits
from gateway.store.calendar import SqlCalendarDays
from gateway.store.engine import AS_SHIPPED, EngineRole, ServerLimits, close_engine, open_engine
from gateway.store.leases import HeldRows
from gateway.store.memory import Memory
from gateway.store.plans import Growth
from gateway.store.repository import MakeFollower, Part, count_by, follow_nothing
from gateway.store.sqlite_file import NearReaders, StoreWriter, WriteAheadLog
from gateway.store.tables import HoldRow, IdempotencyRow, InboxRow, JobRow, OutboxRow
from gateway.store.tables_node import EventRow
from gateway.store.tables_office import ListFillRow
from gateway.store.tables_records import DestructionRow
from gateway.store.transaction import BoundQuery, Transaction, open_for_query, transaction
from gateway.store.wake import FileWake, ServerWake
from gateway.store.work import SqlWork

if TYPE_CHECKING:
    from gateway.domain.certificates import KeyEnd, PendingRevocation
    from gateway.domain.hold import Hold
    from gateway.store.api_calls import SqlApiCalls
    from gateway.store.due_work import Signs, SignsAsOf
    from gateway.store.history import SqlHistory
    from gateway.store.log import SqlEventLog
    from gateway.store.pdf_answers import SqlPdfAnswers
    from gateway.store.readings import FurtherReadings
    from gateway.store.revocation import SqlRevocationAnswers
    from gateway.store.systems import SqlSystemLoads
    from gateway.store.webhooks import SqlWebhooks

T = TypeVar("T")
W = TypeVar("W", bound=Transaction | SqlWork, covariant=True)
L = TypeVar("L", Job, LeasedOutbox, LeasedInbox)


class Measured(AbstractAsyncContextManager[W]):
    """Context of a transaction whose duration and failure are recorded as metrics; it yields `make` of the transaction.
    `kind` is `reading` or `writing`. With `commits` it commits when it ends without an error. Permanent errors, such as a
    stale lease, are no failures of the database."""

    def __init__(
        self,
        kind: str,
        unit: AbstractAsyncContextManager[Transaction],
        make: Callable[[Transaction], W],
        *,
        commits: bool = False,
    ) -> None:
        self._kind = kind
        self._unit = unit
        self._make = make
        self._commits = commits
        self._began = time_source.monotonic()

    async def __aenter__(self) -> W:
        try:
            transaction = await self._unit.__aenter__()
        except BaseException as error:
            self._end(error)
            raise
        try:
            self._work = self._make(transaction)
            return self._work
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            if self._commits and kind is None:
                await self._commit()
            return await self._unit.__aexit__(kind, error, trace)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._end(error)

    async def _commit(self) -> None:
        try:
            await self._work.commit()
        except BaseException as error:
            await self._unit.__aexit__(type(error), error, error.__traceback__)
            raise

    def _end(self, error: BaseException | None) -> None:
        meters.TRANSACTION.observe(time_source.monotonic() - self._began, kind=self._kind)
        if isinstance(error, StoreFailure) and not error.permanent:
            meters.STORE_FAILED.add(kind=self._kind)


_TABLES: Mapping[str, leases.AnyClaimable] = {"job": JobRow, "outbox": OutboxRow, "inbox": InboxRow}
_DESTRUCTIONS_DUE = select(col(DestructionRow.agency_id), col(DestructionRow.id)).where(
    text("state IN ('confirmed', 'running')")
)
_OPEN = {"job": jobs.is_open, "outbox": outbox.is_open, "inbox": inbox.is_open}


def _itself(tx: Transaction) -> Transaction:
    return tx


class SqlStore:
    """Store of all state of the node; open it before use, and close it at the end. `begin` opens a unit of work that
    writes, `read` one that only reads. SQLite has one writer, so never begin a unit of work inside another: it would wait
    for itself."""

    calls: Part[SqlApiCalls] = Part("gateway.store.api_calls:SqlApiCalls")
    history: Part[SqlHistory] = Part("gateway.store.history:SqlHistory")
    log: Part[SqlEventLog] = Part("gateway.store.log:SqlEventLog", 4)
    pdf_answers: Part[SqlPdfAnswers] = Part("gateway.store.pdf_answers:SqlPdfAnswers")
    revocation: Part[SqlRevocationAnswers] = Part("gateway.store.revocation:SqlRevocationAnswers", 3)
    systems: Part[SqlSystemLoads] = Part("gateway.store.systems:SqlSystemLoads")
    webhooks: Part[SqlWebhooks] = Part("gateway.store.webhooks:SqlWebhooks", 5)

    def __init__(
        self,
        url: str,
        clock: Clock,
        limits: ServerLimits = AS_SHIPPED,
        follows: MakeFollower = follow_nothing,
    ) -> None:
        """Create the engines and the parts of the store. `follows` makes the follower of each unit of work, which writes
        the rows that depend on changed documents."""
        self._clock = clock
        self._follows = follows
        self.arguments = (self.writing, self.reading, self.viewing_few, self.asking, clock)
        self._writer = open_engine(url, EngineRole.WRITER, limits)
        self._reader = open_engine(url, EngineRole.READER, limits)
        self._one_writer = self._writer.dialect.name == "sqlite"
        self._group = StoreWriter(self._writer, self._tell_numbered) if self._one_writer else None
        # Only on SQLite: a server manages its write-ahead log by its own settings.
        self.journal = (
            WriteAheadLog(Path(self._writer.url.database or ""), self._group.alone) if self._group else None
        )
        self._near = open_engine(url, EngineRole.NEAR_READER, limits) if self._one_writer else self._reader
        self._views = NearReaders(self._near) if self._one_writer else None
        self.wake = (
            # On SQLite events are numbered when they are committed, and the writer itself rings `NUMBERED` for them.
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
        self.accounts = HostedAccounts(self.writing, self.reading, clock, self.memory)
        self.calendar = SqlCalendarDays(self.writing, self.asking, clock)
        self.growth = None if self._one_writer else Growth(self._writer)

    @property
    def writer(self) -> AsyncEngine:
        """The one writing engine, for the registry, whose rows are in the same database."""
        return self._writer

    @property
    def reader(self) -> AsyncEngine:
        return self._reader

    async def open(self) -> None:
        """Check that the database has a schema that this version runs on, without changing it; Misconfigured otherwise."""
        await migrate.check(self._writer)

    async def clock_gap(self, now: Callable[[], datetime]) -> timedelta:
        """Return how far the clock of `now` is ahead of the database server's; zero on SQLite, which has no server."""
        if self._one_writer:
            return timedelta()
        async with self.reading() as tx:
            asked_at = now()
            ((server_time,),) = await tx.tuples(select(func.clock_timestamp()))
            answered_at = now()
        theirs: datetime = server_time
        # The server read its clock between our two readings, so a gap within that interval is not counted.
        return min(max(theirs, asked_at), answered_at) - theirs

    async def close(self) -> None:
        """Close the store: end the shared units, stop its helpers, and give open transactions some seconds to end."""
        await self._shared.close()
        await self._shared_views.close()
        await self.wake.close()
        self.numbered.close()
        await self.memory.close()
        if self._views is not None:
            await self._views.close()
        if self._group is not None:
            await self._group.close()
        for engine in dict.fromkeys((self._writer, self._reader, self._near)):
            await close_engine(engine)

    def begin(self, scope: AgencyScope) -> AbstractAsyncContextManager[SqlWork]:
        """Open a unit of work that is undone unless it commits."""
        return self._writing(partial(self._work, scope=scope))

    def changing(self, scope: AgencyScope) -> AbstractAsyncContextManager[SqlWork]:
        """Open a unit of work that is committed when its context ends without an error."""
        return self._writing(partial(self._work, scope=scope), commits=True)

    def _work(self, tx: Transaction, scope: AgencyScope) -> SqlWork:
        return SqlWork(tx, scope, self._clock, self._follows(tx, scope.agency_id))

    def share(
        self, scope: AgencyScope, body: Callable[[SqlWork], Awaitable[T]], *, patience_s: float = 0.0
    ) -> Coroutine[Any, Any, T]:
        """Run `body` in a unit of work that may be committed together with others; return its result once it is committed.
        The body must not commit; it may be called a second time, alone; and it must not use `asyncio.timeout`, which would
        cancel the task of all units that share. `patience_s`: how long the unit may wait for others to share with."""
        return self._shared.run(scope, body, patience_s)

    def read(self, scope: AgencyScope) -> AbstractAsyncContextManager[SqlWork]:
        """Open a unit of work that only reads, from one consistent view; a write in it raises StoreFailure."""
        return self._looking(lambda tx: SqlWork(tx, scope, self._clock))

    def ask(self, scope: AgencyScope) -> AbstractAsyncContextManager[SqlWork]:
        """Open a unit of work for a single query; a second query in it would see a later moment."""
        return self._asking(lambda tx: SqlWork(tx, scope, self._clock))

    def share_view(
        self, scope: AgencyScope, body: Callable[[SqlWork], Awaitable[T]]
    ) -> Coroutine[Any, Any, T]:
        """Run `body` in a unit of work like that of `ask`, which may share queries with others; return its result. The body
        may be called a second time."""
        return self._shared_views.run(scope, body)

    def writing(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a writing transaction without an agency, for the node's own tables; only for this package."""
        return self._writing(_itself)

    def changing_rows(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction as `writing` does; it is committed when its context ends without an error."""
        return self._writing(_itself, commits=True)

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        return Measured("reading", transaction(self._reader), _itself)

    def viewing_few(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction for reading few rows from one consistent view."""
        return self._looking(_itself)

    def asking(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction for one query of few rows."""
        return self._asking(_itself)

    def _writing(self, make: Callable[[Transaction], W], *, commits: bool = False) -> Measured[W]:
        unit = transaction(self._writer, shared=True) if self._group is None else self._group.unit()
        return Measured("writing", unit, make, commits=commits)

    def _looking(self, make: Callable[[Transaction], W]) -> Measured[W]:
        return Measured("reading", self._views.view() if self._views else transaction(self._reader), make)

    def _asking(self, make: Callable[[Transaction], W]) -> Measured[W]:
        return Measured("reading", self._views.view() if self._views else open_for_query(self._reader), make)

    async def claim_jobs(self, kind: str, limit: int, lease_s: float) -> Sequence[Job]:
        """Lease up to `limit` due jobs of this kind, of all hosted agencies, the oldest first. Committed on return."""
        return await self._claim(
            lambda tx: jobs.claim(tx, self._clock, kind, limit, lease_s),
            partial(jobs.any_due, lease_s=lease_s, kind=kind),
        )

    async def claim_outbox(self, limit: int, lease_s: float) -> Sequence[LeasedOutbox]:
        """Lease up to `limit` due outbox rows of all hosted agencies, the urgent lane first. Committed on return."""
        return await self._claim(
            lambda tx: outbox.claim(tx, self._clock, limit, lease_s, self._ordinary("outbox", limit)),
            None if self.wake.has_made("dispatcher") else partial(outbox.any_due, lease_s=lease_s),
        )

    async def hasten_outbox(self, most: int) -> int:
        """Make up to `most` outbox rows due that wait for another attempt; return how many they were."""
        async with self.writing() as tx:
            count = await outbox.hasten(tx, self._clock.now(), most)
            await tx.commit()
        return count

    async def hasten_jobs(self, kind: str, most: int) -> int:
        """Do the same with jobs of that kind."""
        async with self.writing() as tx:
            count = await jobs.hasten(tx, kind, self._clock.now(), most)
            await tx.commit()
        return count

    async def claim_inbox(self, limit: int, lease_s: float) -> Sequence[LeasedInbox]:
        """Lease up to `limit` landed inbox rows of all agencies, the urgent lane first. Committed on return."""
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
        """Claim rows in a writing transaction; but first query by `any_due`, where given, whether a row is due: mostly none
        is, and a claim would hold up SQLite's one writer."""
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
        """Extend a lease in `table` (`job`, `outbox`, `inbox`) and return it. StaleLease when it is no longer ours."""
        if table not in _TABLES:
            raise errors.NotFound(f"no leases are held in {table!r}; it is one of {', '.join(_TABLES)}")
        ends_at = self._clock.now() + timedelta(seconds=lease_s)
        async with self.changing_rows() as tx:
            renewed = await leases.renew(tx, _TABLES[table], _OPEN[table](), lease, ends_at)
            self._held.add((renewed,), self._clock.now())
        return renewed

    async def release_leases(self, cut: Callable[[], None] = lambda: None) -> None:
        """Release all leases of this process when it stops; the attempts stay counted, and later results are discarded as
        stale. `cut` must cancel the running work; it is called within this transaction."""
        async with self.changing_rows() as tx:
            # On SQLite no other unit writes now: its driver may leave the file locked when it is cancelled in a write.
            cut()
            tokens = self._held.tokens()
            for name, table in _TABLES.items():
                await leases.release_rows(tx, table, _OPEN[name](), tokens)

    async def overdue_waiting(self, received_before: datetime, limit: int) -> Sequence[InboxPacket]:
        """Return up to `limit` waiting packets, of all agencies, that were received before that time."""
        is_overdue = (col(InboxRow.state) == inbox.WAITING, col(InboxRow.received_at) < received_before)
        async with self.reading() as tx:
            query = inbox.OLDEST_FIRST.where(*is_overdue).limit(limit)
            return await tx.values(inbox.to_inbox_item, query)

    async def pending_revocations(
        self, last_place: tuple[str, str], limit: int
    ) -> Sequence[PendingRevocation]:
        """Return packets whose certificate has an unknown revocation status (K4, revocation), ordered by agency and packet,
        after the pair `last_place`."""
        return await self.revocation.pending(last_place, limit)

    async def key_ends(self, agency_code: str) -> Sequence[KeyEnd]:
        """Return the agency's keys that may no longer sign, each with the moment of its end."""
        from gateway.store.people import SqlKeyEnds

        async def read(connection: AsyncConnection) -> Sequence[KeyEnd]:
            return await SqlKeyEnds(Transaction(connection, shared=False)).of_agency(agency_code)

        return list(await self.memory.ask(("key_ends", agency_code), read))

    async def signed_under(self, fingerprint: str, since: datetime, limit: int) -> Sequence[OutboxItem]:
        """Return outbox rows created since `since` whose envelope is signed with this certificate's key; oldest first."""
        is_signed = (col(OutboxRow.signed_by) == fingerprint, col(OutboxRow.created_at) >= since)
        query = select(OutboxRow).where(*is_signed).order_by(col(OutboxRow.created_at), col(OutboxRow.id))
        async with self.reading() as tx:
            return await tx.values(outbox.to_domain, query.limit(limit))

    async def record_key_expiring(self, fingerprint: str, days: int, facts: Mapping[str, object]) -> bool:
        """Record an event that a certificate ends within `days` days, once for each such number. Return False when it was
        recorded before."""
        from gateway.store.people import claim_notice

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
        """Return the total size of quarantined packets without a proved sender, over all agencies."""
        async with self.viewing_few() as tx:
            return int(await tx.scalar(inbox.UNPROVED_BYTES))

    async def unsent_bytes(self, agency_id: str) -> Mapping[str, int]:
        """Return the size of what an agency keeps and has not sent, under the empty name: drafts, uploads, and documents
        that wait."""
        async with self.viewing_few() as tx:
            return {"": int(await tx.scalar(outgoing.UNSENT_BYTES, agency=agency_id))}

    async def partner_bytes(self, agency_id: str | None = None) -> Mapping[str, Mapping[str, int]]:
        """Return the size of unhandled mail by agency, of one or all, and by the casefolded code of its sender."""
        sums: dict[str, Counter[str]] = {}
        async with self.viewing_few() as tx:
            for at, sender, size in await tx.tuples(inbox.partner_bytes(agency_id)):
                sums.setdefault(at, Counter())[fold_code(sender)] += int(size)
        return sums

    async def oldest_unproved(self, limit: int) -> Sequence[InboxPacket]:
        """Return up to `limit` quarantined packets without a proved sender, of all agencies, the oldest first."""
        async with self.reading() as tx:
            query = inbox.OLDEST_FIRST.where(inbox.IS_UNPROVED).limit(limit)
            return await tx.values(inbox.to_inbox_item, query)

    async def unsettled_holds(self) -> Sequence[Hold]:
        """Return the decided sealed holds, of all agencies, whose content is not settled yet; the oldest first."""
        from gateway.store import holds

        async with self.viewing_few() as tx:
            return await tx.values(holds.to_domain, holds.UNSETTLED)

    async def open_holds(self) -> Mapping[str, int]:
        """Count the open sealed holds of all agencies by state."""
        from gateway.store import holds

        async with self.reading() as tx:
            return await count_by(tx, HoldRow.state, holds.IS_OPEN)

    async def signs(self, lease_s: float, kinds: Collection[str]) -> Signs:
        """Return which workers have something due now; `lease_s` and the `kinds` of jobs are those of their claims. The
        last result is reused while the SQLite file has not changed and no due time has come."""
        now, version = self._clock.now(), await self.memory.version()
        version = None if version is None else (version, lease_s, *kinds)
        if self._signs is None or not self._signs.hold(now, version):
            from gateway.store.due_work import look_for_signs

            registry = await self.memory.tokens()
            async with self.asking() as tx:
                self._signs = await look_for_signs(tx, now, lease_s, kinds, version, registry)
        return self._signs.signs

    async def number_events(self, limit: int = 500) -> int:
        """Assign numbers without gaps, of the node and of the agency, to up to `limit` committed events; return how many.
        While another process numbers, return 0."""
        if self._group is None:
            numbered = await events.number_on_server(self._writer, limit)
            if numbered:
                self._tell_numbered()
            return numbered
        query, values = events.ANY_UNNUMBERED
        async with self.asking() as tx:
            if not await tx.tuples(query, **values):
                return 0
        async with self.changing_rows() as tx:  # the writer rings `NUMBERED` after the commit
            return await events.number_on_sqlite(tx, limit)

    def _tell_numbered(self) -> None:
        self.wake.ring(events.NUMBERED)

    async def events_after(self, agency_id: str | None, after_seq: int, limit: int) -> Sequence[Event]:
        """Return up to `limit` events numbered after `after_seq`, in order: an agency's by its own numbers, or for None all
        events by the node's."""
        async with self.viewing_few() as tx:
            return await events.load_after(tx, agency_id, after_seq, limit)

    async def numbered_events(self, agency_id: str, numbers: Collection[int]) -> Mapping[int, Event]:
        """Return the agency's events with these numbers, by number; those that are gone are left out."""
        if not numbers:
            return {}
        async with self.viewing_few() as tx:
            return await events.load_numbered(tx, agency_id, numbers)

    async def wait_events(self, timeout_s: float) -> None:
        """Wait until new events may have been numbered, or the time is over."""
        self.wake.start()
        await self.numbered.wait(timeout_s)

    async def hosted(self) -> Sequence[HostedAgency]:
        return await self.accounts.hosted()

    async def counts(self) -> Mapping[str, int]:
        """Count unfinished rows by queue and state: `outbox.waiting`, `inbox.quarantined`, `job.waiting`, …"""
        async with self.reading() as tx:
            by_state = await leases.count_by_state(tx, OutboxRow) | await leases.count_by_state(tx, InboxRow)
            waiting = await tx.scalar(select(func.count()).select_from(JobRow).where(jobs.is_open()))
            unnumbered = select(func.count()).select_from(EventRow).where(col(EventRow.node_seq).is_(None))
            fresh = await tx.scalar(unnumbered)
        return by_state | {"job.waiting": waiting, "event.unnumbered": fresh}

    async def waiting_jobs(self, kind: str) -> tuple[int, datetime | None]:
        """Count the unfinished jobs of a kind, and return when the oldest was added; None without jobs."""
        query = select(func.count(), func.min(col(JobRow.created_at))).where(col(JobRow.kind) == kind)
        async with self.reading() as tx:
            ((count, oldest),) = await tx.tuples(query)
        return count, oldest

    async def begin_work(self) -> None:
        """Prepare for changes of documents. Without a follower the office's list rows become stale; then delete the
        progress of filling them, so that an office fills them again."""
        if self._follows is not follow_nothing:
            return
        async with self.viewing_few() as tx:
            if not await tx.rows(ListFillRow, select(ListFillRow).limit(1)):
                return
        async with self.changing_rows() as tx:
            await tx.change(delete(ListFillRow))

    async def purge_idempotency(self, used_before: datetime) -> int:
        """Delete idempotency keys first used before that time; return how many. Repeated requests are then still recognised
        by their `external_id`."""
        async with self.changing_rows() as tx:
            return await tx.change(delete(IdempotencyRow).where(col(IdempotencyRow.created_at) < used_before))

    async def untold_readings(self, end: datetime) -> Sequence[FurtherReadings]:
        """Return readings by programs before that moment that no event tells yet, of all agencies."""
        from gateway.store import readings

        async with self.viewing_few() as tx:
            return await readings.untold_before(tx, end)

    async def forget_uploads(self, now: datetime) -> int:
        """Delete expired uploads of every agency; return how many."""
        from gateway.store import uploads

        async with self.changing_rows() as tx:
            return await uploads.forget(tx, now)

    async def destructions_due(self) -> Sequence[tuple[str, str]]:
        """Return the confirmed acts of destruction that are not done, of all agencies, as agency and act."""
        async with self.viewing_few() as tx:
            return [(agency_id, id) for agency_id, id in await tx.tuples(_DESTRUCTIONS_DUE)]
