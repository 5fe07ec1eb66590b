"""A maintenance that an operator states: on a node that is stopped, with what it refuses, shows and records."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gateway.clock import SystemClock
from gateway.domain.wall_clock import local
from tests.support.packets import PDF
from tests.unit.cli.conftest import Terminal, set_up
from tests.unit.cli.test_audit import sealed


def test_a_stopped_node_is_put_under_maintenance_and_out_of_it_and_the_log_knows(terminal: Terminal) -> None:
    set_up(terminal)
    Path("letter.pdf").write_bytes(PDF)
    letter = ("send", "letter.pdf", "--to", "Z91.02", "--number", "1", "--symbol", "VP", "--subject", "A")
    end = local(SystemClock().now() + timedelta(hours=3)).replace(second=0, microsecond=0)
    end_text = f"{end:%Y-%m-%dT%H:%M}"
    assert terminal.type("maintenance", "-o", "json").json["state"] == "off"
    assert terminal.type("maintenance", "--until", "2020-01-01T06:00", "--yes").code == 2
    assert terminal.type("maintenance", "--until", end_text, "--dry-run").code == 0
    assert terminal.type("maintenance", "-o", "json").json["state"] == "off"

    stated = terminal.type("maintenance", "--until", end_text, "--reason", "Nâng cấp", "--yes", "-o", "json")

    assert stated.code == 0, stated.err
    assert (stated.json["state"], stated.json["until"], stated.json["reason"]) == (
        "on",
        end.isoformat(timespec="seconds"),
        "Nâng cấp",
    )
    refused = terminal.type(*letter, "-o", "json")
    assert refused.json["error"]["code"] == "GW-S-510", refused.err
    finding = [f for f in terminal.type("doctor", "-o", "json").json["checks"] if f["check"] == "maintenance"]
    assert [f["level"] for f in finding] == ["yellow"]
    assert f"{end:%H:%M %d/%m/%Y}" in terminal.type("status").out

    assert terminal.type("maintenance", "--end", "--yes", "-o", "json").json["state"] == "off"
    assert terminal.type(*letter, "-o", "json").json.get("error", {}).get("code") != "GW-S-510"
    sealed(1)
    events = terminal.type("audit", "search", "--subject", "maintenance", "-o", "json").json["data"]
    assert [event["kind"] for event in events] == ["node.maintenance", "node.maintenance_ended"]
