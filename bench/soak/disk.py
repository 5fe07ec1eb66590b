"""A node's disk that can really be full: a small file system in memory whose limit can be lowered to its content. In: a
folder. Out: the folder mounted, where that is allowed; `real` says so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_ROOM = "8g"  # memory is taken only for written bytes
_TRIES = 200


class Disk:
    """One mounted folder. Where mounting is not allowed it is a plain folder, and `fill` must not be called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.real = os.geteuid() == 0 and _succeeds(
            "mount", "-t", "tmpfs", "-o", f"size={_ROOM}", "none", str(folder)
        )

    def fill(self) -> None:
        """Let nothing more in: the limit becomes the present content. Refused where something came in meanwhile."""
        for more in range(_TRIES):
            stat = os.statvfs(self.folder)
            used = (stat.f_blocks - stat.f_bfree + more) * stat.f_frsize
            if _succeeds("mount", "-o", f"remount,size={used}", str(self.folder)):
                return
        raise OSError(f"{self.folder} does not take what it holds as its limit")

    def empty(self) -> None:
        if not _succeeds("mount", "-o", f"remount,size={_ROOM}", str(self.folder)):
            raise OSError(f"{self.folder} cannot be given its room again")

    def close(self) -> None:
        if self.real:
            _succeeds("umount", "-l", str(self.folder))


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
