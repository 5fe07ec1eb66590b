"""Ten CPU minutes of new worlds, from the seed of the run."""

from __future__ import annotations

import pytest

from tests.simulation.test_worlds import simulated


@pytest.mark.timeout(0)
def test_many_seeds_break_no_promise(seed: int) -> None:
    code, words = simulated("--cpu", "600", "--hours", "0.5", "--seed", str(seed))
    assert code == 0, words[-20_000:]
