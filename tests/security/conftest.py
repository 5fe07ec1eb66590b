"""Sends bytes straight into the socket of a real node, so that no client of ours tidies them up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.town.doors import Socket, open_socket


@pytest.fixture
async def socket(blank_node: Path) -> AsyncIterator[Socket]:
    async with open_socket(blank_node) as opened:
        yield opened
