"""Stops a process before and after each call of its ports, and copies what it leaves. In: a node's ports, wrapped, in a
process of their own. Out: its folder at each point. A process that stands still leaves on disk exactly what a killed one
leaves, so each copy is a crash at that point. Whole nodes are killed so in `tests/simulation`."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from tests.simulation.ports import WatchPorts

# SQLite rebuilds the shared-memory index at the first opening after a crash; what it held says nothing.
_REBUILT = "-shm"
# The name of a call, and whether it begins or has ended.
Stop = Callable[[str, str], None]


class Counter:
    """Counts calls over all ports, and hands every point, before and after a call, to `stop`."""

    def __init__(self, stop: Stop = lambda name, when: None) -> None:
        self.calls = 0
        self._stop = stop

    def begin(self, name: str) -> None:
        self.calls += 1
        self._stop(name, "before")

    def end(self, name: str) -> None:
        self._stop(name, "after")


class Killer(WatchPorts):
    """The wrapper that `open_node` puts around each port."""

    def __init__(self, counter: Counter) -> None:
        super().__init__(counter)


def stand_still(name: str, when: str) -> None:
    """Stop this process with all its threads until its parent lets it go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


def copied(folder: Path, to: Path) -> Path:
    """Copy the folder as a later process finds it: the pipes of a process that has ended have no reader."""
    return Path(shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*-bells")))


def digest_of(folder: Path) -> bytes:
    sha256 = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(_REBUILT):
            sha256.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return sha256.digest()
