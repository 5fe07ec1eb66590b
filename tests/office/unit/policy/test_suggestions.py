"""Suggestions from an office's own past: right more often than the last decision for the sender, with figures that are
counts of it, and none where it does not agree."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.text import bare_words, words_in_order
from gateway_office.policy.suggestions import MOST_DECISIONS, PastDecision, PastDecisions, Suggestion
from tests.office.support import office_year

FINANCE, PLANNING = "finance", "planning"


def past(
    choice: str, subject: str, n: int = 1, *, party: str = "so tai chinh", days: int | None = None
) -> list[PastDecision]:
    return [
        PastDecision(
            document_id=f"{choice}-{subject}-{party}-{k}",
            choice=choice,
            days=days,
            party=party,
            words=f" {' '.join(bare_words(subject))} ",
        )
        for k in range(n)
    ]


def suggested(
    decisions: Iterable[PastDecision], subject: str, *, party: str = "so tai chinh", unopened: str = ""
) -> Suggestion | None:
    open_choices = {FINANCE, PLANNING} - {unopened}
    return PastDecisions(decisions).suggest(bare_words(subject), party, open_choices)


def test_in_a_year_of_an_office_the_past_is_right_much_more_often_than_the_last_decision_for_the_sender() -> (
    None
):
    year = office_year.decisions(seed=20261130)
    right = right_by_last = silent = wrong = 0
    for n in random.Random(1).sample(range(1_000, len(year)), k=60):
        letter, decisions = year[n], year[max(n - MOST_DECISIONS, 0) : n][::-1]
        subject = words_in_order(letter.words)[2:]
        suggestion = PastDecisions(decisions).suggest(subject, letter.party, office_year.UNITS)
        last = next((d.choice for d in decisions if d.party == letter.party), None)
        right += suggestion is not None and suggestion.choice == letter.choice
        wrong += suggestion is not None and suggestion.choice != letter.choice
        silent += suggestion is None
        right_by_last += last == letter.choice

    assert right >= right_by_last + 6  # ten points of 60
    assert wrong <= 0.25 * (right + wrong)
    assert silent <= 10


def test_labels_that_half_of_the_matters_carry_are_suggested_for_their_letters_and_seldom_for_the_rest() -> (
    None
):
    """Six of twelve units have labels on their letters."""
    label_by_unit = dict(zip(office_year.UNITS[:6], "abcdef", strict=True))
    year = [replace(d, choice=label_by_unit.get(d.choice, "")) for d in office_year.decisions(seed=20261201)]
    right = wrong = silent = labelled = 0
    for n in random.Random(1).sample(range(1_000, len(year)), k=120):
        letter, decisions = year[n], year[max(n - MOST_DECISIONS, 0) : n][::-1]
        subject = words_in_order(letter.words)[2:]
        suggestion = PastDecisions(decisions).suggest(subject, letter.party, label_by_unit.values())
        labelled += letter.choice != ""
        right += suggestion is not None and suggestion.choice == letter.choice
        wrong += suggestion is not None and suggestion.choice != letter.choice
        silent += suggestion is None and letter.choice != ""
    print(labelled, right, wrong, silent)

    assert labelled >= 40
    assert right >= 0.7 * labelled
    assert wrong <= 0.25 * (right + wrong)


def test_a_letter_is_none_of_its_own_past_and_the_reason_names_the_letters_that_it_counts() -> None:
    decisions = [*past(FINANCE, "Dự toán", 4), *past("", "Dự toán", 1)]
    own = decisions[-1].document_id
    engine = PastDecisions(decisions)

    among_all = engine.suggest(bare_words("Dự toán"), "so tai chinh", [FINANCE])
    without_itself = engine.suggest(bare_words("Dự toán"), "so tai chinh", [FINANCE], own)

    assert among_all is None
    assert without_itself is not None
    assert (without_itself.count, without_itself.total) == (4, 4)
    assert [*without_itself.agreeing] == [d.document_id for d in decisions[:4]]
    assert [*without_itself.differing] == []


def test_the_reason_is_a_count_of_letters_of_the_sender_with_the_words() -> None:
    decisions = [
        *past(FINANCE, "Dự toán quý 3", 9, days=7),
        *past(PLANNING, "Dự toán quý 3", 1, days=2),
        *past(PLANNING, "Kế hoạch năm", 30),
        *past(PLANNING, "Dự toán quý 3", 9, party="so y te"),
    ]

    assert suggested(decisions, "V/v dự toán bổ sung") == Suggestion(
        choice=FINANCE, count=9, total=10, of_sender=True, words="du toan", days=7
    )
    assert suggested(decisions, "V/v dự toán", party="so xay dung") is None


def test_nothing_is_suggested_where_the_past_is_small_or_does_not_agree() -> None:
    assert suggested([], "Dự toán") is None
    assert suggested(past(FINANCE, "Dự toán", 2), "Dự toán") is None
    assert suggested([*past(FINANCE, "Dự toán", 6), *past(PLANNING, "Dự toán", 6)], "Dự toán") is None
    assert suggested(past(FINANCE, "Dự toán", 6), "Hội nghị", party="so y te") is None


def test_a_choice_that_is_closed_is_not_suggested() -> None:
    decisions = past(FINANCE, "Dự toán", 6)

    assert suggested(decisions, "Dự toán") is not None
    assert suggested(decisions, "Dự toán", unopened=FINANCE) is None


def test_a_matter_that_moved_is_learnt_from_its_newest_letters() -> None:
    moved = [*past(PLANNING, "Dự toán", 20), *past(FINANCE, "Dự toán", 200)]

    suggestion = suggested(moved, "Dự toán")

    assert suggestion is not None
    assert (suggestion.choice, suggestion.count, suggestion.total) == (PLANNING, 20, 20)


def test_letters_that_share_pairs_of_words_are_similar_and_the_letter_itself_is_not() -> None:
    same, other = past(FINANCE, "Phòng chống thiên tai năm 2026", 2)[0], past(FINANCE, "Dự toán quý 3", 4)
    decisions = PastDecisions([same, *past(PLANNING, "Phòng chống thiên tai", 1), *other])

    ids = decisions.similar(bare_words("Kế hoạch phòng chống thiên tai"), same.document_id)

    assert [id.split("-")[0] for id in ids] == [PLANNING]


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("pqr"), st.sampled_from("mnop")), max_size=60
    ),
    st.sampled_from("pqr"),
    st.text("mnop ", max_size=6),
)
def test_a_suggestion_is_always_most_of_the_decisions_that_it_counts(
    rows: list[tuple[str, str, str]], party: str, subject: str
) -> None:
    decisions = [
        PastDecision(document_id=str(n), choice=choice, days=None, party=own, words=f" {word} ")
        for n, (choice, own, word) in enumerate(rows)
    ]
    suggestion = PastDecisions(decisions).suggest(subject.split(), party, "abcd")

    if suggestion is not None:
        group = [d for d in decisions if not suggestion.of_sender or d.party == party]
        group = [d for d in group if not suggestion.words or suggestion.words in d.words][:20]
        assert len(group) == suggestion.total
        assert sum(d.choice == suggestion.choice for d in group) == suggestion.count
        assert 2 * suggestion.count > suggestion.total
