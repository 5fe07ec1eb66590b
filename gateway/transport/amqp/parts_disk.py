"""The few file operations that the spool of parts is made of, each either done and on disk, or not begun. In: paths and
bytes. Out: files that survive a power cut, and locks that end with their process. Sync: call it in the pool."""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import StoreFailure


def write(path: Path, data: bytes) -> None:
    """A new file for the node's own user alone, its bytes on disk; its name is not until its folder is synced."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def move(source: Path, target: Path) -> None:
    """From one name to the other at one instant, and on disk on return."""
    os.rename(source, target)
    sync(target.parent)


def sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def count(path: Path) -> None:
    """One more: the size of the file is the number. A power cut may lose the last ones."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, b".")
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """The folder and those above it are there and on disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync(folder.parent)


def remove(path: Path) -> None:
    """A file, or a folder of files. That another process was quicker is fine."""
    try:
        if path.is_dir():
            for entry in entries(path):
                remove(entry)
            os.rmdir(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        return


def entries(folder: Path) -> list[Path]:
    """What lies in a folder now, by name; nothing in one that is gone."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One at a time, among all threads and processes; waits."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def try_hold(path: Path) -> int | None:
    """A handle that holds the lock until `os.close`, or None: somebody has it, or the file is gone."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its owner may have removed it after we opened it: then we hold a file that nobody sees.
        if os.path.samestat(os.fstat(handle), os.stat(path)):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(handle)
    return None


@contextmanager
def failures_named(folder: Path) -> Iterator[None]:
    """A full or broken disk is the node's own storage failing: nothing was taken, and it may heal."""
    try:
        yield
    except OSError as cause:
        raise StoreFailure(
            f"the folder of parts {folder} does not answer: {cause.strerror or cause}; free space or mend the disk"
        ) from cause


class Chain(io.RawIOBase):
    """Files read one after the other, as if they were one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._left = list(reversed(paths))
        self._file: io.FileIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        while True:
            if self._file is None:
                if not self._left:
                    return 0
                self._file = io.FileIO(self._left.pop())
            if read := self._file.readinto(buffer):  # type: ignore[arg-type]  # a buffer of the caller's own
                return read
            self._file.close()
            self._file = None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()
