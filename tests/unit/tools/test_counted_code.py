"""Counts of `make check`: plain words and dead code, which fail above a limit or beside what is allowed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "tools" / "plain_words.py"
SETTINGS = """
[tool.plain_words]
terms = ["not_found"]
places = {places}
[tool.plain_words.limits]
tree = {{ names = {names}, docstrings = 250, comments = 250, generic = 250 }}
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
COLUMN = """class Row:
    until: int


def load(until): ...
"""


def run(
    folder: Path, option: str, source: str, places: tuple[str, ...] = (), names: int = 250, **record: int
) -> str:
    """Run the script on a tree of one file; return what it prints, and "passed" where it passes."""
    (folder / "tree").mkdir(exist_ok=True)
    (folder / "tools").mkdir(exist_ok=True)
    (folder / "tree" / "module.py").write_text(source)
    (folder / "tools" / "plain_words.json").write_text(
        json.dumps({f"tree/{n}.py": c for n, c in record.items()})
    )
    (folder / "pyproject.toml").write_text(SETTINGS.format(places=list(places), names=names))
    process = subprocess.run(
        [sys.executable, SCRIPT, option], cwd=folder, capture_output=True, text=True, check=False
    )
    assert not process.stderr
    return process.stdout if process.returncode else process.stdout + "passed"


def test_plain_code_passes(tmp_path: Path) -> None:
    assert run(tmp_path, "--check", PLAIN) == "passed"


def test_a_count_above_its_limit_and_a_file_that_got_worse_are_named_with_the_places(tmp_path: Path) -> None:
    report = run(tmp_path, "--check", VAGUE, module=3)

    assert "tree: per 1,000 lines names 500.0 (limit 250)" in report
    assert "tree/module.py: 4, before 3; say it plainly" in report
    assert "each (line 1), found (line 3), load_row: What is told of the row. (line 1)" in report


def test_a_name_is_allowed_in_its_place_alone(tmp_path: Path) -> None:
    assert "until (line 5)" in run(tmp_path, "--check", COLUMN, ("*:Row.until",), names=1000)
    assert run(tmp_path, "--check", COLUMN, ("*:Row.until", "tree/*:load.until")) == "passed"
    assert "*:Line.until: keeps no name any more" in run(
        tmp_path, "--check", COLUMN, ("*.until", "*:Line.until")
    )


def test_the_count_of_a_file_can_only_fall(tmp_path: Path) -> None:
    """It is recorded anew after an improvement, and after a move; never where the sum would rise."""
    record = tmp_path / "tools" / "plain_words.json"

    assert "fewer than recorded" in run(tmp_path, "--check", VAGUE, names=1000, module=5)
    assert run(tmp_path, "--check", VAGUE, names=1000, module=4) == "passed"
    assert run(tmp_path, "--record", VAGUE, module=5) == "passed"
    assert json.loads(record.read_text()) == {"tree/module.py": 4}
    assert run(tmp_path, "--record", VAGUE, moved=4) == "passed"
    assert "4 in all, before 3; more in tree/module.py" in run(tmp_path, "--record", VAGUE, module=3)
    assert json.loads(record.read_text()) == {"tree/module.py": 3}


TOOL = Path(__file__).parents[3] / "tools"
ASK = "import json, sys, pathlib, dead_code; print(json.dumps(dead_code.dead([pathlib.Path('pack')], eval(sys.argv[1]))))"


def report_on(folder: Path, allowed: dict[str, str]) -> str:
    arguments = [sys.executable, "-c", ASK, repr(allowed)]
    process = subprocess.run(
        arguments, cwd=folder, env={"PYTHONPATH": str(TOOL)}, capture_output=True, text=True, check=True
    )
    return process.stdout


def test_a_dead_function_is_named_until_it_is_deleted_or_allowed(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "rules.py").write_text("def used(): ...\ndef shown(): ...\ndef dead(): ...\nused()\n")
    (pack / "page.html").write_text("<p>dead {{ shown() }}</p>")
    (tmp_path / "test_rules.py").write_text("from pack import rules\nrules.dead()\n")

    assert "pack/rules.py:dead, line 3: unused function 'dead'; delete it" in (
        report := report_on(tmp_path, {})
    )
    assert "used," not in report
    assert "shown," not in report
    assert report_on(tmp_path, {"pack/rules.py:dead": "why"}) == "[]\n"
    assert "pack/*:gone: allows nothing any more" in report_on(
        tmp_path, {"pack/*": "why", "pack/*:gone": "why"}
    )
