"""The recipe for a status code, walked in a copy of the tree: two rows, the texts, and the program knows it everywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
ROWS = (
    (
        '            (17, State.DONE, "business", "06",',
        '            (17, "suspended", "business", "07", "amber", "clock", "recipient"),\n',
    ),
    (
        '            CodeRow("13", Track.REQUEST,',
        '            CodeRow("07", Track.BUSINESS, "suspended", "receiver", 4, 4),\n',
    ),
)
TEXTS = {"state.suspended": "Suspended", "state.in.suspended": "Suspended"}
ASKS = """
from gateway.api.resources.inbox import SETTABLE_CODES
from gateway.domain.document import InState
from gateway.domain.figures import COUNTED_TEXTS
from gateway.domain.states import CODES, HAS_IT, STATES, TAKEN_IN, worst
from gateway.domain.status import may_set_incoming
from gateway.words import labels
from gateway_office.domain.listing import SENT

state = CODES["07"].key
assert InState(state) is InState.SUSPENDED, "no state of an incoming document"
assert "07" in SETTABLE_CODES, "no program may set it"
assert state in TAKEN_IN and state in HAS_IT and state in SENT, "groups, figures and lists do not know it"
assert worst([state, "done"]) in STATES
assert labels.say(f"state.{state}", "en") == "Suspended"
"""


def _put_before(path: Path, line: str, row: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(line) == 1, line
    path.write_text(text.replace(line, row + line), "utf-8")


def _run(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    folders = os.pathsep.join(str(tree / part) for part in ("", "office", "foreign"))
    environment = {**os.environ, "PYTHONPATH": folders, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=tree, env=environment, check=False
    )


def test_a_status_code_is_two_rows_and_its_texts(tmp_path: Path) -> None:
    for part in ("gateway", "office", "foreign", "schemas"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    assert _run(tmp_path, "-c", ASKS).returncode != 0

    for line, row in ROWS:
        _put_before(tmp_path / "gateway/domain/states.py", line, row)
    for language in ("en", "vi"):
        with (tmp_path / f"gateway/words/{language}/states.po").open("a", encoding="utf-8") as catalogue:
            catalogue.writelines(f'\nmsgid "{key}"\nmsgstr "{text}"\n' for key, text in TEXTS.items())

    answer = _run(tmp_path, "-c", ASKS)
    assert answer.returncode == 0, answer.stderr
    started = _run(tmp_path, "-m", "gateway", "--help")
    assert started.returncode == 0, started.stderr
    assert str(tmp_path) in _run(tmp_path, "-c", "import gateway; print(gateway.__file__)").stdout
