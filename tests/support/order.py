"""This plugin decides the order of tests, and which of them run in one process. `pytest --shuffle SEED` puts the files, and
the tests of each file, in a random order, so that no test leans on what another left. Tests of one file stay together, as
their stage is set up once. 0 takes a new seed, told at the start. Where a stage is dear, its tests stay in one process
(`TOGETHER`): the marks that the library for processes has for this do nothing under this version of pytest. Tests that take
minutes (`FIRST`) begin first, so that no process runs on alone at the end; so do those of readers that let all else go
first."""

from __future__ import annotations

import random
import secrets
from pathlib import Path
from typing import Any

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# By file or folder: what its tests share with each other, and with those of another one.
TOGETHER = {
    "tests/long/acceptance/test_bundle.py": "the bundle",
    "tests/office/acceptance/test_office_off.py": "a story told without the office",
    "tests/acceptance/test_seals.py": "sealed papers",
    "tests/labs/conformance/test_run.py": "a sandbox that is judged",
    "tests/labs/sandbox/test_opened.py": "a sandbox that is used",
    "tests/bench/long/faults/test_bench_servers.py": "four nodes",
    "tests/bench/long/faults/test_reach.py": "four nodes",
    "tests/office/pages": "a browser",
    "tests/threats": "the doors of a node",
    "tests/bench/unit/test_counts.py": "the counts",
    "tests/bench/acceptance/test_installed_alone.py": "the product as it is installed",
    "tests/unit/bootstrap/test_loaded.py": "a process that loaded a node",
}

# The dearest first.
FIRST = (
    "tests/long/simulation/test_many_worlds.py",
    "tests/simulation/test_worlds.py",
    "tests/labs/long/acceptance/test_conformance.py",
    "tests/office/long/pages/test_every_page.py",
    "tests/office/long/pages/test_clerks_day.py",
    "tests/bench/long/faults/test_soak.py",
    "tests/bench/long/faults/test_bench_servers.py",
    "tests/long/acceptance/test_bundle.py",
    "tests/office/long/pages/test_role_matrix.py",
    "tests/unit/cli/test_registry_import.py",
    "tests/acceptance/test_make_run.py",
    "tests/bench/unit/test_counts.py",
    "tests/office/simulation/test_office_worlds.py",
    "tests/hostile/test_scans.py",
    "tests/unit/trust/test_scans.py",
)


class _Stages(LoadScopeScheduling):  # type: ignore[misc]  # its library ships no types
    """Every test by itself, but for those that share a stage."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return TOGETHER.get(file) or TOGETHER.get(file.rpartition("/")[0], nodeid)

    def _pending_of(self, workload: dict[str, dict[str, bool]]) -> int:
        """Count the tests that are still to come, and forget the others: the library counts all of a process after each."""
        for scope in [scope for scope, tests in workload.items() if all(tests.values())]:
            del workload[scope]
        return len([1 for tests in workload.values() for is_done in tests.values() if not is_done])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _Stages(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", type=int, default=None, metavar="SEED", help="a random order; 0: a new one")


def pytest_configure(config: pytest.Config) -> None:
    if (from_controller := getattr(config, "workerinput", None)) is not None:
        config.option.shuffle = from_controller["shuffle"]
    elif config.option.shuffle == 0:
        config.option.shuffle = 1 + secrets.randbelow(10**6)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # Any: xdist's, which ships no types
    """Hand the order to the other processes: all that run tests must come to the same one."""
    node.workerinput["shuffle"] = node.config.option.shuffle


def pytest_report_header(config: pytest.Config) -> str | None:
    return f"order: --shuffle {config.option.shuffle}" if config.option.shuffle else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.shuffle:
        _shuffle(config, items)
    # A stable sort: the others stay in their order.
    items.sort(key=lambda item: _rank(item.nodeid.partition("::")[0]))


def _rank(file: str) -> int:
    return FIRST.index(file) if file in FIRST else len(FIRST)


def _shuffle(config: pytest.Config, items: list[pytest.Item]) -> None:
    chance = random.Random(config.option.shuffle)
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    order = list(files.values())
    chance.shuffle(order)
    for group in order:
        chance.shuffle(group)
    items[:] = [item for group in order for item in group]
