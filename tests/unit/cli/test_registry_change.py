"""A merger at the command line: with its units in one decision, the totals before everything else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Terminal

UNITS = 150
DECISION = {"number": "12/QD-UBND", "issued_on": "2026-11-01", "issuer": "UBND"}
CHANGE = {"decision": DECISION, "effective_on": "2031-07-01"}
STEP = {"kind": "merge", "sources": ["Z91.03"], "targets": [{"code": "Z91.04"}]}
MERGER = ("registry", "change", "plan", "--file", "merger.json", "--lang", "en")


@pytest.fixture
def node(terminal: Terminal, tmp_path: Path) -> Terminal:
    terminal.type("init", "--data-dir", "state", "--code", "Z91.01", "--name", "Office", "--yes")
    units = "".join(f"Z91.03.{n:03},Unit {n},Z91.03\n" for n in range(1, UNITS + 1))
    (tmp_path / "codes.csv").write_text(f"code,name,parent\nZ91.03,Three,\nZ91.04,Four,\n{units}")
    assert terminal.type("registry", "import", "codes.csv", "--apply", "--yes").code == 0
    (tmp_path / "merger.json").write_text(json.dumps(CHANGE | STEP))
    return terminal


def test_a_table_of_codes_follows_the_steps_of_the_decision(node: Terminal, tmp_path: Path) -> None:
    (tmp_path / "decision.json").write_text(json.dumps(CHANGE | {"steps": []}))
    (tmp_path / "pairs.csv").write_text("old,new\nZ91.03.001,Z91.05\nZ91.03.002,Z91.06\n")
    command = ("registry", "change", "plan", "--file", "decision.json", "--codes", "pairs.csv", "-o", "json")

    plan = node.type(*command).json

    assert plan["conflicts"] == []
    assert {"Z91.03.001", "Z91.03.002", "Z91.05", "Z91.06"} <= {row["code"] for row in plan["rows"]}


def test_a_merger_with_its_units_says_the_totals_first_and_the_rest_on_request(node: Terminal) -> None:
    alone = node.type(*MERGER)
    assert f"! {UNITS} units are still under Z91.03" in alone.out

    with_units = node.type(*MERGER, "--with-units")
    assert with_units.code == 0
    first = next(line for line in with_units.out.splitlines() if line.startswith("·"))
    assert "2 steps in all" in first
    assert f"1 agencies end, 0 codes begin, {UNITS} change" in first
    assert "are still under" not in with_units.out
    assert "add --details" in with_units.err
    assert "Z91.03.150" not in with_units.out

    detailed = node.type(*MERGER, "--with-units", "--details")
    assert "~ Z91.03.150  Unit 150" in detailed.out
    assert "--details" not in detailed.err
    plan = node.type(*MERGER, "--with-units", "-o", "json").json
    assert len(plan["rows"]) == UNITS + 1
