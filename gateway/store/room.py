"""How much space the disk must keep free, so that what is already here can still be finished. In: a folder and a
number of bytes. Out: StoreFailure for whoever would write another file while there is less, or too few inodes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gateway import errors

# A packet needs some dozens of files on its way; a file system without fixed inodes says that it has none at all.
INODES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What a file system has free. `inodes` is None where it does not count them."""

    bytes: int
    inodes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The space that is kept back on the disk of `folder`; 0 keeps nothing back."""

    folder: Path
    reserve: int

    def space(self) -> Space:
        """StoreFailure when the disk does not say, such as a mount that went away."""
        there = next(place for place in (self.folder, *self.folder.parents) if place.exists())
        try:
            found = os.statvfs(there)
        except OSError as cause:
            raise errors.StoreFailure(
                f"the disk of {self.folder} does not answer: {cause.strerror}"
            ) from cause
        return Space(bytes=found.f_bavail * found.f_frsize, inodes=found.f_favail if found.f_files else None)

    def check(self) -> None:
        """StoreFailure while the disk is too full for another file."""
        if not self.reserve:
            return
        left = self.space()
        if left.bytes < self.reserve or (left.inodes is not None and left.inodes < INODES):
            raise errors.StoreFailure(
                f"the disk of {self.folder} is full: {left.bytes // 1024**2} MB and {left.inodes} inodes are left, and "
                f"{self.reserve // 1024**2} MB and {INODES} are kept back; nothing is taken in until there is space",
                code="GW-S-507",
            )
