"""Plugin of pytest: runs the tests of a list, in its order, and reports how that ended. In: JSON in the file of
`MUTATION_SELECTION`, with the names of tests, of functions or of files, and the file in which a fault may be. Out: JSON in
the file of `MUTATION_REPORT`, written anew at the start of each test, as the process may be killed."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

SELECTION = "MUTATION_SELECTION"
REPORT = "MUTATION_REPORT"
_GIB = 1 << 30
# A fault may turn a loop into one without end that fills the memory or the disk of the machine.
_LIMITS = {resource.RLIMIT_DATA: 6 * _GIB, resource.RLIMIT_FSIZE: 4 * _GIB}


class Selection:
    def __init__(self, selection: dict[str, Any]) -> None:
        self._names: list[str] = selection["tests"]
        self._file: str = selection["file"]
        self._report: dict[str, Any] = {"failed": {}, "passed": [], "ran": 0, "running": None}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        collected: dict[str, list[pytest.Item]] = defaultdict(list)
        for item in items:
            for name in {item.nodeid, item.nodeid.partition("[")[0], item.nodeid.partition("::")[0]}:
                collected[name].append(item)
        chosen = {item.nodeid: item for name in self._names for item in collected[name]}
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in chosen])
        items[:] = chosen.values()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._note_failure(f"collection of {report.nodeid}", report)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._report |= {"running": nodeid, "since": time.time(), "ran": self._report["ran"] + 1}
        self._write()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._note_failure(report.nodeid, report)
        elif report.when == "teardown" and report.nodeid not in self._report["failed"]:
            self._report["passed"].append(report.nodeid)

    def pytest_unconfigure(self) -> None:
        own = [module for module in sys.modules.values() if _file_of(module).endswith(f"/{self._file}")]
        self._report |= {"running": None, "cpu_s": sum(os.times()[:4]), "modules": sorted(map(_file_of, own))}
        self._write()

    def _note_failure(self, name: str, report: pytest.CollectReport | pytest.TestReport) -> None:
        lines = report.longreprtext.splitlines()
        reason = next((line for line in lines if line.startswith("E ")), lines[-1] if lines else "")
        self._report["failed"].setdefault(name, reason[:200])

    def _write(self) -> None:
        # It is read while tests run, and must be whole then.
        path = Path(os.environ[REPORT])
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(self._report), encoding="utf-8")
        draft.replace(path)


def pytest_configure(config: pytest.Config) -> None:
    for kind, limit in _LIMITS.items():
        resource.setrlimit(kind, (limit, limit))
    config.pluginmanager.register(
        Selection(json.loads(Path(os.environ[SELECTION]).read_text(encoding="utf-8")))
    )


def _file_of(module: object) -> str:
    return getattr(module, "__file__", None) or ""
