"""The check for dead code finds what only a test uses, and what its list no longer needs (tools/dead_code.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
