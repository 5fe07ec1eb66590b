"""The long lane draws new inputs of the fuzzers, histories of an exchange and crash points in each run, from this seed.
TEST_SEED repeats a run; without it there is a new seed, told at the start of the run, which holds for all its processes."""

from __future__ import annotations

import os
import secrets

import pytest

SEED = int(os.environ.setdefault("TEST_SEED", str(1 + secrets.randbelow(10**6))))


def pytest_report_header(config: pytest.Config) -> str | None:
    """Tell the seed of a run that has long tests: without them nothing is chosen."""
    return None if config.option.markexpr == "not long" else f"choices of the long lane: TEST_SEED={SEED}"


@pytest.fixture(scope="session")
def seed() -> int:
    return SEED
