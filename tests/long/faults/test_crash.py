"""Cuts the node off before or after a call of a port, tells the story again in the folder that this leaves, and looks for
what a crash could have torn (G1 to G4, G7): lost or doubled documents, gaps in mode B, blobs without an owner, statuses
told twice. A sample of points that the seed of the run draws; `make crash` takes every one (`every_point`), and the short
tests some that are always the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults import killer
from tests.faults.crashes import crashed_at
from tests.faults.killer import Point
from tests.support.cases import Cases

SAMPLE = 64
# Without a crash the story makes about this many calls; beyond the last one it runs to its end.
CALLS = 4000


@pytest.mark.timeout(0)
def test_a_node_cut_off_at_any_call_loses_nothing_and_doubles_nothing(
    tmp_path: Path, seed: int, cases: Cases
) -> None:
    every: list[Point] = [(number, when) for number in range(1, CALLS + 1) for when in ("before", "after")]
    points = random.Random(seed).sample(every, SAMPLE)

    with crashed_at(points, tmp_path) as crashes:
        assert killer.torn(crashes.whole) == []
        assert crashes.whole["calls"] <= CALLS
        assert crashes.whole["registered"] >= 7
        for point in points:
            with cases.case(point):
                assert crashes.torn(point) == []
