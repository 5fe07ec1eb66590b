"""The check of types refuses each way to read a set in its order, and lets pass what any order gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REFUSED = """
for one in names: print(one)
listed = list(names)
also = [*names]
pairs = {one: 1 for one in names}
in_turn = [one for one in names]
text = ",".join(names)
some = names.pop()
first = next(iter(names))
numbered = enumerate(names)
kept = dict.fromkeys(names & {"b"})
shortest = min(names, key=len)
common = [one for one in pairs.keys() & names]
print(*names)
together = (*names, "x")
"""
PASSED = """
for one in sorted(names): print(one)
other_set = {one + "x" for one in names} | set(one for one in names) | {*names}
is_any = any(one for one in names) or all([one for one in names]) or "b" in names
size = sum(map(len, names)) + len(names) + len(min(names))
ordered = sorted(one for one in names) + sorted(map(str, names)) + sorted([*names]) + list(pairs)
nested = [names] + list(pairs.keys())
for one in names: print(one)  # type: ignore[set-order]  # a reason
"""
_HEAD = 'names: set[str] = {"a"}\npairs: dict[str, int] = {}\n'


def test_the_check_of_types_refuses_to_read_a_set_in_its_order(tmp_path: Path) -> None:
    plugin = Path.cwd() / "tools" / "set_order.py"
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.mypy]\nplugins = ["{plugin}"]\nwarn_unused_ignores = true\n'
    )
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "refused.py").write_text(_HEAD + REFUSED)
    (tmp_path / "gateway" / "passed.py").write_text(_HEAD + PASSED)

    process = subprocess.run(
        [sys.executable, "-m", "mypy", "gateway"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )

    errors = {int(line.split(":")[1]) for line in process.stdout.splitlines() if "[set-order]" in line}
    expected = {n for n, line in enumerate((_HEAD + REFUSED).splitlines(), 1) if "names" in line and n > 2}
    assert errors == expected, process.stdout
    assert "passed.py" not in process.stdout
