"""`pytest --resource-warnings`: what is not closed fails a test, and is named with where it was made. Such a warning comes
when the garbage collector finds the object, often in another test: so only the long lane judges it, with tracemalloc."""

from __future__ import annotations

import tracemalloc

import pytest

OPTION = "--resource-warnings"
# Enough to see which call of ours made it; each one more costs the whole run some minutes.
_FRAMES = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="fail for what is not closed, and name its origin")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption(OPTION):
        config.addinivalue_line("filterwarnings", "error::ResourceWarning")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Trace from here on: what modules make while they are imported is never closed, and tracing it takes minutes."""
    if session.config.getoption(OPTION):
        tracemalloc.start(_FRAMES)
