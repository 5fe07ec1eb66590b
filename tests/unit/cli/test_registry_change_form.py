"""A change as JSON becomes a reform in the spelling of the registry."""

from __future__ import annotations

from datetime import date

import pytest
import typer

from gateway.cli import registry_change as form
from gateway.domain.registry_reform import QueuedMail, ReformKind, Target


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
