"""Cuts the node off before or after a call of a port, tells the story again in the folder that this leaves, and looks for
what a crash could have torn (G1 to G4, G7): lost or doubled documents, gaps in mode B, blobs without an owner, statuses
told twice. A seeded sample of points, all of one telling; `make crash` takes every one (`every_point`)."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import killer

SAMPLE = 64
SEED = 20260304
# After a crash the node starts this much later, when every lease of the dead process has run out.
LATER_S = 120.0
# Told without a crash, the story makes about this many calls; a point beyond the last is told whole.
CALLS = 4000

pytestmark = [pytest.mark.timeout(0)]


class Stage:
    """The folders that crashes left, and the process that forks storytellers."""

    def __init__(self, root: Path) -> None:
        self._root = root
        command = [sys.executable, "-m", "tests.faults.killer"]
        subprocess.run([*command, "--stage", str(root / "whole")], check=True)
        self._teller = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.whole = self._ask({"folder": str(root / "whole"), "points": points(), "into": str(root)})

    def told_again(self, point: int, when: str) -> dict[str, Any]:
        """What the story found that was told in the folder of that crash."""
        folder = self._root / f"{when}-{point}"
        found = self._ask({"folder": str(folder), "offset_s": LATER_S})
        shutil.rmtree(folder)
        return found

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._teller.stdin is not None
        assert self._teller.stdout is not None
        self._teller.stdin.write(json.dumps(asked) + "\n")
        self._teller.stdin.flush()
        found: dict[str, Any] = json.loads(self._teller.stdout.readline())
        return found

    def close(self) -> None:
        self._teller.communicate()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("crash"))
    yield made
    made.close()


def points() -> list[tuple[int, str]]:
    """The seeded sample of all points of the story."""
    every = [(number, when) for number in range(1, CALLS + 1) for when in ("before", "after")]
    return random.Random(SEED).sample(every, SAMPLE)


@pytest.mark.parametrize(("point", "when"), points())
def test_a_node_cut_off_at_this_call_loses_nothing_and_doubles_nothing(
    stage: Stage, point: int, when: str
) -> None:
    assert killer.torn(stage.told_again(point, when)) == []


def test_the_story_without_a_crash_makes_no_more_calls_than_the_points_cover(stage: Stage) -> None:
    assert killer.torn(stage.whole) == []
    assert stage.whole["calls"] <= CALLS
    assert stage.whole["registered"] >= 7
