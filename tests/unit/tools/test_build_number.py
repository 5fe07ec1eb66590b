"""Each build of a bundle has a number of its own, which comes from the count of commits."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[3] / "tools" / "bundle"


def git(root: Path, *words: str) -> str:
    by = ("-c", "user.name=A. Builder", "-c", "user.email=builder@example.org")
    run = subprocess.run(["git", "-C", root, *by, *words], check=True, capture_output=True, text=True)
    return run.stdout.strip()


def test_two_builds_have_two_numbers_and_a_changed_tree_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    sys.modules.pop("build", None)
    version = importlib.import_module("build").version.__wrapped__
    file = tmp_path / "gateway" / "__init__.py"
    file.parent.mkdir()
    file.write_text('__version__ = "0.1.0"\n')
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    numbers = []
    for n in (1, 2):
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", f"commit {n}")
        numbers.append(version(tmp_path))
        assert numbers[-1] == f"0.1.{n}+{git(tmp_path, 'rev-parse', '--short=8', 'HEAD')}"

    file.write_text('__version__ = "0.1.0"  # changed\n')
    assert version(tmp_path) == f"{numbers[-1]}.changed"
