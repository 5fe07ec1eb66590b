"""A node's disk that can be full in earnest: a small file system in memory whose limit can be drawn down to what it holds.
In: a folder. Out: the folder mounted, where that is allowed; `real` says so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_ROOM = "8g"  # only what is written takes memory
_TRIES = 200


class Disk:
    """One mounted folder. Where mounting is not allowed it is a plain folder, and `fill` must not be asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.real = os.geteuid() == 0 and _done(
            "mount", "-t", "tmpfs", "-o", f"size={_ROOM}", "none", str(folder)
        )

    def fill(self) -> None:
        """Nothing more goes in: the limit is what it holds now. It is refused where something came in meanwhile."""
        for more in range(_TRIES):
            told = os.statvfs(self.folder)
            used = (told.f_blocks - told.f_bfree + more) * told.f_frsize
            if _done("mount", "-o", f"remount,size={used}", str(self.folder)):
                return
        raise OSError(f"{self.folder} does not take what it holds as its limit")

    def empty(self) -> None:
        if not _done("mount", "-o", f"remount,size={_ROOM}", str(self.folder)):
            raise OSError(f"{self.folder} cannot be given its room again")

    def close(self) -> None:
        if self.real:
            _done("umount", "-l", str(self.folder))


def _done(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
