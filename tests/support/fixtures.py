"""Tests of any folder use these fixtures: a town, its API, a store on a migrated database, a clock and threads.
`town.builder` describes a town; this module has only the parts that pytest has to know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.pool import ThreadPool
from gateway.store.store import SqlStore
from tests.support import people
from tests.support.clock import ManualClock
from tests.support.stores import copied, migrated, with_agencies
from tests.support.town.acts import Town
from tests.support.town.builder import open_town, staged
from tests.support.town.doors import Door, open_door

BOTH_KINDS = ("sqlite", "postgresql")


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """Open a town of its own, stepped by hand."""
    async with open_town(tmp_path / "node") as town:
        yield town


@pytest.fixture(scope="session")
def blank_node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a town to copy."""
    return staged(tmp_path_factory.mktemp("stage"))


@pytest.fixture
async def door(blank_node: Path, tmp_path: Path) -> AsyncIterator[Door]:
    """Open the API of a town of its own."""
    async with open_door(blank_node, tmp_path / "node") as door:
        yield door


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    threads = ThreadPool(2)
    yield threads
    threads.close()


@pytest.fixture(scope="session")
def blank_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty SQLite file with our schema, to be copied."""
    return migrated(tmp_path_factory.mktemp("blank"))


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """Return the address of a migrated database: SQLite, unless the test is parametrised with another kind."""
    return database_of(request, getattr(request, "param", "sqlite"))


def database_of(request: pytest.FixtureRequest, kind: str) -> str:
    """Return the address of a migrated database of that kind, for this test alone."""
    if kind == "sqlite":
        return copied(request.getfixturevalue("blank_database"), request.getfixturevalue("tmp_path"))
    address: str = request.getfixturevalue("migrated_postgres_url")
    return address


@pytest.fixture
async def store(url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
    """Open a store that hosts two agencies."""
    async with with_agencies(url, clock) as opened:
        yield opened


@pytest.fixture(autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Make passwords cheap, for folders whose tests sign in again and again: import it in their conftest."""
    with people.cheap():
        yield
