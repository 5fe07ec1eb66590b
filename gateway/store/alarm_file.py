"""Keeps the node's alarms in a file of the data folder, so that they outlive a restart and need no database. In: a book of
alarms. Out: the same book; whether this process is the one that sends messages. A process holds the lock as long as it
lives, and the next one gets it at once, or after some minutes where the holder stands still. While the folder does not
answer, every process sends: a message that comes twice is better than none."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter

from gateway import time_source
from gateway.atomic_files import new_file
from gateway.domain.alarm import AlarmBook

FILE, _LOCK = "alarms.json", "alarms.lock"
_BOOKS = TypeAdapter(AlarmBook)
# A holder touches its lock at each look; one look may wait for checks and mail servers that do not answer.
SILENT_S = 600.0


class AlarmFile:
    """File of the alarms in a data folder. It blocks on the disk: call it in the pool."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: int | None = None
        self._touched: tuple[int, float] | None = None

    def hold(self) -> bool:
        """Tell whether this process sends the messages, and take the lock where no other process has it. A lock on a file
        that is not in the folder any more is worth nothing."""
        path = self._folder / _LOCK
        try:
            if self._lock is not None:
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(self._lock), path.stat()):
                        os.utime(self._lock)
                        return True
                self.release()
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_silent = self._is_silent(os.fstat(handle).st_mtime_ns)
            os.close(handle)
            if is_silent:
                # The next look takes a new file, in which the lock of a holder that goes on is worth nothing.
                path.unlink(missing_ok=True)
            return False
        except OSError:
            os.close(handle)
            return True
        self._lock = handle
        return True

    def _is_silent(self, touched_ns: int) -> bool:
        """Tell whether the holder has not touched its lock for long. No clock that can be set is asked."""
        now = time_source.monotonic()
        if self._touched is None or self._touched[0] != touched_ns:
            self._touched = touched_ns, now
        return now - self._touched[1] > SILENT_S

    def release(self) -> None:
        """Let another process have the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write(self, book: AlarmBook) -> None:
        """Replace the book, durably. OSError where the folder does not take it."""
        with new_file(self._folder / FILE, 0o600, alone=True) as file:
            file.write(_BOOKS.dump_json(book))


def read_alarms(folder: Path) -> AlarmBook:
    """Read the book; an empty one where there is none, or none that can be read."""
    try:
        return _BOOKS.validate_json((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return AlarmBook()
