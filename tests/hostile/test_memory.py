"""What anybody may send costs a bounded amount of memory: each reader works in a process of its own that has a limit of 64
MiB above the idle one and ten times the size of the input."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.memory_child import ENVELOPE
from tests.support.cases import Cases

ROOT = Path(__file__).parents[2]


def outcomes(reader: str) -> Iterator[tuple[str, str]]:
    """The form and size of each input, and what came of it. What the process says that ends early is its error."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.hostile.memory_child", reader],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    for line in process.stdout.splitlines():
        report = json.loads(line)
        yield f"{reader}: {report['form']}, {report['size']} bytes", report["outcome"]
    yield f"{reader}: end", "read" if process.returncode == 0 else process.stderr[-2000:]


def test_a_hostile_envelope_costs_little_memory(cases: Cases) -> None:
    for name, outcome in outcomes(ENVELOPE):
        with cases.case(name):
            assert outcome == "read"
