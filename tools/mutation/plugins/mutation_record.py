"""Plugin of pytest: notes which test executes which lines, how each test ends and what it costs. In: coverage, started with
each Python process by its own means, and the names of two files in the environment. Out: the data of coverage with a
context for each test and phase, and a line for each test in the file of `MUTATION_TESTS`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

CONTEXT = "MUTATION_CONTEXT"
TESTS = "MUTATION_TESTS"
_CPU_S = "cpu_s"
_FOR_CHILDREN = ("COVERAGE_PROCESS_START", CONTEXT)


class Outcomes:
    """Outcomes of tests, as the main process receives them from those that run them."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._cpu_s: dict[str, float] = {}
        self._outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid
        costs = (cost for key, cost in report.user_properties if key == _CPU_S and isinstance(cost, float))
        self._cpu_s[name] = self._cpu_s.get(name, 0.0) + sum(costs)
        if report.outcome != "passed":
            self._outcomes.setdefault(name, report.outcome)
        if report.when == "teardown":
            outcome = self._outcomes.pop(name, "passed")
            line = {"test": name, "cpu_s": round(self._cpu_s.pop(name), 3), "outcome": outcome}
            print(json.dumps(line), file=self._file, flush=True)


class Clock:
    """Measures what each phase of a test costs, in the process that runs it and in those that it waits for."""

    def __init__(self) -> None:
        self._last = 0.0

    def pytest_runtest_logstart(self) -> None:
        self._last = self._read()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        now = self._read()
        report.user_properties.append((_CPU_S, now - self._last))
        self._last = now
        return report

    @staticmethod
    def _read() -> float:
        # A busy machine changes how long a test takes, but hardly this.
        return sum(os.times()[:4])


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(Path(os.environ[TESTS])))
        return
    config.pluginmanager.register(Clock())
    start: Any = subprocess.Popen.__init__  # Any: its overloads would have to be repeated

    def start_recorded(self: Any, *args: Any, env: Mapping[str, str] | None = None, **more: Any) -> None:
        # A test that makes an environment by hand keeps the path; the product's own narrow environments, for
        # processes that may not write, do not.
        if env is not None and env.get("PATH") == os.environ["PATH"]:
            env = {**env, **{name: os.environ[name] for name in _FOR_CHILDREN}}
        start(self, *args, env=env, **more)

    subprocess.Popen.__init__ = start_recorded  # type: ignore[method-assign,assignment]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    _switch(f"around {item.nodeid}")
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    _switch(f"call {item.nodeid}")
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    _switch(f"around {item.nodeid}")
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    # The processes that run tests end without what Python does at exit.
    if (coverage := Coverage.current()) is not None:
        coverage.save()


def _switch(context: str) -> None:
    os.environ[CONTEXT] = context  # Processes that are started from now on take it from here.
    if (coverage := Coverage.current()) is None:
        raise RuntimeError("coverage was not started with this process")
    coverage.switch_context(context)
