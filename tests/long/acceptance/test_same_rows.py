"""What a node does follows from its calls, its clock and its random source: two processes that hash texts differently write
the same rows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.town.builder import staged

HASH_SEEDS = "123"


def test_the_order_of_sets_decides_nothing(tmp_path: Path) -> None:
    town = staged(tmp_path / "town")
    rows = [_rows_of(shutil.copytree(town, tmp_path / seed / "town"), seed) for seed in HASH_SEEDS]

    assert len(rows[0]) > 500
    for other_rows in rows[1:]:
        assert [pair for pair in zip(rows[0], other_rows, strict=True) if pair[0] != pair[1]] == []


def _rows_of(folder: Path, hash_seed: str) -> list[str]:
    """Return the rows after all acts, by a process with that seed of hashes."""
    command = [sys.executable, "-m", "tests.support.replay_child", str(folder)]
    # One folder name for all, because settings of the node hold it.
    process = subprocess.run(
        command, env=os.environ | {"PYTHONHASHSEED": hash_seed}, stdout=subprocess.PIPE, text=True, check=True
    )
    return process.stdout.replace(str(folder), "").splitlines()
