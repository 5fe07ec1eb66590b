"""A program with one planted fault loses exactly the point of that fault, and a well-made one loses none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_labs.sandbox.opened import Running
from gateway_labs.sandbox.verdict.points import POINTS
from tests.labs.support.sandbox import at_work
from tests.labs.support.tried_program import FAULTS, PATIENCE_S, TriedProgram, keys_of

# With these faults the program comes to a stand: the story gives up after so many seconds without a step.
STANDING = {"others": 10, "lease": 10}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with at_work(tmp_path_factory.mktemp("planted") / "box") as sandbox_run:
        yield sandbox_run


def test_a_well_made_program_has_all_points(running: Running, tmp_path: Path) -> None:
    verdict = TriedProgram(running, tmp_path).try_it()
    assert keys_of(verdict, "right") == [*POINTS], verdict
    assert (verdict["right"], verdict["wrong"], verdict["unseen"]) == (len(POINTS), 0, 0)
    assert running.key.startswith(verdict["key"])
    assert all(point["evidence"] for point in verdict["points"])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_loses_exactly_its_point(running: Running, tmp_path: Path, fault: str) -> None:
    verdict = TriedProgram(running, tmp_path, fault).try_it(STANDING.get(fault, PATIENCE_S))
    points = {point["key"]: point for point in verdict["points"]}
    assert keys_of(verdict, "wrong") == [fault], [points[key] for key in {fault, *keys_of(verdict, "wrong")}]
    assert points[fault]["evidence"]
