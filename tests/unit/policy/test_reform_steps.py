"""One decision with many steps: a merger with the units below it, each step on what the one before leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from gateway.domain.registry_change import Life, RegistryView
from gateway.domain.registry_reform import Reform, ReformKind, Target
from gateway.policy.reform import MOST_STEPS, ReformPlan, add_unit_moves, join_steps, plan_reform
from tests.unit.policy.test_reform import DAY, JULY, TODAY, lives, new, reform

UNITS = tuple(f"Z91.01.{n:02}" for n in range(1, 4))
LIVES_NOW = lives(
    "Z91",
    "Z91.01",
    "Z91.02",
    *UNITS,
    Z91_01="Z91",
    Z91_02="Z91",
    **dict.fromkeys(("Z91_01_01", "Z91_01_02", "Z91_01_03"), "Z91.01"),
)
BELOW = {"Z91.01": UNITS}
MERGER = reform(ReformKind.MERGE, "Z91.01", to=("Z91.02",))


def planned(change: Reform, lives_now: dict[str, Life] = LIVES_NOW) -> ReformPlan:
    return plan_reform(change, RegistryView(lives=lives_now, below=BELOW, queued={"Z91.01": 4}), TODAY)


def test_a_merger_takes_its_units_along_in_one_decision_on_one_registry_and_says_the_totals_first() -> None:
    merger = add_unit_moves(MERGER, BELOW)

    reform_plan = planned(merger)

    assert reform_plan.conflicts == ()
    assert {x.key for x in reform_plan.warnings} == {"code_says_otherwise"}, "no unit is left behind"
    assert [step.kind for step in merger.steps] == [ReformKind.MERGE, ReformKind.MOVE]
    assert reform_plan.lives_after["Z91.01"].record.valid_to == JULY - DAY
    assert reform_plan.lives_after["Z91.01"].record.successor == "Z91.02"
    assert {reform_plan.lives_after[unit].at(JULY).parent for unit in UNITS} == {"Z91.02"}
    assert {reform_plan.lives_after[unit].at(JULY - DAY).parent for unit in UNITS} == {"Z91.01"}
    assert reform_plan.sentences[0].key == "totals"
    params = reform_plan.sentences[0].params
    assert [params[name] for name in ("steps", "ended", "begun", "changed", "queued")] == [
        "2",
        "1",
        "0",
        "3",
        "4",
    ]
    assert [x.key for x in reform_plan.sentences].count("duty") == 1

    moved = {
        **LIVES_NOW,
        UNITS[2]: replace(LIVES_NOW[UNITS[2]], record=replace(LIVES_NOW[UNITS[2]].record, name="Ban khác")),
    }

    assert planned(merger).base != planned(merger, moved).base


def test_units_go_under_one_that_begins_in_the_same_decision_or_stay_as_it_says() -> None:
    change = reform(ReformKind.CONSOLIDATE, "Z91.01", "Z91.02", to=(new("Z91.31", parent="Z91"),))

    reform_plan = planned(add_unit_moves(change, BELOW))

    assert reform_plan.conflicts == ()
    assert {reform_plan.lives_after[unit].at(JULY).parent for unit in UNITS} == {"Z91.31"}
    assert reform_plan.lives_before["Z91.31"] is None

    steps = join_steps(
        [MERGER, reform(ReformKind.RECODE, UNITS[0], to=(Target(code="Z91.02.11", parent="Z91.02"),))]
    )

    assert add_unit_moves(steps, BELOW).steps[-1].sources == UNITS[1:]
    assert add_unit_moves(reform(ReformKind.DISSOLVE, "Z91.01"), BELOW).steps == ()

    (warning,) = planned(MERGER).warnings

    assert (warning.key, warning.params["count"]) == ("units_below", "3")
    steps_left = join_steps([MERGER, reform(ReformKind.MOVE, UNITS[0], parent="Z91.02")])
    (warning,) = [x for x in planned(steps_left).warnings if x.key == "units_below"]
    assert (warning.key, warning.params["count"]) == ("units_below", "2")


def test_what_stands_against_any_step_stands_against_the_whole_and_nothing_is_planned() -> None:
    twice = join_steps([MERGER, reform(ReformKind.RENAME, "Z91.01", name="Sở Tài chính")])

    reform_plan = planned(twice)

    assert {conflict.key for conflict in reform_plan.conflicts} == {"ends_already"}
    assert dict(reform_plan.lives_after) == {}


def test_a_step_is_of_the_whole_decision_and_day() -> None:
    """Not of another one, without steps of its own, without undecided mail; there are some, and not too many."""
    for step in (
        replace(MERGER, effective_on=date(2027, 8, 1)),
        replace(MERGER, decision=replace(MERGER.decision, number="13/QĐ-UBND")),
        join_steps([MERGER]),
        reform(ReformKind.SPLIT, "Z91.01", to=("Z91.02", new("Z91.31")), triage=True),
    ):
        reform_plan = planned(replace(join_steps([MERGER]), steps=(MERGER, step)))
        assert [(x.key, x.params["n"]) for x in reform_plan.conflicts] == [("bad_step", "2")]
    for steps in ((), (MERGER,) * (MOST_STEPS + 1)):
        reform_plan = planned(replace(join_steps([MERGER]), steps=steps))
        assert [conflict.key for conflict in reform_plan.conflicts] == ["too_many"]
