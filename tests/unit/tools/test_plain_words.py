"""The measure of plain words counts names, docstrings and comments, and fails above a folder's limits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "tools" / "plain_words.py"
SETTINGS = """
[tool.plain_words]
allowed = ["not_found"]
[tool.plain_words.limits]
tree = { names = 250, docstrings = 250, comments = 250, generic = 250 }
"""
PLAIN = '''def load_row(row, not_found):
    """Return the row."""
    # The lock is held, so that readers wait.
    return row
'''
VAGUE = '''def load_row(each, data):
    """What is told of the row."""
    found = data
    return found
'''


def check(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    (folder / "tree").mkdir()
    (folder / "tree" / "module.py").write_text(source)
    (folder / "pyproject.toml").write_text(SETTINGS)
    return subprocess.run(
        [sys.executable, SCRIPT, "--check"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_plain_code_passes(tmp_path: Path) -> None:
    result = check(tmp_path, PLAIN)

    assert (result.returncode, result.stdout) == (0, "")


def test_each_count_above_its_limit_is_named_with_the_places(tmp_path: Path) -> None:
    result = check(tmp_path, VAGUE)

    assert result.returncode == 1
    assert result.stdout.startswith("tree: per 1,000 lines names 500.0 (limit 250)")
    assert ":1 each" in result.stdout
    assert ":3 found" in result.stdout
    assert "load_row: What is told of the row." in result.stdout
