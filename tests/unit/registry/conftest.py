"""A registry on a migrated SQLite file, with a clock the tests own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.registry.directory import SqlDirectory
from gateway.store import migrate
from gateway.store.engine import Role, open_engine
from tests.support.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def url(tmp_path: Path) -> str:
    database = f"sqlite:///{tmp_path}/node.db"
    await migrate.up(database)
    return database


@pytest.fixture
async def writer(url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(url, Role.WRITER)
    yield engine
    await engine.dispose()


@pytest.fixture
async def reader(url: str, writer: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(url, Role.READER)
    yield engine
    await engine.dispose()


@pytest.fixture
def directory(writer: AsyncEngine, reader: AsyncEngine, clock: ManualClock) -> SqlDirectory:
    return SqlDirectory(writer, reader, clock)
