"""A change of the organisation at the command line: read from JSON in the spelling of the registry, with its units in one
decision, the totals before everything else."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
import typer

from gateway.cli import registry_change as form
from gateway.domain.registry_reform import QueuedMail, ReformKind, Target
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


def test_a_change_is_read_with_codes_in_capitals_and_its_texts_tidied() -> None:
    fields = {
        "kind": "split",
        "sources": ["z91.01"],
        "targets": [
            {"code": "z91.08", "name": " Sở Một", "parent": "z91"},
            {"code": "Z91.09", "name": "Sở Hai"},
        ],
        "decision": {"number": " 12/QĐ-UBND ", "issued_on": "2026-11-01", "issuer": "UBND"},
        "effective_on": "2027-07-01",
        "triage": True,
        "queued": "return",
    }

    reform = form.parse_reform(fields)

    assert (reform.kind, reform.sources, reform.effective_on) == (
        ReformKind.SPLIT,
        ("Z91.01",),
        date(2027, 7, 1),
    )
    assert reform.targets == (
        Target(code="Z91.08", name="Sở Một", parent="Z91"),
        Target(code="Z91.09", name="Sở Hai"),
    )
    assert (reform.triage, reform.mail_to, reform.queued) == (True, None, QueuedMail.RETURN)
    assert (reform.decision.number, reform.decision.issued_on) == ("12/QĐ-UBND", date(2026, 11, 1))


def test_what_is_no_change_is_refused_by_field() -> None:
    refused: list[object] = [[], {}, {"kind": "melt"}, {"kind": "merge", "sources": ["Z91"] * 201}]
    refused += ["text", None, {"steps": [{"kind": "merge"}] * 501}, {"steps": ["merge"]}]
    for fields in refused:
        with pytest.raises(typer.BadParameter):
            form.parse_reform(fields)


def test_steps_have_the_decision_and_the_day_of_their_reform() -> None:
    decision = {"number": "12/QĐ-UBND", "issued_on": "2026-11-01", "issuer": "UBND"}
    steps = [
        {"kind": "merge", "sources": ["z91.03"], "targets": [{"code": "z91.01"}]},
        {"kind": "move", "sources": ["z91.03.01"], "parent": "z91.01"},
    ]

    plan = form.parse_reform({"decision": decision, "effective_on": "2027-07-01", "steps": steps})

    assert [(step.kind, step.sources, step.effective_on) for step in plan.steps] == [
        (ReformKind.MERGE, ("Z91.03",), date(2027, 7, 1)),
        (ReformKind.MOVE, ("Z91.03.01",), date(2027, 7, 1)),
    ]
    assert (plan.kind, plan.ended, plan.steps[1].parent) == (ReformKind.REORGANISE, ("Z91.03",), "Z91.01")
    assert {step.decision for step in plan.steps} == {plan.decision}
