"""A registry on a migrated database of each kind, with a clock the tests own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.registry import AgencyEntry
from gateway.domain.registry_change import Plan
from gateway.registry.directory import SqlDirectory
from gateway.registry_authoring.changes import SqlDirectoryChanges
from gateway.store.engine import EngineRole, open_engine
from gateway.store.memory import Memory
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
    """What reads a registry, and what changes it."""

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
