"""Programs that receive webhooks, and a node that may call them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import api
from tests.support.hooks import Receiver, near, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Receive the calls of webhooks."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def near_door(blank_node: Path, tmp_path: Path) -> AsyncIterator[api.Door]:
    """One whose webhooks may call this machine."""
    async with api.opened(blank_node, tmp_path / "near", change=near) as opened:
        yield opened
