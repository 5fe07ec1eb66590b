"""One node per test behind a real server, on a copy of a stage that is set up once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import api
from tests.support.hooks import Receiver, near, receiving


@pytest.fixture(scope="session")
def blank_node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return api.staged(tmp_path_factory.mktemp("stage"))


@pytest.fixture
async def door(blank_node: Path, tmp_path: Path) -> AsyncIterator[api.Door]:
    async with api.opened(blank_node, tmp_path / "node") as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Whoever takes what webhooks tell."""
    async with receiving() as made:
        yield made


@pytest.fixture
async def near_door(blank_node: Path, tmp_path: Path) -> AsyncIterator[api.Door]:
    """One whose webhooks may call this machine."""
    async with api.opened(blank_node, tmp_path / "near", change=near) as opened:
        yield opened
