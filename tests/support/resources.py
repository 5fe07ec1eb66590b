"""`pytest --resource-warnings`: an object left open fails a test. Python warns when the garbage collector finds
the object, often in another test: so garbage is collected at the end of each module, and a warning belongs to it.

With `PYTHONTRACEMALLOC=3` in the environment the failure names where the object was made. A whole run is several times
slower then: `make test-long` traces only the tests that failed."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

OPTION = "--resource-warnings"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="fail where an object was not closed")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption(OPTION):
        config.addinivalue_line("filterwarnings", "error::ResourceWarning")


@pytest.fixture(scope="module", autouse=True)
def _garbage_of_the_module(pytestconfig: pytest.Config) -> Iterator[None]:
    yield
    if pytestconfig.getoption(OPTION):
        gc.collect()
