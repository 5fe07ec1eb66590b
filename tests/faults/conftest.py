"""Adds `--every-point` to the crash tests: all calls of the story instead of a seeded sample."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-point", action="store_true", help="kill at every call of the story (long)")
