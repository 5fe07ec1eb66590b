"""The measurements that bring up a PostgreSQL and a RabbitMQ of their own, in the smallest form of their commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bench import __main__ as bench
from bench import servers
from tests.support.services import missing

pytestmark = [pytest.mark.timeout(600)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that is not below pytest's own, which is closed to the user that PostgreSQL runs as."""
    if not servers.installed():
        missing("RabbitMQ and PostgreSQL are needed here; `make test` installs them where it may")
    with TemporaryDirectory(prefix="gateway-bench-test-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


def test_workers_and_a_burst_run_on_servers_of_their_own_and_do_nothing_twice(folder: Path) -> None:
    """The two share their numbers where these have the same names."""
    burst = (
        "--grounds postgresql --per-second 4 --seconds 1 --most 4 --at-once 2 --large 1 --large-size 1000000"
    )
    words = f"workers burst --documents 48 --rounds 1 {burst}"  # more than go in one pass

    assert bench.main([*words.split(), "--out", str(folder / "out"), "--folder", str(folder)]) == 0

    (run,) = (folder / "out").iterdir()
    figures = {
        name: table["figures"] for name, table in json.loads((run / "run.json").read_text())["tables"].items()
    }
    assert figures["workers"]["twice"] == 0
    row = figures["burst"]["grounds"]["postgresql"]
    assert row["once"]
    assert row["processes"] == 2
    assert set(row["cpu_ms"]) == {"load", "node", "database", "broker"}
