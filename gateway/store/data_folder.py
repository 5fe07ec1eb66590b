"""What the data folder tells: how much space its disk must keep free, so that what is already here can still be
finished, and the last backup as it wrote itself down. In: a folder and a number of bytes. Out: StoreFailure for
whoever would write another file while there is less, or too few inodes; the last backup, None when there is none,
or its note cannot be read."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway import errors

# A packet needs some dozens of files on its way; a file system without fixed inodes says that it has none at all.
INODES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What a file system has free. `inodes` is None where it does not count them."""

    bytes: int
    inodes: int | None


# Each small document asks several times, and nobody fills what is kept back in so short a time.
_ENOUGH_FOR_S = 0.05


@dataclass(slots=True, kw_only=True)
class Room:
    """The space that is kept back on the disk of `folder`; 0 keeps nothing back."""

    folder: Path
    reserve: int
    _enough_until: float = field(default=0.0, init=False, compare=False)

    def space(self) -> Space:
        """StoreFailure when the disk does not say, such as a mount that went away."""
        try:
            found = _asked(self.folder)
        except OSError as cause:
            raise errors.StoreFailure(
                f"the disk of {self.folder} does not answer: {cause.strerror}"
            ) from cause
        return Space(bytes=found.f_bavail * found.f_frsize, inodes=found.f_favail if found.f_files else None)

    def check(self) -> None:
        """StoreFailure while the disk is too full for another file."""
        if not self.reserve or time.monotonic() < self._enough_until:
            return
        left = self.space()
        if left.bytes < self.reserve or (left.inodes is not None and left.inodes < INODES):
            raise errors.StoreFailure(
                f"the disk of {self.folder} is full: {left.bytes // 1024**2} MB and {left.inodes} inodes are left, and "
                f"{self.reserve // 1024**2} MB and {INODES} are kept back; nothing is taken in until there is space",
                code="GW-S-507",
            )
        self._enough_until = time.monotonic() + _ENOUGH_FOR_S


def _asked(folder: Path) -> os.statvfs_result:
    """Of the disk that the folder lies on, or will."""
    try:
        return os.statvfs(folder)
    except (FileNotFoundError, NotADirectoryError):
        if folder.parent == folder:
            raise
        return _asked(folder.parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """The last backup, and when one was last restored on trial."""

    at: datetime
    path: str
    verified_at: datetime | None


def last_backup(data_dir: Path) -> Backup | None:
    try:
        told = json.loads((data_dir / "backup.json").read_text(encoding="utf-8"))
        verified = told.get("verified_at")
        return Backup(
            at=datetime.fromisoformat(told["at"]),
            path=str(told["path"]),
            verified_at=datetime.fromisoformat(verified) if verified else None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
