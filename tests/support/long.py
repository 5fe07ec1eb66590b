"""This plugin marks every test below a folder named `long`: `make test-long` runs it, and `make test` does not even collect
it. Such a folder goes on with the subject of the one beside it that has the same name, and with its fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(TESTS) and "long" in item.path.relative_to(TESTS).parent.parts:
            item.add_marker(pytest.mark.long)
