"""A store on SQLite in a temporary folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.office.store.store import SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import copied, migrated, with_agencies


@pytest.fixture(scope="session")
def blank_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("blank"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(blank_database: Path, tmp_path: Path, clock: ManualClock) -> AsyncIterator[SqlOfficeStore]:
    async with with_agencies(copied(blank_database, tmp_path), clock) as opened:
        yield opened
