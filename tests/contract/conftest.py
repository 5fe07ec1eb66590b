"""The stores that every contract test of the store runs on, each on a database of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.pool import ThreadPool
from gateway.store.blobs import FileBlobs
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.fixtures import BOTH_KINDS, database_of


@pytest.fixture(params=BOTH_KINDS)
def store_url(request: pytest.FixtureRequest) -> str:
    """Return the address of a migrated database, for tests that open it more than once."""
    return database_of(request, request.param)


@pytest.fixture
def url(store_url: str) -> str:
    return store_url


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the folder of content that is no row."""
    return tmp_path / "content"


@pytest.fixture
def blobs(root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool) -> FileBlobs:
    return FileBlobs(root, store, clock, pool)
