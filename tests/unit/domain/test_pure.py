"""That the tests of the pure core are held to be pure: otherwise their being quick and their being many proves nothing."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cases import Cases
from tests.support.pure import Touched

OUTSIDE: dict[str, Callable[[], object]] = {
    "a file": lambda: Path("/tmp/written").write_text("x"),  # noqa: S108 - it is not written
    "a folder": lambda: Path("/tmp/made").mkdir(),  # noqa: S108 - it is not made
    "a connection": lambda: socket.create_connection(("127.0.0.1", 9)),
    "a name": lambda: socket.getaddrinfo("localhost", 80),
    "a process": lambda: subprocess.run(["true"], check=True),
}


def test_what_goes_outside_is_refused(cases: Cases) -> None:
    for name, act in OUTSIDE.items():
        with cases.case(name), pytest.raises(Touched):
            act()


def test_a_test_writes_below_the_folder_that_it_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("x")

    assert (tmp_path / "a" / "b").read_text() == "x"
