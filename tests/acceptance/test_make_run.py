"""The first minutes with the node: `make run` serves the demonstration, and each command that it prints works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.support.waiting import block_until

ROOT = Path(__file__).parents[2]
MOST_ABOVE_IDLE_KB = 146_000


@contextmanager
def _demonstration(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the output of a started demonstration and its process; it is stopped as with Ctrl+C."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    command = [sys.executable, "-m", "gateway", "--lang", "en", "demo", "--port", "0", "--keep", str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        printed = ""
        try:
            for line in process.stdout:
                printed += line
                if line.startswith("Ready."):
                    break
            assert "Ready." in printed, printed
            yield printed, process.pid
        finally:
            process.terminate()


def _answers_in(folder: Path) -> list[Path]:
    """List what the hot folder of an agency answered."""
    return [*folder.glob("sent/**/*.result.json"), *folder.glob("error/*.error.txt")]


def test_the_demonstration_comes_up_and_what_it_prints_can_be_typed(tmp_path: Path) -> None:
    with _demonstration(tmp_path / "demo") as (printed, pid):
        # A backup was locked on the way, which `python -m bench memory` measures too.
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
        peak_kb, now_kb = (int(re.findall(rf"{name}:\s+(\d+)", status)[0]) for name in ("VmHWM", "VmRSS"))
        assert peak_kb - now_kb <= MOST_ABOVE_IDLE_KB
        address = re.search(r"http://[\d.]+:\d+/", printed)
        assert address
        with urllib.request.urlopen(address[0]) as page:  # noqa: S310 - this machine's own
            assert "<form" in page.read().decode(), "where one signs in"

        commands = re.findall(r"^  (curl .+|cp .+|\.venv/bin/gateway .+)$", printed, flags=re.MULTILINE)
        assert len(commands) == 8, printed
        # One of each door; the others differ in what they list.
        for command in (line for line in commands if not re.search(r"inbox list|folder status", line)):
            local = command.replace(".venv/bin/gateway", f"{sys.executable} -m gateway").replace(
                "wait=25", "wait=1"
            )
            process = subprocess.run(  # noqa: S602 - as printed, in a shell
                local, shell=True, cwd=ROOT, capture_output=True, text=True, check=False
            )
            # Doctor ends with 1 when it finds something to mend: the demonstration has no scanner, for one.
            assert process.returncode == 0 or "doctor" in command, (
                f"{command}: {process.stdout}{process.stderr}"
            )
            if command.startswith("cp"):
                (answer,) = block_until(
                    partial(_answers_in, Path(command.split()[-1]).parent), "the answer of the hot folder"
                )
                assert answer.name.endswith(".result.json"), answer.read_text("utf-8")
            if command.startswith("curl"):
                assert not {"error", "status"} & json.loads(process.stdout).keys(), process.stdout
