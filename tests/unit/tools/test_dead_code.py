"""The check for dead code finds what only a test uses, and what its list no longer needs (tools/dead_code.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[3] / "tools"
ASK = "import json, sys, pathlib, dead_code; print(json.dumps(dead_code.dead([pathlib.Path('pack')], eval(sys.argv[1]))))"


def told(folder: Path, allowed: dict[str, str]) -> str:
    made = [sys.executable, "-c", ASK, repr(allowed)]
    asked = subprocess.run(
        made, cwd=folder, env={"PYTHONPATH": str(TOOL)}, capture_output=True, text=True, check=True
    )
    return asked.stdout


def test_a_dead_function_is_named_until_it_is_deleted_or_allowed(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "rules.py").write_text("def used(): ...\ndef shown(): ...\ndef dead(): ...\nused()\n")
    (pack / "page.html").write_text("<p>dead {{ shown() }}</p>")
    (tmp_path / "test_rules.py").write_text("from pack import rules\nrules.dead()\n")

    assert "pack/rules.py:dead, line 3: unused function 'dead'; delete it" in (found := told(tmp_path, {}))
    assert "used," not in found
    assert "shown," not in found
    assert told(tmp_path, {"pack/rules.py:dead": "why"}) == "[]\n"
    assert "pack/*:gone: allows nothing any more" in told(tmp_path, {"pack/*": "why", "pack/*:gone": "why"})
