"""A plugin of pytest that writes the names of the tests that failed into the file which `FAILURES_FILE` of the environment
names, for `tests.lane`. In a run of several processes it is the first one that hears of every failure and writes."""

from __future__ import annotations

import os

import pytest

FAILURES_FILE = "TESTS_FAILURES_FILE"  # not GATEWAY_…: those are settings, and an unknown one is refused


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    path = os.environ.get(FAILURES_FILE)
    if path and report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{report.nodeid}\n")
