"""Everything in this folder takes its time: `make test-long` runs it, and `make test` does not even collect it. A folder
here has the name of the one whose subject it goes on with, and the same fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest

LONG_TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(LONG_TESTS):
            item.add_marker(pytest.mark.long)
