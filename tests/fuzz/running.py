"""Runs one target in a process of its own and reads what the fuzzer said. In: name, seconds, seed. Out: `Outcome`. The
process has a limit on its memory and on the time of one input, and is killed when it does not end by itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MEMORY_MB: Final = 2048
_GRACE_S = 240  # to load, to make seeds and to finish an input, on a busy machine
_COVERED = re.compile(r"^#\d+\s+\w+\s+cov: (\d+)", re.MULTILINE)
_STAT = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Outcome of a run. `findings` are the inputs, in a folder that is kept; `words` the last lines of the fuzzer."""

    name: str
    exit: int
    executions: int
    per_second: int
    covered_first: int
    covered_last: int
    peak_mb: int
    findings: tuple[Path, ...]
    words: str

    @property
    def clean(self) -> bool:
        return self.exit == 0 and not self.findings and self.executions > 0


def run(name: str, seconds: int, seed: int, findings: Path, *, runs: int = -1) -> Outcome:
    """Fuzzes for so long, or until so many inputs were tried. Findings are written into the folder as `NAME-crash-…`,
    `NAME-timeout-…` or `NAME-oom-…`."""
    findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as begin:
        words = _run_target(name, begin, seconds, seed, findings, runs)
    covered = [int(number) for number in _COVERED.findall(words[1])]
    stats = {key: int(value) for key, value in _STAT.findall(words[1])}
    return Outcome(
        name=name,
        exit=words[0],
        executions=stats.get("number_of_executed_units", 0),
        per_second=stats.get("average_exec_per_sec", 0),
        covered_first=covered[0] if covered else 0,
        covered_last=covered[-1] if covered else 0,
        peak_mb=stats.get("peak_rss_mb", 0),
        findings=tuple(sorted(findings.glob(f"{name}-*"))),
        words="\n".join(line for line in words[1].splitlines() if not line.startswith("INFO:"))[-4000:],
    )


def _run_target(name: str, begin: str, seconds: int, seed: int, findings: Path, runs: int) -> tuple[int, str]:
    options = [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-runs={runs}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-artifact_prefix={findings}/{name}-",
        "-print_final_stats=1",
    ]
    started = [sys.executable, "-m", "tests.fuzz.one", name, begin, *options]
    try:
        # Sets are gone through in one order, so that a seed means the same inputs each time.
        ended = subprocess.run(
            started,
            capture_output=True,
            timeout=seconds + _GRACE_S,
            check=False,
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )
    except subprocess.TimeoutExpired as late:
        return -1, (late.stderr or b"").decode(errors="replace") + "\nit did not end by itself and was killed"
    return ended.returncode, ended.stderr.decode(errors="replace") + ended.stdout.decode(errors="replace")


def table(outcomes: list[Outcome]) -> Iterator[str]:
    """Lines for a person."""
    yield f"{'target':<12}{'executions':>12}{'per s':>8}{'coverage':>16}{'peak MB':>9}  findings"
    for outcome in outcomes:
        covered = f"{outcome.covered_first} -> {outcome.covered_last}"
        names = ", ".join(path.name for path in outcome.findings) or (
            "none" if outcome.clean else f"exit {outcome.exit}"
        )
        yield f"{outcome.name:<12}{outcome.executions:>12}{outcome.per_second:>8}{covered:>16}{outcome.peak_mb:>9}  {names}"
