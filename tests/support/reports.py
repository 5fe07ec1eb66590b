"""A plugin of pytest that leaves out of a passed report what was logged and printed. In a run of several processes each
report goes to the first of them, with all that the test has logged until then, and there only failures are printed."""

from __future__ import annotations

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.passed and hasattr(item.config, "workerinput"):
        report.sections.clear()
    return report
