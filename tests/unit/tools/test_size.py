"""The check of sizes fails above a limit and far below it, counts what git tracks, and no blank lines (tools/size.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "tools" / "size.py"
SETTINGS = """
[tool.size]
skipped = ["*/versions/*"]
[tool.size.units.program]
paths = ["pack", "not_yet_there"]
suffixes = [".py"]
limit = {limit}
"""


def check(tree: Path, limit: int) -> tuple[int, str]:
    (tree / "pyproject.toml").write_text(SETTINGS.format(limit=limit))
    process = subprocess.run([sys.executable, SCRIPT, "--check"], cwd=tree, capture_output=True, check=False)
    return process.returncode, (process.stdout + process.stderr).decode()


def test_a_unit_may_neither_grow_above_its_limit_nor_stay_far_below_it(tmp_path: Path) -> None:
    for name, lines in (("rules.py", 450), ("versions/first.py", 9), ("page.html", 9), ("scratch.py", 9)):
        (tmp_path / "pack" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pack" / name).write_text("pass\n\n  \n" * lines)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "--all", ":!pack/scratch.py"], cwd=tmp_path, check=True)

    assert [check(tmp_path, limit)[0] for limit in (450, 500, 750)] == [0, 0, 0]
    code, text = check(tmp_path, 449)
    assert (code, "program: 1 lines above the limit of 449" in text, "to 500" in text) == (1, True, True)
    code, text = check(tmp_path, 751)
    assert (code, "program: 301 lines below its limit. Lower" in text, "to 500" in text) == (1, True, True)
