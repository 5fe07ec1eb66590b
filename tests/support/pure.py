"""Keeps the tests of the pure core pure: whatever touches a disk or a network during one of them fails it. Reading is let
(samples, schemas, what Python imports), and writing below the folder that the test asked for by `tmp_path`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis.database
import pytest

from tests.support.failures import FAILURES_FILE

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# What Python tells of before it happens, with a path first.
_CHANGES = frozenset(
    {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
)
_ELSEWHERE = frozenset(
    {"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "subprocess.Popen", "os.system"}
)
# Kept by the tools that run the tests.
_OF_TOOLS = ("__pycache__", ".hypothesis")


class Touched(AssertionError):
    """A test of the pure core went outside."""


class _Watch:
    """Listens for the whole process, since a hook cannot be taken off; refuses while a test is watched."""

    def __init__(self) -> None:
        self.is_on = False
        self.free: Path | None = None
        sys.addaudithook(self._audit)

    def _audit(self, event: str, args: tuple[object, ...]) -> None:
        if not self.is_on:
            return
        if event in _ELSEWHERE:
            raise Touched(f"the pure core does no input or output, and this test made: {event}")
        is_write = event == "open" and isinstance(args[2], int) and bool(args[2] & _WRITES)
        if (is_write or event in _CHANGES) and not self._may(args[0]):
            raise Touched(f"the pure core does no input or output, and this test made: {event} {args[0]!r}")

    def _may(self, path: object) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return True  # a file that was open before
        target = Path(os.fsdecode(path))
        return (
            any(name in target.parts for name in _OF_TOOLS)
            or (self.free is not None and target.is_relative_to(self.free))
            or str(target) == os.environ.get(FAILURES_FILE)
            or _saves_example()
        )


def _saves_example() -> bool:
    """Tell whether Hypothesis writes down an example that failed: by a file elsewhere, which it moves to its own folder.
    Refused, it would hide the failure, and the test would pass when it is run once more."""
    frame = sys._getframe()
    while (caller := frame.f_back) is not None:
        if caller.f_code.co_filename == hypothesis.database.__file__:
            return True
        frame = caller
    return False


_WATCH: list[_Watch] = []


@pytest.fixture(autouse=True)
def pure(request: pytest.FixtureRequest) -> Iterator[None]:
    """Watch one test."""
    if not _WATCH:
        _WATCH.append(_Watch())
    (watch,) = _WATCH
    watch.free = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    watch.is_on = True
    yield
    watch.is_on = False
