"""Worlds of new seeds, and of all seeds that ever failed, keep every promise; a seed makes the same world every time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FAILED = Path(__file__).with_name("failed_seeds.txt")
# CPU seconds of new seeds.
_NEW_S = 30


def simulated(*words: str, hash_seed: str = "random") -> tuple[int, str]:
    """Run a simulation in a process of its own, since it replaces the machine's time; return its exit code and words."""
    command = [sys.executable, "-m", "tests.simulation", *words]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    print(ended.stdout[-20_000:], ended.stderr[-5_000:])
    return ended.returncode, ended.stdout


def outcome(words: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(words.splitlines()[-1])
    return result


def must_be_alike(*words: str) -> str:
    """Check that a seed makes the same world with two hashes of texts; return what the first run printed."""
    runs = [simulated(*words, hash_seed=hash_seed)[1] for hash_seed in ("1", "2")]
    result, other_result = map(outcome, runs)
    assert result["broken"] == []
    assert {**result, "cpu_s": 0} == {**other_result, "cpu_s": 0}
    return runs[0]


def test_a_seed_makes_the_same_world_whatever_the_hashes_of_texts() -> None:
    """Without its end: the long lane compares worlds that come to rest, of each kind."""
    must_be_alike("--seed", "7", "--hours", "0.1", "--no-office", "--axis", "hub", "--cut")


def test_new_seeds_break_no_promise() -> None:
    code, words = simulated("--cpu", str(_NEW_S), "--hours", "0.1")
    assert code == 0, words[-20_000:]


@pytest.mark.parametrize("line", FAILED.read_text("utf-8").splitlines() if FAILED.exists() else [])
def test_a_seed_that_failed_breaks_no_promise_any_more(line: str) -> None:
    seed, hours, *more = line.split()
    switches = [word for word in more if word.startswith("--")]
    code, words = simulated("--seed", seed, "--hours", hours, *switches)
    assert code == 0, words[-20_000:]
