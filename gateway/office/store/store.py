"""The node's database where the office is open: lists follow every document, whichever unit of work changes it, and
units have what persons at pages need, each made when it is first asked for; beside them notices of stops and
incidents, and what pages keep for the pages that follow, where each call is a transaction of its own. In: what the
exchange's store takes, and how the office reckons its hours."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Select, delete, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.office.domain.listing import Origin
from gateway.office.domain.notice import Notice
from gateway.office.store import lists_figures
from gateway.office.store.book import SqlBooks
from gateway.office.store.lists import KnownCounts, SqlLists
from gateway.office.store.lists_write import Dues, ListWriter, Reckon, reckon_without_office
from gateway.office.store.tags_and_views import SqlOwnDesks, SqlSavedViews, SqlTags
from gateway.office.store.todo import SqlRecallAsks, SqlSubmissions, SqlTasks
from gateway.ports.services import Clock
from gateway.store.calendar import SqlCalendarDays
from gateway.store.engine import AS_SHIPPED, ServerLimits
from gateway.store.events import SqlEvents
from gateway.store.repository import NOBODY, Follower
from gateway.store.row import value_of
from gateway.store.store import SqlStore
from gateway.store.tables_office import KeepingRow, NoticeRow
from gateway.store.transaction import Slowly, Transaction
from gateway.store.work import SqlWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """`key` cannot be guessed; `body` is the page's own matter."""

    key: str
    session_id: str
    body: bytes = field(repr=False)
    at: datetime
    until: datetime


MOST_KEEPINGS = 20
"""Of one session."""
_KEEPING = KeepingRow

Open = Callable[[], AbstractAsyncContextManager[Transaction]]


class SqlKeepings:
    """Each call is durable on return."""

    def __init__(self, writing: Open, reading: Open) -> None:
        self._writing, self._reading = writing, reading

    async def keep(self, keeping: Keeping) -> None:
        """Durable on return. What is over goes, and of a session all but the newest few."""
        row = KeepingRow.of(keeping, body=b64encode(keeping.body).decode())
        of_session = select(col(_KEEPING.key)).where(col(_KEEPING.session_id) == keeping.session_id)
        async with self._writing() as tx:
            await tx.change(delete(_KEEPING).where(col(_KEEPING.until) <= keeping.at))
            tx.put(row)
            beyond = await tx.tuples(
                of_session.order_by(col(_KEEPING.at).desc(), col(_KEEPING.key)).offset(MOST_KEEPINGS)
            )
            if beyond:
                await tx.change(delete(_KEEPING).where(col(_KEEPING.key).in_([found[0] for found in beyond])))
            await tx.commit()

    async def find(self, key: str, session_id: str, now: datetime) -> bytes | None:
        """The body; none for another session, or when its time is over."""
        query = select(_KEEPING).where(
            col(_KEEPING.key) == key, col(_KEEPING.session_id) == session_id, col(_KEEPING.until) > now
        )
        async with self._reading() as tx:
            found = await tx.first(_KEEPING, query)
        return b64decode(found.body) if found is not None else None

    async def forget(self, key: str) -> None:
        """Harmless where there is none."""
        async with self._writing() as tx:
            await tx.change(delete(_KEEPING).where(col(_KEEPING.key) == key))
            await tx.commit()


_NOTICE = NoticeRow
_NEWEST_NOTICE = (col(_NOTICE.published_at).desc(), col(_NOTICE.id).desc())
_MOST_OPEN_NOTICES = 50


class SqlNotices:
    """Each call is durable on return."""

    def __init__(self, writing: Open, reading: Open, clock: Clock) -> None:
        self._writing, self._reading, self._clock = writing, reading, clock

    async def open(self) -> Sequence[Notice]:
        """Those that nobody closed, newest first."""
        return await self._found(select(_NOTICE).where(col(_NOTICE.closed_at).is_(None)), _MOST_OPEN_NOTICES)

    async def all(self, limit: int) -> Sequence[Notice]:
        """Newest first."""
        return await self._found(select(_NOTICE), limit)

    async def get(self, id: str) -> Notice:
        found = await self._found(select(_NOTICE).where(col(_NOTICE.id) == id), 1)
        if not found:
            raise errors.NotFound(f"there is no notice {id[:80]}")
        return found[0]

    async def save(
        self,
        notice: Notice,
        kind: EventKind,
        agencies: Sequence[str],
        data: Mapping[str, object],
        by: str,
        at: datetime,
    ) -> None:
        """The row, in place of an older state of it that is still open, and the event in each agency's stream; the empty
        id is the node's own. Clash when it was closed before."""
        row = NoticeRow.of(notice)
        async with self._writing() as tx:
            if not await tx.put_new(row):
                this = (col(_NOTICE.id) == notice.id, col(_NOTICE.closed_at).is_(None))
                values = row.values("id", "published_at", "published_by")
                if not await tx.change(update(_NOTICE).where(*this).values(values)):
                    raise errors.Clash(f"the notice {notice.id} ended before")
            for agency_id in agencies:
                scope = AgencyScope(agency_id=agency_id, principal_id=by)
                await SqlEvents(tx, scope, self._clock).append(kind, notice.id, at, data)
            await tx.commit()

    async def _found(self, query: Select[Any], limit: int) -> Sequence[Notice]:
        async with self._reading() as tx:
            rows = await tx.rows(_NOTICE, query.order_by(*_NEWEST_NOTICE).limit(limit))
        return [value_of(Notice, row) for row in rows]


@dataclass(eq=False)
class SqlOfficeRows:
    """Of one agency, within one unit of work."""

    tx: Transaction
    scope: AgencyScope
    clock: Clock
    known: KnownCounts | None
    changed: Callable[[str], None]

    @cached_property
    def lists(self) -> SqlLists:
        return SqlLists(Slowly(self.tx), self.scope, self.clock, known=self.known, changed=self.changed)

    @cached_property
    def tags(self) -> SqlTags:
        return SqlTags(self.tx, self.scope, changed=self.changed)

    @cached_property
    def views(self) -> SqlSavedViews:
        return SqlSavedViews(self.tx, self.scope)

    @cached_property
    def tasks(self) -> SqlTasks:
        return SqlTasks(Slowly(self.tx), self.scope)

    @cached_property
    def books(self) -> SqlBooks:
        return SqlBooks(Slowly(self.tx), self.scope, self.clock)

    @cached_property
    def recalls(self) -> SqlRecallAsks:
        return SqlRecallAsks(self.tx, self.scope)

    @cached_property
    def desks(self) -> SqlOwnDesks:
        return SqlOwnDesks(self.tx, self.scope)

    @cached_property
    def submissions(self) -> SqlSubmissions:
        return SqlSubmissions(self.tx, self.scope)


class OfficeWork(SqlWork):
    """A unit of work of the exchange that has the rows of the office, `office`, besides."""

    def __init__(
        self,
        tx: Transaction,
        scope: AgencyScope,
        clock: Clock,
        follower: Follower = NOBODY,
        *,
        known: KnownCounts | None = None,
        changed: Callable[[str], None] = lambda agency_id: None,
    ) -> None:
        """`changed` hears which agency's lists are other ones now; `known` is for who only reads."""
        super().__init__(tx, scope, clock, follower)
        self.office = SqlOfficeRows(tx, scope, clock, known, changed)


class SqlOfficeStore(SqlStore):
    """The node's store, each of whose units of work has its `office`."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        limits: ServerLimits = AS_SHIPPED,
        reckon: Reckon = reckon_without_office,
    ) -> None:
        """`reckon`: of the calendar's days, until when a document should be taken in, for lists."""
        super().__init__(url, clock, limits, self._following)
        self._dues = Dues(reckon, clock)
        self._counts = KnownCounts(clock)
        self._origins: dict[str, Origin] = {}
        self.keepings = SqlKeepings(self.writing, self.reading)
        self.notices = SqlNotices(self.writing, self.reading, clock)
        self.calendar = SqlCalendarDays(self.writing, self.reading, clock, self._dues.forget)

    def begin(self, scope: AgencyScope) -> AbstractAsyncContextManager[OfficeWork]:
        def made(tx: Transaction) -> OfficeWork:
            follower = self._following(tx, scope.agency_id)
            return OfficeWork(tx, scope, self._clock, follower, changed=self._counts.changed)

        return self._writing(made)

    def read(self, scope: AgencyScope) -> AbstractAsyncContextManager[OfficeWork]:
        return self._looking(lambda tx: OfficeWork(tx, scope, self._clock, known=self._counts))

    def _following(self, tx: Transaction, agency_id: str) -> Follower:
        changed, origins = self._counts.changed, self._origins
        return ListWriter(tx, agency_id, self._dues.of, changed=changed, origins=origins)

    async def fill_lists(self, limit: int) -> bool:
        """Writes that many rows of lists for documents older than lists; True when there may be more. Harmless again."""
        agencies = [agency.id for agency in await self.hosted()]
        changed = self._counts.changed
        return await lists_figures.fill_rows(
            self.reading, self.writing, agencies, limit, self._dues.of, changed
        )

    async def fill_lists_again(self) -> None:
        """The last two days are filled once more: an older version of the program may have worked beside this one."""
        await lists_figures.fill_again(self.writing, self._clock.now())

    async def write_due_again(self, limit: int) -> bool:
        """Writes that many rows of lists anew where the calendar is another one since; True when there may be more."""
        agencies = [agency.id for agency in await self.hosted()]
        return await self._dues.write_again(self.reading, self.writing, agencies, limit, self._counts.changed)

    async def work_out_day(self) -> bool:
        """The figures of one day of one agency that are missing or old; False when none are."""
        agencies = [agency.id for agency in await self.hosted()]
        return await lists_figures.work_out_day(self.reading, self.writing, agencies, self._clock.now())
