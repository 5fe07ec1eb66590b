"""What takes long to set up and is only copied afterwards is made once for a whole run of tests: by the process that asks
first, while the others wait for it."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_RUN = "TESTS_RUN_FOLDER"  # not GATEWAY_…: those are settings, and an unknown one is refused


def begin() -> None:
    """In the process that starts the others: they inherit the name of the folder, and it goes when this one ends."""
    if _RUN not in os.environ:
        os.environ[_RUN] = tempfile.mkdtemp(prefix="gateway-run-")
        atexit.register(shutil.rmtree, os.environ[_RUN], ignore_errors=True)


@contextmanager
def once(name: str) -> Iterator[tuple[Path, bool]]:
    """A folder of the run, and whether it is still empty: then the block fills it."""
    begin()
    run = Path(os.environ[_RUN])
    folder, marker = run / name, run / f"{name}.made"
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.exists():
            shutil.rmtree(folder, ignore_errors=True)  # left unfinished by another process
            folder.mkdir()
            yield folder, True
            marker.touch()
            return
    yield folder, False
