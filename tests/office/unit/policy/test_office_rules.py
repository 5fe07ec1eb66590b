"""A rule meets a letter where all parts of its condition hold, in any spelling; words of a sealed letter stay unread."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.document import InState, Urgency
from gateway.domain.text import bare_words
from gateway_office.policy.office_rules import (
    MOST_DAYS,
    MOST_PEOPLE,
    LetterTraits,
    OfficeRule,
    RuleActs,
    RuleCondition,
    find_faults,
    meets,
    traits_of,
)
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.stores import incoming

WORDS = ("báo cáo", "y tế", "dự toán", "năm", "2026", "đê điều")
CODES = ("H26", "H26.01", "H26.01.02", "H2", "G01")
TYPES = ("Công văn", "Quyết định")
subjects = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
conditions = st.builds(
    RuleCondition,
    sender=st.sampled_from(("", *CODES)),
    below=st.booleans(),
    type_name=st.sampled_from(("", *TYPES)),
    words=subjects,
    urgency=st.sampled_from(Urgency),
)


@st.composite
def letters(draw: st.DrawFn) -> LetterTraits:
    document = incoming(
        ManualClock(),
        sender_code=draw(st.sampled_from(CODES)),
        type_name=draw(st.sampled_from(TYPES)),
        subject=draw(subjects),
        urgency=draw(st.sampled_from(Urgency)),
    )
    return traits_of(document)


def rule(condition: RuleCondition, acts: RuleActs, **more: Any) -> OfficeRule:
    values: dict[str, Any] = {
        "id": "rul_1",
        "name": "Y tế",
        "position": 1,
        "made_by": "",
        "made_at": datetime(2026, 11, 1, tzinfo=UTC),
    }
    return OfficeRule(condition=condition, acts=acts, **values | more)


@given(letter=letters(), condition=conditions)
def test_a_rule_meets_a_letter_exactly_where_each_part_holds_by_itself(
    letter: LetterTraits, condition: RuleCondition
) -> None:
    own, code = letter.sender.split("."), condition.sender.lower().split(".")
    parts = [
        not condition.sender or own == code or (condition.below and own[: len(code)] == code),
        not condition.type_name or bare_words(condition.type_name) == bare_words(letter.type_name),
        all(word in letter.words for word in bare_words(condition.words)),
        letter.urgency >= condition.urgency,
    ]

    assert meets(letter, condition) is all(parts)


@given(letter=letters(), condition=conditions)
def test_no_spelling_of_a_condition_or_a_letter_changes_the_answer(
    letter: LetterTraits, condition: RuleCondition
) -> None:
    shouted = replace(
        condition,
        words=f"  {condition.words.upper()} ",
        type_name=condition.type_name.upper(),
        sender=condition.sender.lower(),
    )
    bare = replace(condition, words=" ".join(reversed(bare_words(condition.words))))

    assert meets(letter, shouted) is meets(letter, bare) is meets(letter, condition)


def test_all_words_are_needed_and_a_branch_begins_at_a_dot(cases: Cases) -> None:
    letter = traits_of(incoming(ManualClock(), sender_code="H26.01", subject="Báo cáo về y tế"))
    rows = (
        (RuleCondition(words="y tế báo cáo"), True),
        (RuleCondition(words="y tế dự toán"), False),
        (RuleCondition(sender="h26", below=True), True),
        (RuleCondition(sender="H26"), False),
        (RuleCondition(sender="H26.01"), True),
        (RuleCondition(sender="H2", below=True), False),
        (RuleCondition(sender="H26.0", below=True), False),
        (RuleCondition(words="báo"), True),
        (RuleCondition(words="bá"), False),
    )

    def check(row: tuple[RuleCondition, bool]) -> None:
        assert meets(letter, row[0]) is row[1]

    cases.check_rows(rows, check)


def test_the_words_of_a_sealed_letter_are_not_looked_at() -> None:
    letter = incoming(ManualClock(), subject="Về y tế")
    condition = RuleCondition(words="y tế")

    assert meets(traits_of(letter), condition)
    assert not meets(traits_of(replace(letter, state=InState.SEALED)), condition)


def test_a_rule_needs_a_name_a_condition_and_an_act(cases: Cases) -> None:
    words, acts = RuleCondition(words="y tế"), RuleActs(tag="Y tế")
    many = tuple(f"prn_{n}" for n in range(MOST_PEOPLE + 1))
    rows: tuple[tuple[OfficeRule, list[tuple[str, str]]], ...] = (
        (rule(words, acts), []),
        (rule(RuleCondition(urgency=Urgency.URGENT), RuleActs(people=many[:1])), []),
        (rule(words, RuleActs(unit="Phòng", days=MOST_DAYS)), []),
        (rule(words, acts, name=" – "), [("name", "name")]),
        (rule(words, acts, name="y" * 81), [("name", "name")]),
        (rule(RuleCondition(words="…"), acts), [("subject", "words")]),
        (rule(RuleCondition(below=True), acts), [("sender", "condition")]),
        (rule(words, RuleActs(mails=True)), [("unit", "acts")]),
        (rule(words, RuleActs(tag="Y tế", days=3)), [("days", "days")]),
        (rule(words, RuleActs(unit="Phòng", days=0)), [("days", "days")]),
        (rule(words, RuleActs(unit="Phòng", days=MOST_DAYS + 1)), [("days", "days")]),
        (rule(words, RuleActs(people=many)), [("people", "people")]),
    )

    def check(row: tuple[OfficeRule, list[tuple[str, str]]]) -> None:
        assert find_faults(row[0]) == row[1]

    cases.check_rows(rows, check)
