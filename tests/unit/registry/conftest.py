"""A registry on a migrated database of each kind, with a clock the tests own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

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
