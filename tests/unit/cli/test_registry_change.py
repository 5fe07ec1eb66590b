"""A merger at the command line: with its units in one decision, the totals before everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Terminal

UNITS = 150
MERGER = (
    *(
        "registry",
        "change",
        "plan",
        "merge",
        "--from",
        "Z91.03",
        "--to",
        "Z91.04",
        "--decision",
        "12/QD-UBND",
    ),
    *("--decided", "2026-11-01", "--issuer", "UBND", "--effective", "2031-07-01", "--lang", "en"),
)


@pytest.fixture
def node(terminal: Terminal, tmp_path: Path) -> Terminal:
    terminal.type("init", "--data-dir", "state", "--code", "Z91.01", "--name", "Office", "--yes")
    units = "".join(f"Z91.03.{n:03},Unit {n},Z91.03\n" for n in range(1, UNITS + 1))
    (tmp_path / "codes.csv").write_text(f"code,name,parent\nZ91.03,Three,\nZ91.04,Four,\n{units}")
    assert terminal.type("registry", "import", "codes.csv", "--apply", "--yes").code == 0
    return terminal


def test_a_merger_with_its_units_says_the_totals_first_and_the_rest_on_request(node: Terminal) -> None:
    alone = node.type(*MERGER)
    assert f"! {UNITS} units still stand under Z91.03" in alone.out

    with_units = node.type(*MERGER, "--with-units")
    assert with_units.code == 0
    first = next(line for line in with_units.out.splitlines() if line.startswith("·"))
    assert "2 steps in all" in first
    assert f"1 agencies end, 0 codes begin, {UNITS} change" in first
    assert "still stand under" not in with_units.out
    assert "add --details" in with_units.err
    assert "Z91.03.150" not in with_units.out

    detailed = node.type(*MERGER, "--with-units", "--details")
    assert "~ Z91.03.150  Unit 150" in detailed.out
    assert "--details" not in detailed.err
    plan = node.type(*MERGER, "--with-units", "-o", "json").json
    assert len(plan["rows"]) == UNITS + 1
