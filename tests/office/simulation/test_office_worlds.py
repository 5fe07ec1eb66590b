"""A seed makes the same world with offices every time; persons act there, and no promise is broken."""

from __future__ import annotations

import json

from tests.simulation.test_worlds import outcome, simulated

WORDS = ("--seed", "7", "--hours", "0.03", "--office", "--axis", "hub")
_POSTS = ("clerk", "head", "first", "second")


def test_a_seed_makes_the_same_office_whatever_the_hashes_of_texts() -> None:
    runs = [simulated(*WORDS, "--detail", hash_seed=hash_seed)[1] for hash_seed in ("1", "2")]
    result, other_result = map(outcome, runs)
    kinds = json.loads(runs[0].splitlines()[-2])["kinds"]

    assert result["broken"] == []
    assert {**result, "cpu_s": 0} == {**other_result, "cpu_s": 0}
    assert [kind for kind in kinds if kind.partition(".")[0] in _POSTS]
