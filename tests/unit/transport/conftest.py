"""What tests of the transport have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.pool import ThreadPool


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    threads = ThreadPool(2)
    yield threads
    threads.close()
