"""Reforms on a registry in memory: every rule at its boundary, any sequence of them, and one decision with many steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain import registry_change
from gateway.domain.registry import PENDING_SCHEME, RowSource
from gateway.domain.registry_change import AgencyRecord, Life, RegistryView
from gateway.domain.registry_reform import (
    DecidingDocument,
    Reform,
    ReformKind,
    ReformRecord,
    ReformState,
    Target,
)
from gateway.policy import reform as rules
from gateway.policy import reform_words
from gateway.policy.reform import (
    MOST_STEPS,
    BuiltOn,
    ReformPlan,
    add_unit_moves,
    join_steps,
    plan_reform,
    plan_step,
    undo_obstacles,
)
from tests.support.cases import Cases

DAY = timedelta(days=1)
TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
JULY = date(2027, 7, 1)
DECISION = DecidingDocument(number="12/QĐ-UBND", issued_on=date(2026, 11, 1), issuer="UBND tỉnh Z91")


def lives(*codes: str, **parents: str) -> dict[str, Life]:
    return {
        code: Life(
            record=AgencyRecord(code=code, name=f"Sở {code}", parent=parents.get(code.replace(".", "_")))
        )
        for code in codes
    }


def reform(kind: ReformKind, *sources: str, to: tuple[Target | str, ...] = (), **more: object) -> Reform:
    targets = tuple(target if isinstance(target, Target) else Target(code=target) for target in to)
    fields = {"decision": DECISION, "effective_on": JULY} | more
    return Reform(kind=kind, sources=sources, targets=targets, **fields)  # type: ignore[arg-type]


def new(code: str, **more: str) -> Target:
    return Target(code=code, **({"name": f"Sở mới {code}"} | more))


def applied(lives_now: Mapping[str, Life], *changes: Reform) -> dict[str, Life]:
    now = dict(lives_now)
    for change in changes:
        planned = plan_step(change, RegistryView(lives=now), TODAY)
        assert planned.conflicts == ()
        now |= planned.lives_after
    return now


def keys(change: Reform, lives_now: Mapping[str, Life], **view: object) -> set[str]:
    step_plan = plan_step(change, RegistryView(lives=lives_now, **view), TODAY)  # type: ignore[arg-type]
    return {conflict.key for conflict in step_plan.conflicts}


# --- what each kind does ----------------------------------------------------------------------------------------


def test_a_body_without_a_code_gets_one_by_a_recode_and_keeps_what_was_prepared() -> None:
    prepared = AgencyRecord(
        code="CHO-01", name="Sở Sắp có", parent="Z91", valid_from=date(2027, 1, 1), scheme=PENDING_SCHEME
    )
    old = lives("Z91") | {"CHO-01": Life(record=prepared)}

    new = applied(old, reform(ReformKind.RECODE, "CHO-01", to=("Z91.15",)))

    assert new["Z91.15"].record == AgencyRecord(
        code="Z91.15", name="Sở Sắp có", parent="Z91", valid_from=JULY, decision=str(DECISION)
    )
    assert (new["CHO-01"].record.successor, new["CHO-01"].record.valid_to) == ("Z91.15", JULY - DAY)
    assert new["CHO-01"].record.scheme == PENDING_SCHEME
    early = reform(ReformKind.RECODE, "CHO-01", to=("Z91.15",), effective_on=date(2026, 12, 31))
    assert keys(early, old) == {"not_begun"}
    first_day = applied(old, replace(early, effective_on=date(2027, 1, 1)))
    assert first_day["Z91.15"].record.valid_from == date(2027, 1, 1)
    assert (first_day["CHO-01"].record.valid_from, first_day["CHO-01"].record.successor) == (None, "Z91.15")
    # Mail cannot go to it before it has its code.
    merger = reform(ReformKind.MERGE, "Z91.01", to=("CHO-01",))
    assert keys(merger, old | lives("Z91.01")) == {"heir_without_code"}


def test_a_rename_a_move_a_recode_and_a_split_hold_from_their_day_on() -> None:
    lives_by_code = applied(
        lives("Z91.01", "Z92"),
        reform(ReformKind.RENAME, "Z91.01", name="Sở Tài chính"),
        reform(ReformKind.MOVE, "Z91.01", parent="Z92"),
    )["Z91.01"]
    assert (lives_by_code.at(JULY - DAY).name, lives_by_code.at(JULY - DAY).parent) == ("Sở Z91.01", None)
    for day in (JULY, date.max):
        assert (lives_by_code.at(day).name, lives_by_code.at(day).parent) == ("Sở Tài chính", "Z92")

    turned = applied(lives("Z91.01"), reform(ReformKind.RECODE, "Z91.01", to=(Target(code="Z91.51"),)))

    assert turned["Z91.01"].record.valid_to == JULY - DAY
    assert turned["Z91.51"].record.valid_from == JULY
    assert turned["Z91.51"].record.name == "Sở Z91.01"
    assert registry_change.heir_on(turned, "Z91.01", JULY) == "Z91.51"

    turned = applied(lives("Z91.01"), reform(ReformKind.SPLIT, "Z91.01", to=("Z91.01", new("Z91.08"))))

    assert turned["Z91.01"].record.valid_to is None
    assert turned["Z91.08"].record.valid_from == JULY


def test_what_ends_has_its_last_day_and_its_successor() -> None:
    both, parts = {"Z91.01", "Z91.02"}, (new("Z91.08"), new("Z91.09"))
    rows: list[tuple[Reform, set[str], str | None]] = [
        (reform(ReformKind.MERGE, "Z91.01", "Z91.02", to=("Z91.03",)), both, "Z91.03"),
        (reform(ReformKind.CONSOLIDATE, "Z91.01", "Z91.02", to=(new("Z91.09"),)), both, "Z91.09"),
        (reform(ReformKind.SPLIT, "Z91.01", to=parts, mail_to="Z91.09"), {"Z91.01"}, "Z91.09"),
        (reform(ReformKind.SPLIT, "Z91.01", to=parts, triage=True), {"Z91.01"}, None),
        (reform(ReformKind.DISSOLVE, "Z91.01"), {"Z91.01"}, None),
        (reform(ReformKind.DISSOLVE, "Z91.01", to=("Z91.03",)), {"Z91.01"}, "Z91.03"),
    ]
    for change, ended, successor in rows:
        lives_by_code = applied(lives("Z91.01", "Z91.02", "Z91.03"), change)
        assert {code for code, life in lives_by_code.items() if life.record.valid_to == JULY - DAY} == ended
        assert {lives_by_code[code].record.successor for code in ended} == {successor}


def test_a_starter_row_that_two_people_changed_may_refuse() -> None:
    lives_now = {"Z91": Life(record=AgencyRecord(code="Z91", name="Tỉnh Z91"), source=RowSource.STARTER)}

    lives_by_code = applied(lives_now, reform(ReformKind.DISSOLVE, "Z91"))

    assert lives_by_code["Z91"].source is RowSource.IMPORTED


# --- conflicts --------------------------------------------------------------------------------------------------


def test_what_cannot_be_is_named(cases: Cases) -> None:
    """R75 (form of a code), R82 (codes are unique for ever)."""
    parts = (new("Z91.08"), new("Z91.09"))
    rows = [
        (reform(ReformKind.RENAME, "Z91.77", name="Sở Tài chính"), "unknown"),
        (reform(ReformKind.RENAME, "Z91.01", name=" "), "bad_name"),
        (reform(ReformKind.RENAME, "Z91.01", name="Sở Z91.01"), "same_name"),
        (reform(ReformKind.RENAME, "Z91.01", "Z91.02", name="Sở Tài chính"), "shape"),
        (reform(ReformKind.RECODE, "Z91.01", to=("Z91.02",)), "taken"),
        (reform(ReformKind.RECODE, "Z91.01", to=(Target(code="z91.9"),)), "bad_code"),
        (reform(ReformKind.RECODE, "Z91.01", to=(Target(code="000.00.09.Z91"),)), "old_form"),
        (reform(ReformKind.MERGE, "Z91.01", to=("Z91.01",)), "repeated"),
        (reform(ReformKind.MERGE, "Z91.01", to=(new("Z91.09"),)), "unknown"),
        (reform(ReformKind.CONSOLIDATE, "Z91.01", to=(new("Z91.09"),)), "shape"),
        (reform(ReformKind.CONSOLIDATE, "Z91.01", "Z91.02", to=("Z91.03",)), "taken"),
        (reform(ReformKind.SPLIT, "Z91.01", to=parts), "mail_rule"),
        (reform(ReformKind.SPLIT, "Z91.01", to=parts, mail_to="Z91.02"), "mail_not_heir"),
        (reform(ReformKind.SPLIT, "Z91.01", to=parts, mail_to="Z91.08", triage=True), "mail_rule"),
        (reform(ReformKind.MOVE, "Z91.01", parent="Z91.01"), "parent_circle"),
        (reform(ReformKind.MOVE, "Z91.01", parent="Z95"), "unknown"),
        (reform(ReformKind.MOVE, "Z91.01"), "no_parent"),
        (reform(ReformKind.CREATE, to=(new("Z91.09", parent="Z95"),)), "unknown"),
        (reform(ReformKind.CREATE, to=(new("Z91.09", alias="000.00.05.Z91"),)), "alias_taken"),
        (reform(ReformKind.CREATE, to=(Target(code="Z91.09"),)), "bad_name"),
        (reform(ReformKind.DISSOLVE, "Z91.01", decision=replace(DECISION, number=" ")), "no_decision"),
        (reform(ReformKind.DISSOLVE, "Z91.01", decision=replace(DECISION, issued_on=None)), "no_decision"),
    ]
    for change, expected in rows:
        with cases.case((expected, change)):
            lives_now = lives("Z91.01", "Z91.02", "Z91.03")
            assert expected in keys(change, lives_now, aliases={"000.00.05.Z91": "Z91.05"})


def test_a_code_that_ended_is_neither_changed_nor_given_again_and_two_mergers_are_no_circle() -> None:
    lives_now = applied(lives("Z91.01", "Z91.02"), reform(ReformKind.DISSOLVE, "Z91.01"))
    next_day: Any = {"effective_on": JULY + DAY}

    assert keys(reform(ReformKind.RENAME, "Z91.01", name="Sở mới", **next_day), lives_now) == {"ends_already"}
    assert keys(reform(ReformKind.CREATE, to=(new("Z91.01"),), **next_day), lives_now) == {"taken"}
    assert keys(reform(ReformKind.MERGE, "Z91.02", to=("Z91.01",), **next_day), lives_now) == {
        "heir_not_in_force"
    }

    lives_now = applied(lives("Z91.01", "Z91.02"), reform(ReformKind.MERGE, "Z91.01", to=("Z91.02",)))

    conflict_keys = keys(
        reform(ReformKind.MERGE, "Z91.02", to=("Z91.01",), effective_on=JULY - 5 * DAY), lives_now
    )

    assert conflict_keys == {"successor_circle"}

    lives_now = applied(
        lives("Z91.01", "Z91.02"), reform(ReformKind.MOVE, "Z91.01", parent="Z91.02", effective_on=JULY + DAY)
    )

    assert keys(reform(ReformKind.MOVE, "Z91.02", parent="Z91.01"), lives_now) == {"parent_circle"}


def test_a_plan_on_another_registry_or_before_a_planned_change_is_refused() -> None:
    lives_now = applied(lives("Z91.01"), reform(ReformKind.RENAME, "Z91.01", name="Sở Một"))

    earlier = reform(ReformKind.RENAME, "Z91.01", name="Sở Hai", effective_on=JULY - DAY)

    assert keys(earlier, lives_now) == {"turned_later"}
    assert keys(replace(earlier, effective_on=JULY), lives_now) == set()
    assert keys(reform(ReformKind.DISSOLVE, "Z91.01"), lives_now) == {"turned_later"}
    assert keys(reform(ReformKind.DISSOLVE, "Z91.01", effective_on=JULY + DAY), lives_now) == set()

    lives_now = lives("Z91.01", "Z91.02")
    change = plan_step(
        reform(ReformKind.MERGE, "Z91.01", to=("Z91.02",)), RegistryView(lives=lives_now), TODAY
    ).ready
    other = lives_now | {"Z91.02": Life(record=replace(lives_now["Z91.02"].record, name="Sở khác"))}

    assert rules.check_base(change, plan_step(change, RegistryView(lives=lives_now), TODAY)) is None
    assert rules.check_base(change, plan_step(change, RegistryView(lives=other), TODAY)) is not None


# --- undoing, the duty ------------------------------------------------------------------------------------------


def record(change: Reform, at: datetime = NOW) -> ReformRecord:
    return ReformRecord(
        id="prp_1",
        reform=change,
        state=ReformState.APPROVED,
        proposed_by="a",
        approved_by="b",
        approved_at=at,
    )


def test_a_reform_is_undone_for_seven_days_and_reported_by_the_16th() -> None:
    """R80 (reforms are reported), T16 (reform)."""
    change = reform(ReformKind.MERGE, "Z91.01", to=("Z91.02",))
    planned = plan_step(change, RegistryView(lives=lives("Z91.01", "Z91.02")), TODAY)
    view = RegistryView(lives=lives("Z91.01", "Z91.02") | dict(planned.lives_after))
    for age, allowed in ((7 * DAY, True), (7 * DAY + timedelta(seconds=1), False)):
        obstacles = undo_obstacles(
            record(change), planned.lives_before, planned.lives_after, view, BuiltOn(), NOW + age
        )
        assert (obstacles == ()) is allowed

    urgencies = {1: "open", 10: "open", 11: "soon", 16: "soon", 17: "late"}
    dissolved = [record(reform(ReformKind.DISSOLVE, "Z91.01"))]
    assert not list(reform_words.report_duties(dissolved, date(2027, 6, 30)))
    for day, urgency in urgencies.items():
        (duty,) = reform_words.report_duties(dissolved, date(2027, 7, day))
        assert (str(duty.urgency), duty.due_on) == (urgency, date(2027, 7, 16))


def test_undoing_a_move_that_another_leans_on_is_refused_where_it_would_close_a_circle() -> None:
    # 01 stood under 02, and moved away; then 02 went below 01 by way of 03.
    lives_now = lives("Z91.01", "Z91.02", "Z91.03", "Z92", Z91_01="Z91.02", Z91_03="Z91.01")
    first = plan_step(reform(ReformKind.MOVE, "Z91.01", parent="Z92"), RegistryView(lives=lives_now), TODAY)
    moved = applied(lives_now | dict(first.lives_after), reform(ReformKind.MOVE, "Z91.02", parent="Z91.03"))

    obstacles = undo_obstacles(
        record(first.reform), first.lives_before, first.lives_after, RegistryView(lives=moved), BuiltOn(), NOW
    )

    assert [obstacle.key for obstacle in obstacles] == ["parent_circle"]


# --- any sequence -----------------------------------------------------------------------------------------------

CODES = tuple(f"Z91.0{n}" for n in range(1, 6))
FRESH = tuple(f"Z91.1{n}" for n in range(1, 6))
DAYS = st.integers(0, 12).map(lambda n: JULY + n * DAY)


@st.composite
def reforms(draw: st.DrawFn) -> Reform:
    code_strategy = st.sampled_from(CODES + FRESH)
    code, other, third = draw(code_strategy), draw(code_strategy), draw(code_strategy)
    fresh = draw(st.sampled_from(FRESH))
    on = draw(DAYS)
    choices = [
        reform(ReformKind.RENAME, code, name=f"Sở {draw(st.integers(0, 3))}"),
        reform(ReformKind.RECODE, code, to=(Target(code=fresh),)),
        reform(ReformKind.MERGE, code, to=(other,)),
        reform(ReformKind.MERGE, code, other, to=(third,)),
        reform(ReformKind.CONSOLIDATE, code, other, to=(new(fresh),)),
        reform(ReformKind.SPLIT, code, to=(other, new(fresh)), mail_to=fresh),
        reform(ReformKind.SPLIT, code, to=(other, new(fresh)), triage=True),
        reform(ReformKind.SPLIT, code, to=(code, new(fresh))),
        reform(ReformKind.DISSOLVE, code),
        reform(ReformKind.DISSOLVE, code, to=(other,)),
        reform(ReformKind.MOVE, code, parent=other),
        reform(ReformKind.CREATE, to=(new(fresh, parent=other),)),
    ]
    return replace(draw(st.sampled_from(choices)), effective_on=on)


@settings(max_examples=250, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(reforms(), st.integers(0, 20)), max_size=14))
def test_any_sequence_leaves_one_answer_or_a_named_refusal_for_each_code_and_day(
    steps: list[Reform | int],
) -> None:
    """A number undoes one of the reforms before it, where that may be."""
    now: dict[str, Life] = lives(*CODES)
    plans: list[rules.ReformPlan] = []
    ever: set[str] = set(now)
    for step in steps:
        if isinstance(step, Reform):
            planned = plan_step(step, RegistryView(lives=now), TODAY)
            if planned.conflicts:
                assert not planned.lives_after
                continue
            now, plans = now | dict(planned.lives_after), [*plans, planned]
            ever |= now.keys()
        elif plans:
            now, plans = _undone(now, plans, step % len(plans))
        _check_chains(now)


def _undone(
    now: dict[str, Life], plans: list[rules.ReformPlan], n: int
) -> tuple[dict[str, Life], list[rules.ReformPlan]]:
    undone = plans[n]
    built = BuiltOn(
        reforms=[
            str(m) for m, x in enumerate(plans) if m > n and set(x.reform.codes) & set(undone.reform.codes)
        ],
        rows=[
            code
            for code in undone.lives_after
            if undone.lives_before[code] is None
            and any(
                code in (life.record.parent, life.record.successor, *(x.parent for x in life.former))
                for other, life in now.items()
                if other not in undone.lives_after
            )
        ],
    )
    refused = undo_obstacles(
        record(undone.reform), undone.lives_before, undone.lives_after, RegistryView(lives=now), built, NOW
    )
    if refused:
        return now, plans
    restored = {code: life for code, life in now.items() if code not in undone.lives_before}
    restored |= {code: life for code, life in undone.lives_before.items() if life is not None}
    if n == len(plans) - 1:
        replayed = plan_step(undone.reform, RegistryView(lives=restored), TODAY)
        assert dict(replayed.lives_after) == dict(undone.lives_after), (
            "undoing the last one restores what it was planned on"
        )
    return restored, plans[:n] + plans[n + 1 :]


def _check_chains(now: Mapping[str, Life]) -> None:
    """Check that each code is in force, not begun, or closed with a chain that ends, on each day; no parent comes back."""
    for code, life in now.items():
        first, last = life.record.valid_from, life.record.valid_to
        assert first is None or last is None or first <= last + DAY
        assert [x.until for x in life.former] == sorted({x.until for x in life.former})
        chain = list(registry_change.successors(now, code))
        assert code not in chain
        assert len(set(chain)) == len(chain)
        assert all(heir in now for heir in chain)
        if life.record.successor is not None:
            assert chain, "a successor that is stated leads somewhere"
            assert now[chain[-1]].record.successor is None, "the chain ends by itself, not at a circle"
        for n in range(14):
            on = JULY + n * DAY
            assert life.at(on).name
            above = list(registry_change.parents_of(now, code, on))
            assert len(set(above)) == len(above)
            assert code not in above


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
