"""The report to attach when asking for help, of a node that works and of one that does not open."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.domain.pace import Beat
from tests.support.clock import ManualClock
from tests.support.node import opened
from tests.unit.cli.conftest import Terminal

SECRET, SUBJECT = "invented-and-secret", "Về việc"


@pytest.fixture
def node(tmp_path: Path, keys_away: None) -> Path:
    """A node with documents that wait, and a backup that was told of."""
    asyncio.run(waiting(tmp_path / "node"))
    file = tmp_path / "gateway.toml"
    file.write_text('[node]\nname = "demo"\ndata_dir = "node"\n[api]\nport = 18080\n', encoding="utf-8")
    return file


async def waiting(folder: Path) -> None:
    clock = ManualClock(datetime.now(UTC))
    async with opened(folder, clock) as town:
        await town._host()
        await town.send("14")
        await town.node.store.history.record([Beat(job="backup", at=clock.now())], [], clock.now())


def test_a_report_tells_names_and_figures_and_neither_values_nor_documents(
    terminal: Terminal, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_MAIL_PASSWORD", SECRET)

    run = terminal.type("doctor", "--report", "-o", "json")
    report = run.json

    assert {"node.data_dir", "api.port", "mail.password"} <= set(report["settings_not_default"])
    assert report["jobs"]["backup"]["state"] == "good"
    assert [queue["count"] for queue in report["queues"] if queue["queue"] == "job"] == [1]
    assert {check["check"] for check in report["checks"]} >= {"database", "disk", "clock"}
    assert SECRET not in run.out
    assert str(node.parent) not in json.dumps({**report, "checks": []})
    assert SUBJECT not in run.out
    lines = terminal.type("doctor", "--report").out.splitlines()  # which can be pasted
    assert {"node: demo", "jobs.backup.state: good", "settings_not_default: api.port"} <= set(lines)


def test_of_a_node_that_does_not_open_the_report_tells_what_it_can_and_why(
    terminal: Terminal, tmp_path: Path
) -> None:
    run = terminal.type("doctor", "--report", "-o", "json")

    assert run.code == 1
    assert run.json["does_not_open"].startswith("GW-C-")
    assert "queues" not in run.json
    assert list(tmp_path.iterdir()) == []
