"""Tells whether the few files of a folder changed, as many callers ask at every moment. In: a folder and how the names
end. Out: a value that is another one once a file came, went or was written, at the price of one look at the folder.

A new name, or one that is gone, changes the folder itself and is seen at once; so are files of this node's programs,
which put them into place by a rename. A file that is written over in place is seen within `LOOK_S`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

LOOK_S = 1.0
# The clock of files ticks slowly: a second write within one tick may not show.
_TICK_NS = 50_000_000

Stamp = tuple[tuple[str, int, int], ...]


class _Look(NamedTuple):
    written_ns: int
    expires: float
    stamp: Stamp


class FolderLook:
    """Watch over the files of one folder. Safe to share between threads."""

    def __init__(self, folder: Path, ending: str) -> None:
        self._folder, self._ending = str(folder), ending
        self._last: _Look | None = None

    def stamp(self) -> Stamp | None:
        """Return each file's name, when it was written, and its size; None where there is no folder, nothing of one that
        may not be looked into."""
        last, now = self._last, time.monotonic()
        try:
            written_ns = os.stat(self._folder).st_mtime_ns
            if last is not None and last.written_ns == written_ns and now < last.expires:
                return last.stamp
            since_ns = time.time_ns() - written_ns
            stamp = self._files()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:
            return ()
        self._last = _Look(written_ns, now + LOOK_S, stamp) if since_ns > _TICK_NS else None
        return stamp

    def _files(self) -> Stamp:
        stamp = []
        with os.scandir(self._folder) as files:
            for file in files:
                if file.name.endswith(self._ending):
                    try:
                        stat = file.stat()
                    except FileNotFoundError:  # it went meanwhile
                        continue
                    stamp.append((file.name, stat.st_mtime_ns, stat.st_size))
        return tuple(sorted(stamp))
