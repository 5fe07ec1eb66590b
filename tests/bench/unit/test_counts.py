"""The cost of one small document, counted and not timed; a long register raises it for none."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

from bench import servers
from bench.counts import AT_ONCE, GROWS, LIMITS, above
from gateway.store.dump import clear_database
from tests.support.cases import Cases
from tests.support.services import missing

OLDER = 5_000
Counted = dict[str, dict[str, float]]


def _count(*words: str, url: str = "") -> Counted:
    """Count in a process of its own, because it stands in for functions that the other tests use. On a starved machine
    documents come one by one and share no commit: the process goes before others where this user may ask for that, and the
    least of three counts will do, each on an empty database."""
    least: Counted = {}
    for _ in range(3):
        command = ["nice", "-n", "-15", sys.executable, "-m", "bench.counts", *words]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        cases: dict[str, Any] = json.loads(ran.stdout)["cases"]
        for name, case in cases.items():
            low = least.setdefault(name, case["counted"])
            least[name] = {measure: min(low[measure], number) for measure, number in case["counted"].items()}
        if not above(least):
            break
        print(json.dumps(cases, indent=1, ensure_ascii=False))
        if url:
            asyncio.run(clear_database(url))
    return least


@pytest.fixture(scope="module")
def on_sqlite() -> Counted:
    return _count(str(AT_ONCE), str(OLDER))


def _hold(counted: Counted, names: set[str], cases: Cases) -> None:
    for name in names:
        for measure, limit in LIMITS[name].items():
            with cases.case(f"{name}: {measure}"):
                assert counted[name][measure] <= limit
                assert counted[name][measure] or not limit


def test_a_small_document_there_and_back_costs_no_more_than_it_may(on_sqlite: Counted, cases: Cases) -> None:
    """Many at once, one at a time, and in calls of functions."""
    _hold(on_sqlite, set(LIMITS) - {"server", "pair"}, cases)


def test_a_document_costs_the_same_however_long_the_register_is(on_sqlite: Counted) -> None:
    """On a database as the product makes it, with the figures that it has."""
    first, grown = (on_sqlite[name]["instructions"] for name in ("at_once", "grown"))

    assert 0 < grown <= GROWS * first


def test_a_document_on_a_server_costs_no_more_calls_to_it_than_it_may(
    postgres_url: str, cases: Cases
) -> None:
    _hold(_count("--server", postgres_url, url=postgres_url), {"server"}, cases)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_document_on_a_server_and_a_broker_costs_no_more_than_it_may(cases: Cases) -> None:
    if not servers.installed():
        missing("RabbitMQ and PostgreSQL are needed here; `make test` installs them where it may")
    _hold(_count("--pair"), {"pair"}, cases)
