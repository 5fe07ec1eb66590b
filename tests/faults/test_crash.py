"""Kills the node before or after a call of a port, tells the story again in the same folder, and looks for what a crash
could have torn (G1 to G4, G7): lost or doubled documents, gaps in mode B, blobs without an owner, statuses told twice.
A seeded sample of points; `make crash` takes every one (`every_point`)."""

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

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(0)]


class Stage:
    """A staged folder to copy, and the process that forks storytellers."""

    def __init__(self, root: Path) -> None:
        self._template = root / "template"
        self._root = root
        command = [sys.executable, "-m", "tests.faults.killer"]
        subprocess.run([*command, "--stage", str(self._template)], check=True)
        self._teller = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def fresh(self, name: str) -> Path:
        folder = self._root / name
        shutil.copytree(self._template, folder)
        return folder

    def tell(self, folder: Path, point: int | None, when: str, offset_s: float) -> dict[str, Any] | None:
        """What the storyteller found, or None when it was killed on the way."""
        assert self._teller.stdin is not None
        assert self._teller.stdout is not None
        asked = {"folder": str(folder), "point": point, "when": when, "offset_s": offset_s}
        self._teller.stdin.write(json.dumps(asked) + "\n")
        self._teller.stdin.flush()
        answer = json.loads(self._teller.stdout.readline())
        if answer["killed"]:
            return None
        found: dict[str, Any] = json.loads((folder / "told.json").read_text())
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
def test_a_node_killed_at_this_call_loses_nothing_and_doubles_nothing(
    stage: Stage, point: int, when: str
) -> None:
    folder = stage.fresh(f"{when}-{point}")

    found = stage.tell(folder, point, when, 0.0)
    if found is None:
        found = stage.tell(folder, None, "before", LATER_S)

    assert found is not None
    assert killer.torn(found) == []
    shutil.rmtree(folder)


def test_the_story_without_a_crash_makes_no_more_calls_than_the_points_cover(stage: Stage) -> None:
    folder = stage.fresh("whole")

    found = stage.tell(folder, None, "before", 0.0)

    assert found is not None
    assert killer.torn(found) == []
    assert found["calls"] <= CALLS
    assert found["registered"] >= 7
