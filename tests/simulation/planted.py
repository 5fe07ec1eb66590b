"""Plants faults of one line in a copy of the program and runs worlds until one breaks a promise. In: `planted.toml`, CPU
seconds for each fault. Out: one line of JSON for each: in how many seeds and CPU seconds it was found, and the
broken promise; the exit code is 1 where one was not found. `python -m tests.simulation.planted wake_up_lost`"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_FAULTS = Path(__file__).with_name("planted.toml")
_PARTS = ("gateway", "office", "foreign", "labs", "bench", "tests", "schemas", "config")
_FIRST_SEED = 1000


def main() -> int:
    words = _parsed()
    faults = [fault for fault in load() if not words.names or fault["name"] in words.names]
    was_missed = False
    with copy_of_program() as folder:
        for fault in faults:
            outcome = try_fault(folder, fault, words.cpu, words.hours, words.seed)
            print(json.dumps(outcome, ensure_ascii=False), flush=True)
            was_missed = was_missed or not outcome["found_by"]
    return int(was_missed)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.planted")
    parser.add_argument("names", nargs="*", help="faults to plant; all without it")
    parser.add_argument("--cpu", type=float, default=300.0, help="CPU seconds for each fault")
    parser.add_argument("--hours", type=float, default=0.5, help="virtual hours of each world")
    parser.add_argument("--seed", type=int, default=_FIRST_SEED, help="the first seed of each fault")
    return parser.parse_args()


def load() -> list[Mapping[str, Any]]:
    faults: list[Mapping[str, Any]] = tomllib.loads(_FAULTS.read_text("utf-8"))["fault"]
    return faults


def with_fault(source: str, fault: Mapping[str, Any]) -> str:
    """Return the source with the fault in it. ValueError where its place is not there exactly once."""
    if source.count(fault["old"]) != 1:
        raise ValueError(f"{fault['name']}: {fault['file']} has its place {source.count(fault['old'])} times")
    return source.replace(fault["old"], fault["new"])


@contextmanager
def copy_of_program() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="planted-"))
    try:
        for part in _PARTS:
            shutil.copytree(_ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(_ROOT / "pyproject.toml", folder)
        yield folder
    finally:
        shutil.rmtree(folder)


def try_fault(
    folder: Path, fault: Mapping[str, Any], cpu_s: float, hours: float, seed: int
) -> dict[str, Any]:
    """Run worlds of the program with the fault, and take it out again."""
    path = folder / fault["file"]
    source = path.read_text("utf-8")
    path.write_text(with_fault(source, fault), "utf-8")
    try:
        results = _run_worlds(folder, cpu_s, hours, seed, fault.get("options", ()))
    finally:
        path.write_text(source, "utf-8")
    last = results[-1] if results else {"broken": ["no world came to its end"]}
    return {
        "fault": fault["name"],
        "seeds": len(results),
        "cpu_s": round(sum(result["cpu_s"] for result in results), 1),
        "found_by": last["broken"][:2],
    }


def _run_worlds(
    folder: Path, cpu_s: float, hours: float, seed: int, options: Sequence[str]
) -> list[dict[str, Any]]:
    roots = (folder, folder / "office", folder / "foreign", folder / "labs")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, roots)),
        # Compiled files are matched by the second and the size of their source, which a fault may keep.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed)]
    ended = subprocess.run(
        [*command, "--cpu", str(cpu_s), "--hours", str(hours), *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in ended.stdout.splitlines() if line.startswith('{"seed"')]
    if not lines:
        print(ended.stderr[-2000:], file=sys.stderr)
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    sys.exit(main())
