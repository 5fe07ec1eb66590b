"""Ten CPU minutes of new worlds, from the seed of the run; worlds that are made twice and come to rest, one of them after
a year has turned."""

from __future__ import annotations

import pytest

from tests.simulation.test_worlds import must_be_alike, outcome, simulated


@pytest.mark.timeout(0)
def test_many_seeds_break_no_promise(seed: int) -> None:
    code, words = simulated("--cpu", "600", "--hours", "0.5", "--seed", str(seed))
    assert code == 0, words[-20_000:]


@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    "words", ["--hours 0.02 --no-office --axis embedded", "--hours 0.03 --office --axis hub --detail"]
)
def test_a_seed_comes_to_the_same_rest_whatever_the_hashes_of_texts(words: str) -> None:
    must_be_alike("--seed", "7", *words.split())


# The clock of the test is the world's own: what is slow beside it may take long.
@pytest.mark.timeout(0)
def test_a_year_turns_alike_whatever_the_hashes_of_texts() -> None:
    options = ("--seed", "58", "--hours", "0.05", "--no-office", "--programs", "seasons")
    result, other_result = (outcome(simulated(*options, hash_seed=hash_seed)[1]) for hash_seed in ("2", "3"))
    assert result["broken"] == []
    assert {**result, "cpu_s": 0} == {**other_result, "cpu_s": 0}
