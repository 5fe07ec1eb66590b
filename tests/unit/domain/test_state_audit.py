"""The audit of states: what is compared, what counts as a difference, what closes one, and the letters about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.loss_audit import short_hash
from gateway.domain.state_audit import (
    STANDS_FOR,
    PacketState,
    StateComparison,
    StateDifference,
    StatedPair,
    compare_states,
    follow_states,
    read_comparison,
    read_states,
    state_pair,
    write_states,
)
from gateway.errors import InvalidProof

NOW = datetime(2026, 11, 21, 5, tzinfo=UTC)
A, B, C, D = (f"pkt_{n:026}" for n in range(4))
KEY = short_hash(A)
DIFFERING = StateComparison(agreed={}, differing={KEY: ("done", "sent")})


def packet(id: str, word: str, age: timedelta = 2 * STANDS_FOR) -> PacketState:
    return PacketState(id=id, name=f"name of {id}", word=word, changed_at=NOW - age)


def test_only_states_that_stand_are_named_and_all_are_counted() -> None:
    pair = state_pair([packet(A, "done"), packet(B, "done", STANDS_FOR - timedelta(seconds=1))], NOW)
    assert pair.counts == {"done": 2}
    assert pair.words == {KEY: "done"}


def test_a_packet_that_one_side_does_not_compare_is_not_judged() -> None:
    own = [packet(A, "done"), packet(B, "done", timedelta()), packet(C, "done")]
    partner_words = {
        short_hash(id): word for id, word in ((A, "sent"), (B, "sent"), (C, "shelved"), (D, "done"))
    }
    comparison = compare_states(partner_words, own, NOW)
    assert comparison == StateComparison(
        agreed={}, differing={KEY: ("done", "sent")}, unjudged=frozenset(map(short_hash, (B, C, D)))
    )


def test_an_answer_closes_only_what_it_judged_and_what_stood_when_it_was_asked_for() -> None:
    own = [packet(A, "done"), packet(B, "done"), packet(C, "sent"), packet(D, "sent", STANDS_FOR)]
    answer = StatedPair(counts={}, words={KEY: "sent"}, unjudged=frozenset({short_hash(B)}))
    comparison = read_comparison(answer, own, NOW)
    assert comparison.differing == {KEY: ("done", "sent")}
    assert comparison.agreed == {short_hash(C): "sent"}


def test_a_difference_counts_when_it_comes_twice_with_time_between() -> None:
    first = follow_states((), DIFFERING, {KEY: "1/A"}, NOW)
    soon = follow_states(first, DIFFERING, {}, NOW + timedelta(hours=1))
    assert soon == first
    (second,) = follow_states(soon, DIFFERING, {}, NOW + STANDS_FOR)
    assert (second.is_open, second.name, second.times) == (True, "1/A", 2)


def test_a_difference_in_two_other_states_is_not_counted_again_by_them() -> None:
    first = follow_states((), DIFFERING, {}, NOW)
    second_at, other_states = (
        NOW + STANDS_FOR,
        StateComparison(agreed={}, differing={KEY: ("done", "delivered")}),
    )
    assert [d.times for d in follow_states(first, other_states, {}, second_at)] == [1]
    second = follow_states(first, DIFFERING, {}, second_at)
    (third,) = follow_states(second, other_states, {}, second_at)
    assert (third.is_open, third.own, third.other) == (True, "done", "delivered")


@pytest.mark.parametrize(
    ("word", "repaired_at"), [("done", "there"), ("sent", "here"), ("processing", "both")]
)
def test_an_open_difference_is_closed_with_its_repair_and_stays_listed(word: str, repaired_at: str) -> None:
    (first,) = follow_states((), DIFFERING, {}, NOW)
    agreed = StateComparison(agreed={KEY: word}, differing={})
    assert first.repaired_at == ""
    assert follow_states([first], agreed, {}, NOW) == (), "one that never counted is forgotten"
    (closed,) = follow_states([replace(first, times=2)], agreed, {}, NOW)
    assert (closed.closed_at, closed.settled_as, closed.repaired_at) == (NOW, word, repaired_at)
    reopened_at = NOW + STANDS_FOR
    first_closed, new = follow_states([closed], DIFFERING, {}, reopened_at)
    assert (first_closed, new.times, new.first_at) == (closed, 1, reopened_at)


def test_a_difference_that_is_not_judged_stays_open() -> None:
    opened = replace(follow_states((), DIFFERING, {}, NOW)[0], times=2)
    nothing = StateComparison(agreed={}, differing={}, unjudged=frozenset({KEY}))
    assert follow_states([opened], nothing, {}, NOW) == (opened,)
    assert isinstance(opened, StateDifference)


def test_lines_and_words_of_later_versions_are_ignored() -> None:
    text = (
        "day 2026-11-20\npair A B 2\nstate done 1 0123456789ab\nstate shelved 1 \nweight 7\nunjudged \n"
        "pair A C 0\n"
    )
    day, pairs = read_states(text)
    assert day.isoformat() == "2026-11-20"
    assert pairs["A", "B"].words == {"0123456789ab": "done"}
    assert pairs["A", "B"].counts == {"done": 1, "shelved": 1}
    assert write_states(day, pairs) == text.replace("weight 7\nunjudged \n", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "day soon\n",
        "day 2026-11-20\nstate done 1 0123456789ab\n",
        "day 2026-11-20\npair A B\n",
        "day 2026-11-20\npair A B 1\nstate Done 1 0123456789ab\n",
        "day 2026-11-20\npair A B 1\nstate done 1 0123456789aX\n",
        "day 2026-11-20\npair A B 1\nstate done 1 0123456789ab\nstate sent 0 0123456789ab\n",
        "day 2026-11-20\npair A B 1\nstate done 1 \nstate done 1 \n",
        "day 2026-11-20\npair A B 1\nunjudged 012\n",
        "day 2026-11-20\n" + 2 * "pair A B 0\n",
    ],
)
def test_a_letter_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidProof):
        read_states(text)
