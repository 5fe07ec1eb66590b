"""The soak runs with small numbers here, and with large ones by `make soak`: documents go between two nodes while
processes, lines and servers are hurt. Its seed is that of the run of tests; the same seed repeats a run. Pytest shows
the progress of a run that fails."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.soak import report
from bench.soak.plan import Plan, home
from bench.soak.run import soak
from bench.soak.switches import LOST
from tests.services import postgres, rabbit
from tests.support.services import missing

N, KILLS = 300, 10

pytestmark = [pytest.mark.timeout(1200)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder outside of pytest's own, which PostgreSQL, under its own user, could not enter."""
    with tempfile.TemporaryDirectory(prefix="gateway-soak-", ignore_cleanup_errors=True) as path:
        yield Path(path)


@pytest.fixture
def plan(seed: int) -> Plan:
    """Return a plan with the embedded axis and SQLite, on a disk that fills up."""
    return Plan(n=60, kills=6, seed=seed, patience_s=240)


async def test_nothing_is_lost_or_doubled_on_broker_and_server(
    folder: Path, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (rabbit.installed() and postgres.installed()):
        missing("RabbitMQ and PostgreSQL are needed for the soak; `make test` installs them where it may")

    result = await soak(replace(plan, n=N, kills=KILLS, axis="amqp", database="postgresql"), folder, print)

    report_text = "\n".join(report.lines(result))
    with capsys.disabled():
        print(f"\n{report_text}", flush=True)
    assert result.findings.clean, report_text
    assert len(result.ledger.sent) == N
    assert result.injector.counts.total() == KILLS


async def test_nothing_is_lost_or_doubled_on_one_machine(folder: Path, plan: Plan) -> None:
    result = await soak(plan, folder, print)

    assert result.findings.clean, "\n".join(report.lines(result))
    assert result.findings.sent == result.ledger.deliveries >= plan.n


async def test_a_node_whose_axis_loses_what_it_took_is_found_out(folder: Path, plan: Plan) -> None:
    """The soak can fail: everything that the node `south` sends is promised and dropped."""
    switch = folder / "switches" / "south" / LOST
    switch.parent.mkdir(parents=True)
    switch.touch()

    result = await soak(replace(plan, n=12, kills=0, silence_s=3), folder, print)

    from_south = [letter for letter in result.ledger.sent.values() if home(letter.sender) == "south"]
    assert len(result.findings.lost) == sum(len(letter.recipients) for letter in from_south) > 0
    assert any("not at rest" in problem for problem in result.findings.unexplained)
    assert not result.findings.clean
