"""Where the files of a test run lie: in memory where the machine has room for them. Hundreds of databases are made and
dropped in a run, and a disk's file system is twenty times slower at that. In: nothing. Out: a folder, or None."""

from __future__ import annotations

import os
import re
from pathlib import Path

_SHARED = Path("/dev/shm")  # noqa: S108 - a file system, in which a folder with a name of its own is made
_GIB = 1 << 30
# What a whole run takes at its fullest, three times over.
ROOM = 6 * _GIB


def folder() -> Path | None:
    """The file system in memory, where it and the machine's memory have room."""
    if not _SHARED.is_dir() or not os.access(_SHARED, os.W_OK | os.X_OK):
        return None
    stats = os.statvfs(_SHARED)
    if stats.f_flag & os.ST_NOEXEC or stats.f_bavail * stats.f_frsize < ROOM or _available() < 2 * ROOM:
        return None
    return _SHARED


def _available() -> int:
    """Bytes that programs may still take."""
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return 0
    match = re.search(r"^MemAvailable:\s+(\d+) kB$", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0
