"""Prints at the end of a run what the tests of the pages report, gathered from every process: the pages whose accessibility
was checked, and what each task costs in clicks and keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

CHECKED, EFFORT = "page-checked", "page-effort"
Record = Callable[[str, object], None]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    checked = sorted(set(_properties(terminalreporter, CHECKED)))
    if checked:
        terminalreporter.section(f"pages checked by axe: {len(checked)}")
        for line in checked:
            terminalreporter.line(line)
    tasks = sorted(set(_properties(terminalreporter, EFFORT)))
    if tasks:
        terminalreporter.section("effort of each task")
        for line in tasks:
            terminalreporter.line(line)


def _properties(terminalreporter: pytest.TerminalReporter, kind: str) -> Iterator[str]:
    """Yield the properties that tests recorded under that name; reports come from other processes too."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            # Reports of several phases of a test have the same words; the caller takes each once.
            yield from (str(text) for name, text in getattr(report, "user_properties", ()) if name == kind)
