"""A town with an office whose axis a test may break."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.office.support.node import OfficeTown, opened
from tests.support.faulty import Faulty


@pytest.fixture
async def broken(tmp_path: Path) -> AsyncIterator[tuple[OfficeTown, Faulty]]:
    axis = Faulty("axis", "publish")
    async with opened(tmp_path / "node", wrap=axis) as town:
        await town._host()
        yield town, axis
