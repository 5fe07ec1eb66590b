"""A registry on a migrated database of each kind, with a clock the tests own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.registry import AgencyEntry
from gateway.domain.registry_change import Plan
from gateway.pool import ThreadPool
from gateway.registry.directory import SqlDirectory
from gateway.registry_authoring.changes import SqlDirectoryChanges
from gateway.registry_authoring.feed_judge import FeedRoom
from gateway.store.engine import EngineRole, open_engine
from gateway.store.memory import Memory
from tests.support import feeds
from tests.support.clock import ManualClock
from tests.support.fixtures import database_of
from tests.support.stores import remembering


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def url(request: pytest.FixtureRequest) -> str:
    return database_of(request, request.param)


@pytest.fixture
async def writer(url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(url, EngineRole.WRITER)
    yield engine
    await engine.dispose()


@pytest.fixture
async def reader(url: str, writer: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(url, EngineRole.READER)
    yield engine
    await engine.dispose()


@pytest.fixture
async def memory(url: str, writer: AsyncEngine) -> AsyncIterator[Memory]:
    async with remembering(url) as directory_store:
        yield directory_store


@pytest.fixture
def directory(reader: AsyncEngine, memory: Memory, clock: ManualClock) -> SqlDirectory:
    return SqlDirectory(reader, memory, clock)


@pytest.fixture
def changes(writer: AsyncEngine, reader: AsyncEngine, clock: ManualClock) -> SqlDirectoryChanges:
    return SqlDirectoryChanges(writer, reader, clock)


@dataclass(frozen=True, kw_only=True)
class Registry:
    """A registry on a database, with its reader and its writer."""

    directory: SqlDirectory
    changes: SqlDirectoryChanges

    async def plan(self, table: str) -> Plan:
        return await self.changes.plan_import(table.encode())

    async def take(self, table: str) -> Plan:
        """Import a table, and return what was planned."""
        planned = await self.plan(table)
        await self.changes.apply(planned, "operator")
        return planned

    async def rows(self) -> dict[str, AgencyEntry]:
        return {entry.code: entry for entry in (await self.directory.entries(limit=1000)).items}


@pytest.fixture
def registry(directory: SqlDirectory, changes: SqlDirectoryChanges) -> Registry:
    return Registry(directory=directory, changes=changes)


def feed_room(
    folder: Path, writer: AsyncEngine, reader: AsyncEngine, clock: ManualClock, pool: ThreadPool
) -> FeedRoom:
    """Make a place where feeds of the usual issuer are taken."""
    room = FeedRoom(
        writer=writer, reader=reader, clock=clock, pool=pool, issuers=folder / "feed", scratch=folder
    )
    feeds.permit(room, feeds.ISSUER)
    return room


@pytest.fixture
def room(writer: AsyncEngine, reader: AsyncEngine, clock: ManualClock, tmp_path: Path) -> Iterator[FeedRoom]:
    with closing(ThreadPool(2)) as pool:
        yield feed_room(tmp_path, writer, reader, clock, pool)
