"""The soak itself with small numbers, as `make soak` runs it with large ones: documents between two nodes while processes,
lines and servers are hurt. Its seed and its report are printed; a run is told again with the same seed. How far it is goes
to pytest, which tells it of a run that fails."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
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
# Another seed each time finds more than the same one does; this names one that failed.
SEED = "GATEWAY_SOAK_SEED"

pytestmark = [pytest.mark.timeout(1200)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's own, which nobody else may enter: PostgreSQL runs as a user of its own."""
    with tempfile.TemporaryDirectory(prefix="gateway-soak-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Past pytest's capture: a seed that is only shown after a failure is lost when the run is killed."""

    def told(words: str) -> None:
        with capsys.disabled():
            print(words, flush=True)

    return told


def _plan(n: int, kills: int, axis: str, database: str) -> Plan:
    seed = int(os.environ.get(SEED) or secrets.randbelow(10**6))
    return Plan(n=n, kills=kills, seed=seed, axis=axis, database=database, patience_s=240)


async def test_nothing_is_lost_or_doubled_on_broker_and_server(
    folder: Path, say: Callable[[str], None]
) -> None:
    if not (rabbit.installed() and postgres.installed()):
        missing("RabbitMQ and PostgreSQL are needed for the soak; `make test` installs them where it may")
    plan = _plan(N, KILLS, "amqp", "postgresql")
    say(f"\n{report.heading(plan)}")

    result = await soak(plan, folder, print)

    told = "\n".join(report.lines(result))
    say(told)
    assert result.findings.clean, told
    assert len(result.ledger.sent) == N
    assert result.injector.counts.total() == KILLS


async def test_nothing_is_lost_or_doubled_on_one_machine(folder: Path, say: Callable[[str], None]) -> None:
    """The embedded axis and SQLite, on a disk that fills up."""
    plan = _plan(60, 6, "embedded", "sqlite")
    say(f"\n{report.heading(plan)}")

    result = await soak(plan, folder, print)

    told = "\n".join(report.lines(result))
    assert result.findings.clean, told
    assert result.findings.sent == result.ledger.deliveries >= 60


async def test_a_node_whose_axis_loses_what_it_took_is_found_out(
    folder: Path, say: Callable[[str], None]
) -> None:
    """The soak can fail: everything that the node `south` sends is promised and dropped."""
    plan = replace(_plan(12, 0, "embedded", "sqlite"), silence_s=3)
    switch = folder / "switches" / "south" / LOST
    switch.parent.mkdir(parents=True)
    switch.touch()

    result = await soak(plan, folder, print)

    from_south = [one for one in result.ledger.sent.values() if home(one.sender) == "south"]
    assert len(result.findings.lost) == sum(len(one.recipients) for one in from_south) > 0
    assert any("not at rest" in each for each in result.findings.unexplained)
    assert not result.findings.clean
