"""Tells cheaply whether files of a folder changed, because many callers ask all the time. In: a folder and the ending of
the file names. Out: a stamp that differs after a file was added, removed or written.

A new or removed name changes the folder itself and is seen at once; so are files written by this node's programs, which
rename them into place. A file overwritten in place is seen within `LOOK_S`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from gateway import time_source

LOOK_S = 1.0
# The clock of the file system is coarse: a second write within one tick may not show.
_TICK_NS = 50_000_000

Stamp = tuple[tuple[str, int, int], ...]


class _Look(NamedTuple):
    written_ns: int
    expires: float
    stamp: Stamp


class FolderLook:
    """Stamp of the files of one folder. Safe to share between threads."""

    def __init__(self, folder: Path, ending: str) -> None:
        self._folder, self._ending = str(folder), ending
        self._last: _Look | None = None

    def stamp(self) -> Stamp | None:
        """Return name, time of writing and size of each file; None without a folder, empty where access is denied."""
        last, now = self._last, time_source.monotonic()
        try:
            written_ns = os.stat(self._folder).st_mtime_ns
            if last is not None and last.written_ns == written_ns and now < last.expires:
                return last.stamp
            since_ns = time_source.unix_ns() - written_ns
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
                    except FileNotFoundError:  # removed meanwhile
                        continue
                    stamp.append((file.name, stat.st_mtime_ns, stat.st_size))
        return tuple(sorted(stamp))
