"""What fuzzing found once is not found again, and the seeds that it begins with are good: every input through its target,
without the fuzzer, on any Python."""

from __future__ import annotations

import pytest

from tests.fuzz import target


@pytest.mark.parametrize("name", target.MODULES)
def test_every_seed_and_every_input_that_was_a_finding_holds(name: str) -> None:
    chosen = target.load(name)
    seeds = list(chosen.seeds())
    inputs = seeds + [path.read_bytes() for path in target.kept_inputs(name)]

    assert len(seeds) >= 2
    assert max(map(len, inputs)) <= chosen.longest, "the fuzzer would cut it"
    for data in inputs:
        chosen.run(data)


def test_the_kept_inputs_belong_to_targets_and_are_few_bytes() -> None:
    files = [path for path in target.CORPUS.rglob("*") if path.is_file()]

    assert {path.parent.name for path in files} <= set(target.MODULES)
    assert sum(path.stat().st_size for path in files) <= 200_000
