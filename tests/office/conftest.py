"""The fixtures of `tests/conftest.py` that open something, with an office: town, API and store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_office.store.store import SqlOfficeStore
from tests.office.support.doors import OfficeDoor, open_door
from tests.office.support.stores import with_agencies
from tests.office.support.town import OfficeTown, open_town, staged
from tests.support.clock import ManualClock


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[OfficeTown]:
    """Open a town of its own with an office, stepped by hand."""
    async with open_town(tmp_path / "node") as town:
        yield town


@pytest.fixture(scope="session")
def blank_node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a town with an office, to copy."""
    return staged(tmp_path_factory.mktemp("stage"))


@pytest.fixture
async def door(blank_node: Path, tmp_path: Path) -> AsyncIterator[OfficeDoor]:
    """Open the API of a town of its own with an office."""
    async with open_door(blank_node, tmp_path / "node") as door:
        yield door


@pytest.fixture
async def store(url: str, clock: ManualClock) -> AsyncIterator[SqlOfficeStore]:
    """Open the office's store, which hosts two agencies."""
    async with with_agencies(url, clock) as opened:
        yield opened
