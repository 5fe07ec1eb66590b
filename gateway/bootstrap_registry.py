"""Wires the registry of codes, for a whole node, and by itself for a command that reads or changes nothing else: a list of
all agencies of the country needs the memory that the rest of a node would take. In: settings. Out: the directory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway.clock import SystemClock
from gateway.pool import ThreadPool
from gateway.ports import Clock, Pool
from gateway.registry.directory import SqlDirectory
from gateway.settings import Settings
from gateway.store.binding_log import SqlBindingLog
from gateway.store.store import SqlStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The directory and the store below it."""

    store: SqlStore
    directory: SqlDirectory


def directory(settings: Settings, store: SqlStore, clock: Clock, pool: Pool) -> SqlDirectory:
    """The registry, which believes of its bindings what the events tell."""
    log, two = SqlBindingLog(clock), settings.registry.two_people == "yes"
    return SqlDirectory(store.writer, store.reader, store.memory, clock, log, pool, two_people=two)


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncIterator[Registry]:
    """On a migrated database; closed at the end."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        pool = ThreadPool(settings.workers.threads)
        stack.callback(pool.close)
        store = SqlStore(settings.database.address, clock)
        stack.push_async_callback(store.close)
        await store.open()
        yield Registry(store=store, directory=directory(settings, store, clock, pool))
