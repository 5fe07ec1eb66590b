"""The ground that a node stands on: its database, registry and keys, which are there before trust and an axis are; a new
node must have keys and accounts before it can open whole. In: settings. Out: an open `Ground`, or the registry alone for
what is about thousands of codes and needs the memory that the rest would take."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway.bootstrap import keys
from gateway.clock import SystemClock
from gateway.deciding.desk import DecidingDesk
from gateway.pool import ThreadPool
from gateway.ports import Clock, Pool
from gateway.registry.directory import SqlDirectory
from gateway.registry.feed import SqlFeed
from gateway.registry.feed_judge import FeedRoom
from gateway.settings import Settings
from gateway.store.binding_log import SqlBindingLog
from gateway.store.engine import ServerLimits
from gateway.store.store import SqlStore
from gateway.trust.keys import KeyDirectory


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What is there before trust and an axis are."""

    settings: Settings
    clock: Clock
    pool: ThreadPool
    store: SqlStore
    directory: SqlDirectory
    deciding: DecidingDesk
    feed: SqlFeed
    keys: KeyDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The directory and the store below it."""

    store: SqlStore
    directory: SqlDirectory


@asynccontextmanager
async def open_ground(
    settings: Settings, clock: Clock | None = None, store: SqlStore | None = None
) -> AsyncIterator[Ground]:
    """On a migrated database. `store`: another storey's, which has more; it is closed here too."""
    time = clock or SystemClock()
    store = store or SqlStore(settings.database.address, time, server_limits(settings))
    async with _opened(settings, store) as pool:
        yield Ground(
            settings=settings,
            clock=time,
            pool=pool,
            store=store,
            directory=directory(settings, store, time, pool),
            deciding=keys.deciding(settings, store, time, pool),
            feed=SqlFeed(
                FeedRoom(
                    writer=store.writer,
                    reader=store.reader,
                    clock=time,
                    pool=pool,
                    issuers=settings.trust.folder / "feed",
                    scratch=settings.node.data_dir,
                )
            ),
            keys=keys.exchange_keys(settings),
        )


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncIterator[Registry]:
    """The registry of codes alone, on a migrated database."""
    clock = SystemClock()
    store = SqlStore(settings.database.address, clock)
    async with _opened(settings, store) as pool:
        yield Registry(store=store, directory=directory(settings, store, clock, pool))


@asynccontextmanager
async def _opened(settings: Settings, store: SqlStore) -> AsyncIterator[ThreadPool]:
    """Threads and a database that answers; both are closed in the end."""
    async with AsyncExitStack() as stack:
        pool = ThreadPool(settings.workers.threads)
        stack.callback(pool.close)
        stack.push_async_callback(store.close)
        await store.open()
        yield pool


def directory(settings: Settings, store: SqlStore, clock: Clock, pool: Pool) -> SqlDirectory:
    """The registry, which believes of its bindings what the events tell."""
    log, two = SqlBindingLog(clock), settings.registry.two_people == "yes"
    return SqlDirectory(store.writer, store.reader, store.memory, clock, log, pool, two_people=two)


def server_limits(settings: Settings) -> ServerLimits:
    database = settings.database
    return ServerLimits(
        connections=database.connections,
        statement_s=database.statement_timeout_s,
        lock_s=database.lock_timeout_s,
        idle_s=database.idle_timeout_s,
    )
