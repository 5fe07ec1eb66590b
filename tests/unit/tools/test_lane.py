"""The few tests that failed are run once more: chance is reported and counted, a fault stays a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
FAILS_ONCE = """
def test_{n}():
    tried = pathlib.Path("tried-{n}")
    was_tried = tried.exists()
    tried.touch()
    assert was_tried
"""
FAILS_ALWAYS = """
def test_always():
    pathlib.Path("tried-always").open("a").write("tried ")
    assert False
"""
PASSES = """
def test_passes():
    pathlib.Path("tried-passes").open("a").write("tried ")
"""


def run_lane(folder: Path, *tests: str, processes: int = 0) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = -p no:cacheprovider -p no:schemathesis -p no:anyio -p no:hypothesispytest\n"
    )
    (folder / "test_some.py").write_text("import pathlib\n" + "\n".join(tests))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "tests.lane", "-n", str(processes)],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def failing_once(count: int) -> list[str]:
    return [FAILS_ONCE.format(n=n) for n in range(count)]


def test_up_to_three_that_pass_alone_are_told_and_the_run_passes(tmp_path: Path) -> None:
    process = run_lane(tmp_path, PASSES, *failing_once(3), processes=2)

    assert process.returncode == 0, process.stdout
    flaky_lines = sorted(line for line in process.stdout.splitlines() if line.startswith("FLAKY "))
    assert flaky_lines == [f"FLAKY test_some.py::test_{n}" for n in range(3)]
    assert process.stdout.splitlines()[-1] == "3 flaky, 0 failed twice"
    assert (tmp_path / "tried-passes").read_text() == "tried "


def test_four_fail_the_run(tmp_path: Path) -> None:
    process = run_lane(tmp_path, *failing_once(4))

    assert process.returncode == 1
    assert "FLAKY" not in process.stdout


def test_one_that_fails_twice_fails_the_run(tmp_path: Path) -> None:
    process = run_lane(tmp_path, FAILS_ALWAYS, *failing_once(1))

    assert process.returncode == 1
    assert (tmp_path / "tried-always").read_text() == "tried tried "
    assert process.stdout.splitlines()[-1] == "1 flaky, 1 failed twice"


def test_a_file_that_cannot_be_read_fails_the_run(tmp_path: Path) -> None:
    assert run_lane(tmp_path, "def broken(:").returncode not in (0, 1)


def test_a_test_of_the_pure_core_that_fails_twice_fails_the_run(tmp_path: Path) -> None:
    """Its guard refuses files, but not the one in which the lane keeps the failure."""
    process = run_lane(
        tmp_path, "from tests.support.pure import pure\n\ndef test_pure():\n    assert False\n"
    )

    assert process.returncode == 1
    assert process.stdout.splitlines()[-1] == "0 flaky, 1 failed twice"


def test_a_second_run_that_breaks_off_fails_the_run(tmp_path: Path) -> None:
    dies = """
def test_dies():
    if pathlib.Path("tried").exists():
        pathlib.os._exit(1)
    pathlib.Path("tried").touch()
    assert False
"""
    process = run_lane(tmp_path, dies)

    assert process.returncode == 1
    assert "FLAKY" not in process.stdout
