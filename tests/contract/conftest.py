"""The stores that every contract test of the store runs on, each on a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.office.store.store import SqlOfficeStore
from gateway.pool import ThreadPool
from gateway.store.blobs import FileBlobs
from tests.support.clock import ManualClock
from tests.support.stores import copied, migrated, with_agencies


@pytest.fixture(scope="session")
def blank_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("blank"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The address of a migrated database, for tests that open it more than once."""
    if request.param == "sqlite":
        return copied(request.getfixturevalue("blank_database"), request.getfixturevalue("tmp_path"))
    url: str = request.getfixturevalue("migrated_postgres_url")
    return url


@pytest.fixture
async def store(store_url: str, clock: ManualClock) -> AsyncIterator[SqlOfficeStore]:
    async with with_agencies(store_url, clock) as opened:
        yield opened


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    threads = ThreadPool(2)
    yield threads
    threads.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where content lies that is no row."""
    return tmp_path / "content"


@pytest.fixture
def blobs(root: Path, store: SqlOfficeStore, clock: ManualClock, pool: ThreadPool) -> FileBlobs:
    return FileBlobs(root, store, clock, pool)
