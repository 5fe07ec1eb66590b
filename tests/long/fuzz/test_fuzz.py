"""A short run of every target, with so many inputs from the seed of the run (TEST_SEED): that the targets work, and that
nothing is found at once. `make fuzz` is the long one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz import running, target
from tests.support.seed import SEED

RUNS, SECONDS = 2000, 20

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this Python"),
]


@pytest.mark.parametrize("name", target.MODULES)
def test_a_short_run_finds_nothing(name: str, tmp_path: Path) -> None:
    outcome = running.run(name, SECONDS, SEED, tmp_path, runs=RUNS)

    assert outcome.clean, f"{[path.read_bytes()[:200] for path in outcome.findings]}\n{outcome.words}"
    assert outcome.covered_last > 0, "nothing of ours was instrumented"
    assert outcome.peak_mb < running.MEMORY_MB


def test_a_fault_is_told_with_its_input(tmp_path: Path) -> None:
    """Otherwise a clean table would prove nothing."""
    outcome = running.run("planted", 60, SEED, tmp_path)

    assert not outcome.clean
    assert [path.read_bytes()[:1] for path in outcome.findings] == [b"!"]
    assert "the planted fault" in outcome.words
