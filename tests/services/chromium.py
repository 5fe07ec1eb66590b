"""Debian's Chromium, which the tests of the pages drive. It is no server: whoever needs a browser starts one."""

from __future__ import annotations

import shutil
from pathlib import Path

PACKAGES = ("chromium",)
# In place of Debian's own start script: it may be named where a machine keeps the browser elsewhere.
PATH = "LIENTHONG_TEST_CHROMIUM"


def program(path: str = "") -> Path | None:
    """Find the browser; None where there is none."""
    command = path or shutil.which("chromium")
    return Path(command) if command else None


def installed() -> bool:
    return program() is not None
