"""Opens the database of a node alone, or with the registry of codes over it: commands that read need neither keys nor trust
nor an axis, and work on thousands of codes needs the memory of those parts. In: settings. Out: an `OpenStore` or an
`OpenRegistry`, on a migrated database. Nothing runs on import."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.bootstrap.trial import refuse_mixture
from gateway.clock import SystemClock
from gateway.domain import office_profile
from gateway.domain.office_calendar import SHIPPED, OfficeCalendar
from gateway.domain.wall_clock import local
from gateway.policy import timers
from gateway.pool import ThreadPool
from gateway.ports.services import Clock
from gateway.settings import Settings
from gateway.store.engine import ServerLimits
from gateway.store.store import SqlStore

if TYPE_CHECKING:
    from gateway.registry.directory import SqlDirectory
    from gateway.registry_authoring.changes import SqlDirectoryChanges


@dataclass(frozen=True, kw_only=True)
class OpenStore:
    """The rows of a node, and what reading them needs."""

    settings: Settings
    clock: Clock
    pool: ThreadPool
    store: SqlStore

    @property
    def office(self) -> Callable[[str], Awaitable[OfficeCalendar]]:
        return office_hours(self.settings, self.store)


@dataclass(frozen=True, kw_only=True)
class OpenRegistry(OpenStore):
    """The directory, and the parts below it."""

    directory: SqlDirectory

    @property
    def directory_changes(self) -> SqlDirectoryChanges:
        """Changes of the directory that one principal makes."""
        from gateway.registry_authoring.changes import SqlDirectoryChanges

        two = self.settings.registry.two_people == "yes"
        return SqlDirectoryChanges(
            self.store.writer, self.store.reader, self.clock, self.pool, two_people=two
        )

    async def host_of(self, code: str) -> str | None:
        """Return the node that speaks for a code today by the registry; some routes between axes use it."""
        today = local(self.clock.now()).date()
        entry = await self.directory.find(code, today)
        return entry.host_on(today) if entry is not None else None


@asynccontextmanager
async def open_store(
    settings: Settings, clock: Clock | None = None, store: SqlStore | None = None
) -> AsyncIterator[OpenStore]:
    """Open threads and a database that answers; both are closed in the end. `store`: an extension's, which has more."""
    refuse_mixture(settings)
    time = clock or SystemClock()
    store = store or SqlStore(settings.database.address, time, server_limits(settings))
    async with AsyncExitStack() as stack:
        pool = ThreadPool(settings.workers.threads)
        stack.callback(pool.close)
        stack.push_async_callback(store.close)
        await store.open()
        yield OpenStore(settings=settings, clock=time, pool=pool, store=store)


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncIterator[OpenRegistry]:
    """Open the registry of codes alone."""
    from gateway.registry.directory import SqlDirectory

    async with open_store(settings) as rows:
        directory = SqlDirectory(rows.store.reader, rows.store.memory, rows.clock)
        yield OpenRegistry(
            settings=settings, clock=rows.clock, pool=rows.pool, store=rows.store, directory=directory
        )


def office_hours(settings: Settings, store: SqlStore) -> Callable[[str], Awaitable[OfficeCalendar]]:
    """Return a function that reads the current calendar of an agency, or of the node for the empty id: an administrator may
    change it at any time."""
    weekdays, spans = timers.read_weekdays(settings.office.weekdays), timers.read_spans(settings.office.hours)

    async def now(agency_id: str) -> OfficeCalendar:
        office = timers.calendar_of(weekdays, spans, SHIPPED, await store.calendar.days())
        if not agency_id:
            return office
        return office_profile.calendar_of_agency(office, await store.accounts.chosen_by(agency_id))

    return now


def server_limits(settings: Settings) -> ServerLimits:
    database = settings.database
    return ServerLimits(
        connections=database.connections,
        statement_s=database.statement_timeout_s,
        lock_s=database.lock_timeout_s,
        idle_s=database.idle_timeout_s,
    )
