"""Provides a command line at which tests can type: words go in, the exit code and both outputs come back, nothing is
left behind."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import program
from gateway.clock import SystemClock
from gateway_labs.authority import Authority


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRun:
    """Exit code and output of one command line."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


OTHER_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]"
)


class Terminal:
    """Types at the command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def type(self, *words: str | Path) -> CommandRun:
        self._capsys.readouterr()
        code = program.run([str(word) for word in words])
        out, err = self._capsys.readouterr()
        # Records for programs are RFC 3339 with any offset; a seal of the log is copied to the letter, and says UTC.
        is_for_people = not out.startswith(("{", "[", "gateway-log-seal/")) and "(UTC)" not in out
        assert not is_for_people or not OTHER_TIME.findall(out), (
            "every time that a person reads has the offset of Viet Nam, as `output.stamp` writes it"
        )
        return CommandRun(code=code, out=out, err=err)


@pytest.fixture
def terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    """Open a terminal in an empty folder, without the user's environment."""
    for name in [e for e in os.environ if e.startswith("GATEWAY_") or e == "NO_COLOR"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Terminal(capsys)
    root.handlers[:] = handlers
    root.setLevel(level)


def set_up(terminal: Terminal, *more: str) -> CommandRun:
    """Set up a node of one agency in `state`, which trusts an authority of its own."""
    authority = Authority.create("Trial", SystemClock().now())
    Path("root.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    init_run = terminal.type(
        *("init", "--data-dir", "state", "--code", "Z91.02", "--name", "Office", "--port", "0"),
        *("--ca", "root.pem", "--yes", *more),
    )
    assert init_run.code == 0, init_run.err
    return init_run
