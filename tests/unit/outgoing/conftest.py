"""One node per test, stepped by hand; and one whose axis a test may break."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.faulty import Faulty
from tests.support.node import Town, opened


@pytest.fixture
async def broken(tmp_path: Path) -> AsyncIterator[tuple[Town, Faulty]]:
    axis = Faulty("axis", "publish")
    async with opened(tmp_path / "node", wrap=axis) as town:
        await town._host()
        yield town, axis
