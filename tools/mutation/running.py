"""Run chosen tests in one process. In: a copy of the checkout and names of tests. Out: which failed, and what it cost."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scratch import Scratch

# The lane of `make test`.
LANE = ("-m", "not long")
TEST_TIMEOUT_S = 120
# Some tests have a longer time-out of their own.
HANG_S = 400
POLL_S = 2


@dataclass
class Report:
    """Outcome of one process of tests: what failed, what passed, how many began, what it cost."""

    failed: dict[str, str] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    ran: int = 0
    cpu_s: float = 0.0
    is_timeout: bool = False


def run_tests(
    scratch: Scratch, names: Sequence[str], seconds: float, *options: str, file: str = ""
) -> Report:
    """Run tests in the order that is given, for so many seconds at most. `file` is the one in which a fault may be."""
    selection, report_path = scratch.root / "selection.json", scratch.root / "report.json"
    selection.write_text(json.dumps({"file": file, "tests": list(names)}), encoding="utf-8")
    report_path.unlink(missing_ok=True)
    command = [str(scratch.python), "-m", "pytest", "-q", *LANE, "-p", "mutation_select"]
    command += ["-p", "no:cacheprovider", "--timeout", str(TEST_TIMEOUT_S)]
    command += ["--hypothesis-seed", "0", *options]
    command += dict.fromkeys(name.partition("::")[0] for name in names)
    environment = scratch.environment(MUTATION_SELECTION=str(selection), MUTATION_REPORT=str(report_path))
    with (scratch.root / "output.txt").open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command,
            cwd=scratch.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        code = _wait(process, report_path, seconds)
        if code is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    scratch.clean()
    return _read_report(_load(report_path), code, scratch, file)


def _wait(process: subprocess.Popen[bytes], report_path: Path, seconds: float) -> int | None:
    """Return the exit code, or None where the time is up or a test does not even end at its own time-out."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and time.time() < _load(report_path).get("since", math.inf) + HANG_S:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(POLL_S)
    return None


def _load(report_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if report_path.exists():
        content = json.loads(report_path.read_text(encoding="utf-8"))
    return content


def _read_report(content: dict[str, Any], code: int | None, scratch: Scratch, file: str) -> Report:
    report = Report(
        failed=content.get("failed", {}),
        passed=set(content.get("passed", ())),
        ran=content.get("ran", 0),
        cpu_s=content.get("cpu_s", 0.0),
    )
    for module in content.get("modules", ()):
        if module != str(scratch.root / file):
            raise RuntimeError(f"{module} was imported in place of the copy in {scratch.root}")
    running = content.get("running")
    if code is None:
        report.is_timeout = True
        if running and time.time() - content["since"] > TEST_TIMEOUT_S:
            report.failed.setdefault(running, "hangs")
    elif code not in (0, 1, 5) and not report.failed:
        # The tests cannot start, or their process is ended.
        output = (scratch.root / "output.txt").read_text(encoding="utf-8", errors="replace").splitlines()
        reason = next((line for line in output if line.startswith("E ")), output[-1] if output else "")
        report.failed[running or "start of pytest"] = f"exit code {code}: {reason[:200]}"
    return report
