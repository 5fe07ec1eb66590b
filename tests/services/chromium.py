"""Finds Debian's Chromium, which the tests of the pages drive. It is no server: each test that needs a browser starts one.
The package without windows is the same engine and takes a fifth less processor time; a whole Chromium does as well."""

from __future__ import annotations

import shutil
from pathlib import Path

_PROGRAMS = ("chromium-headless-shell", "chromium")
PACKAGES = _PROGRAMS[:1]
# In place of Debian's own start script: it may be named where a machine keeps the browser elsewhere.
PATH = "LIENTHONG_TEST_CHROMIUM"


def program(path: str = "") -> Path | None:
    """Find the browser; None where there is none."""
    commands = [path] if path else filter(None, map(shutil.which, _PROGRAMS))
    return next(map(Path, commands), None)


def installed() -> bool:
    return program() is not None
