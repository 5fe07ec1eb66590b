"""Each target of `make help` is run, small where it is long, and its output is read. Those that a test of their own runs
whole are named with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[3]
LEAST_THREATS = 147
UNIT, LONG = "tests/unit/test_clock.py", "tests/long/threats/test_altered.py"

Reader = Callable[[str], bool]


def passed(output: str) -> bool:
    return re.search(r"^=* ?\d+ passed", output, re.M) is not None and " failed" not in output


def every_threat_ends_as_it_must(output: str) -> bool:
    summary = re.search(r"^(\d+) of (\d+) threats end as they must$", output, re.M)
    return summary is not None and summary[1] == summary[2] and int(summary[2]) >= LEAST_THREATS


TARGETS: dict[str, tuple[str, Reader]] = {
    "help": ("", lambda output: "make threats" in output),
    "setup": ("", lambda output: (ROOT / ".venv/bin/pytest").is_file()),
    "test": (f"ONLY={UNIT}", passed),
    "test-long": (f"ONLY={LONG}", passed),
    "walks": (f"ONLY={LONG}", passed),
    "unit": (f"ONLY={UNIT}", passed),
    "property": ("EXAMPLES=20 DOORS=3", passed),
    "threats": ("", every_threat_ends_as_it_must),
    "faults": ("ONLY=key-lost", lambda output: "1 of 1 rows hold" in output),
    "kills": ("ONLY=tests/office/long/faults/test_reminders_killed.py", passed),
    "planted": ("ONLY=answered_before_its_commit", lambda output: '"found_by": ["' in output),
    "simulate": ("SEED=7 HOURS=0.05", lambda output: '"broken": []' in output),
    "soak": ("N=20 KILLS=1 SEED=1", lambda output: "lost" in output),
    "fuzz": ("FUZZ_S=2 CALLS=1 SEED=1 ONLY=envelope", lambda output: "envelope" in output),
    "check": ("", lambda output: "Success: no issues found" in output),
    "bench": ("QUICK=1 ONLY=there_and_back", lambda output: "figures and charts" in output),
}
# In a copy of the tree, as these change it.
CHANGING: dict[str, Reader] = {
    "lint": lambda output: "All checks passed" in output,
    "clean": lambda output: True,
}
ELSEWHERE = {
    "run": ("gateway demo", "tests/acceptance/test_make_run.py"),
    "pictures": ("tests/office/long/pages/test_every_page.py", "tests/office/long/pages/test_every_page.py"),
    "answers": ("tests.office.record_answers", "tests/office/unit/api/test_answers.py"),
    "clients": ("tools/make_clients.py", "tests/labs/long/interop/test_client_packages.py"),
    "bundle": ("tools/bundle/build.py", "tests/long/acceptance/test_bundle.py"),
    "image": ("tools/bundle/image.sh", "tests/long/acceptance/test_packages.py"),
    "deb": ("tools/bundle/deb.py", "tests/long/acceptance/test_packages.py"),
}


def make(target: str, words: str = "", folder: Path = ROOT) -> str:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GATEWAY_", "PYTEST_", "MAKE", "MFLAGS", "TEST_SEED"))
    }
    process = subprocess.run(
        ["make", target, *words.split()], cwd=folder, env=clean, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, f"{process.stdout[-3000:]}{process.stderr[-3000:]}"
    return process.stdout + process.stderr


def test_each_target_is_run_by_a_test() -> None:
    listed = re.findall(r"^  make ([a-z-]+)", make("help"), re.M)
    assert sorted(listed) == sorted([*TARGETS, *CHANGING, *ELSEWHERE])


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_does_what_its_line_says(target: str) -> None:
    words, is_good = TARGETS[target]
    output = make(target, words)
    assert is_good(output), output[-3000:]


@pytest.mark.parametrize("target", CHANGING)
def test_a_target_that_changes_the_tree_does_it_in_a_copy(target: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, names.stdout.split("\0")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    (tree / ".venv").symlink_to(ROOT / ".venv")
    (tree / "dist").mkdir()

    assert CHANGING[target](make(target, "-o .venv/.dev", tree))

    assert (tree / ".venv").is_symlink() == (tree / "dist").is_dir() == (target != "clean")


@pytest.mark.parametrize("target", ELSEWHERE)
def test_a_target_whose_recipe_runs_elsewhere_has_that_recipe_and_its_test(target: str) -> None:
    recipe, test = ELSEWHERE[target]
    assert recipe in make(target, "-n")
    assert (ROOT / test).is_file()
