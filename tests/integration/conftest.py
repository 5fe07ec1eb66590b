"""Two nodes and a broker between them. All of it is long: servers are hurt here, and waited for."""

from pathlib import Path

import pytest

from tests.support.amqp_stage import stage as stage

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.long)
