"""Directories of a hot folder, each held open while in use, so that a planted link leads nowhere. In: a path that the
operator set, then plain names. Out: listings, bytes of regular files, and new files that appear whole or not at all.
Blocks: use it in the pool. Every error of the disk or the share becomes a `StoreFailure` with place and advice."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO
from zlib import crc32

from gateway.errors import GatewayError, NotFound, StoreFailure

CODE = "GW-FOLDER"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# With these flags, opening a pipe does not block the reader.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DRAFT = ".gateway-new-"
_COPY = 1024 * 1024


class NotAFile(GatewayError):
    """It is a link, a device, a pipe or a folder, and no file."""

    code = "GW-FOLDER-FILE"

    def __init__(self, path: str, *, is_folder: bool = False) -> None:
        super().__init__(f"{path} is {'a folder' if is_folder else 'no file'}")
        self.is_folder = is_folder


@dataclass(frozen=True, slots=True)
class DirectoryName:
    """Name in a directory, as listed."""

    name: str
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """State of a file that changes with every later write. Its times are only those of the share."""

    size: int
    changed_ns: int
    node: int
    mode: int

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


def mark_of(stat_result: os.stat_result) -> Mark:
    return Mark(stat_result.st_size, stat_result.st_mtime_ns, stat_result.st_ino, stat_result.st_mode)


class Writing:
    """File that is being written, in a folder that nothing reads yet."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self._path = path

    def add(self, piece: bytes) -> None:
        with _as_store_failure(self._path):
            self._file.write(piece)

    def end(self) -> None:
        """Flush the file to disk."""
        with _as_store_failure(self._path), self._file:
            self._file.flush()
            os.fsync(self._file.fileno())

    def give_up(self) -> None:
        with suppress(OSError):
            self._file.close()


class Place:
    """Open directory. Leave its `with` to close it."""

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self.path = path

    @staticmethod
    def open_root(root: Path) -> Place:
        """Open the root, which may itself be a link or a mount; below it no link is followed."""
        with _as_store_failure(str(root)):
            return Place(os.open(root, _DIRECTORY), str(root))

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def within(self, *names: str, make: bool = False) -> Place:
        """Open the directory at these names below this one, or this one once more without names. Raises NotFound where it
        is missing, unless `make` creates it."""
        if not names:
            return Place(os.dup(self._fd), self.path)
        with ExitStack() as stack:
            place = self
            for n, name in enumerate(names, 1):
                place = place._below(name, make=make)
                if n < len(names):
                    stack.enter_context(place)
            return place

    def _below(self, name: str, *, make: bool) -> Place:
        path = f"{self.path}/{name}"
        if make:
            with _as_store_failure(path), suppress(FileExistsError):
                os.mkdir(name, dir_fd=self._fd)
                # The rights of the parent folder apply below it too; a share may not support rights.
                with suppress(OSError):
                    os.chmod(name, stat.S_IMODE(os.fstat(self._fd).st_mode) & ~stat.S_ISVTX, dir_fd=self._fd)
        try:
            with _as_store_failure(path):
                return Place(os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=self._fd), path)
        except StoreFailure as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise NotFound(f"there is no folder {path}") from error
            raise

    @property
    def identity(self) -> str:
        """Id of the directory, which another one in its place does not have."""
        with _as_store_failure(self.path):
            stat_result = os.fstat(self._fd)
        return f"{stat_result.st_dev}:{stat_result.st_ino}"

    def listing(self, most: int) -> tuple[list[DirectoryName], bool]:
        """List at most so many names; return them, and whether there are more."""
        listed: list[DirectoryName] = []
        with _as_store_failure(self.path), os.scandir(self._fd) as names:
            for entry in names:
                if len(listed) == most:
                    return listed, True
                listed.append(DirectoryName(entry.name, entry.is_dir(follow_symlinks=False)))
        return listed, False

    def mark(self, name: str) -> Mark | None:
        """Return the mark of a name; None where it does not exist."""
        with _as_store_failure(f"{self.path}/{name}"):
            try:
                return mark_of(os.stat(name, dir_fd=self._fd, follow_symlinks=False))
            except FileNotFoundError:
                return None

    def changed_at(self, name: str) -> datetime | None:
        """Return when the file was moved here or last written, whichever is later; None where it does not exist."""
        with _as_store_failure(f"{self.path}/{name}"):
            try:
                stat_result = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
            except FileNotFoundError:
                return None
        return datetime.fromtimestamp(max(stat_result.st_mtime, stat_result.st_ctime), UTC)

    def open(self, name: str) -> BinaryIO:
        """Open a regular file. Raises NotAFile for anything else, and NotFound where it is missing."""
        path = f"{self.path}/{name}"
        try:
            with _as_store_failure(path):
                fd = os.open(name, _FILE, dir_fd=self._fd)
        except StoreFailure as error:
            cause = error.__cause__
            if isinstance(cause, FileNotFoundError):
                raise NotFound(f"{path} is gone") from error
            if isinstance(cause, OSError) and cause.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
                raise NotAFile(path) from error
            raise
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            os.close(fd)
            raise NotAFile(path, is_folder=stat.S_ISDIR(mode))
        return os.fdopen(fd, "rb")

    def read(self, name: str, most: int) -> bytes:
        """Read all of a small file; of a larger one, one byte more than `most`."""
        with self.open(name) as file, _as_store_failure(f"{self.path}/{name}"):
            return file.read(most + 1)

    def write(self, name: str, pieces: Iterator[bytes] | Sequence[bytes]) -> None:
        """Write a file so that it appears under its name only when it is complete and on disk."""
        draft = f"{_DRAFT}{os.getpid()}-{crc32(os.fsencode(name))}"
        with _as_store_failure(f"{self.path}/{name}"):
            fd = os.open(
                draft,
                os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC,
                0o660,
                dir_fd=self._fd,
            )
            try:
                with os.fdopen(fd, "wb") as file:
                    self._share(fd)
                    for piece in pieces:
                        file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(draft, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
            except BaseException:
                with suppress(OSError):
                    os.unlink(draft, dir_fd=self._fd)
                raise
            self.flush()

    def begin(self, name: str) -> Writing:
        """Create a new file that is written piece by piece, and complete once it is ended."""
        with _as_store_failure(f"{self.path}/{name}"):
            fd = os.open(name, _NEW, 0o660, dir_fd=self._fd)
        self._share(fd)
        return Writing(os.fdopen(fd, "wb"), f"{self.path}/{name}")

    def append(self, name: str, raw: bytes) -> int:
        """Append to a file and return its size. Where a crash cut the last line short, it is ended first, so that lines
        stay readable."""
        with _as_store_failure(f"{self.path}/{name}"):
            fd = os.open(
                name,
                os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK,
                0o660,
                dir_fd=self._fd,
            )
            with os.fdopen(fd, "r+b") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise NotAFile(f"{self.path}/{name}")
                end = file.seek(0, os.SEEK_END)
                if not end:
                    self._share(file.fileno())
                else:
                    file.seek(end - 1)
                    raw = raw if file.read(1) == b"\n" else b"\n" + raw
                    file.seek(end)
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
                return file.tell()

    def move(self, name: str, to: Place, new: str) -> None:
        """Move a file or folder. Across devices the copy is complete and on disk before the original is removed."""
        with _as_store_failure(f"{self.path}/{name}"):
            try:
                os.rename(name, new, src_dir_fd=self._fd, dst_dir_fd=to._fd)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._copy(name, to, new)
                self.remove(name)
            to.flush()
            self.flush()

    def _copy(self, name: str, to: Place, new: str) -> None:
        """Copy a file, or a folder with all in it. A link or a device has nothing to copy."""
        mark, draft = self.mark(name), f"{_DRAFT}{os.getpid()}"
        if mark is not None and mark.is_folder:
            to.remove(draft)
            with self.within(name) as source, to.within(draft, make=True) as copy:
                for child in os.listdir(source._fd):
                    source._copy(child, copy, child)
            os.rename(draft, new, src_dir_fd=to._fd, dst_dir_fd=to._fd)
            to.flush()
        elif mark is not None and mark.is_file:
            with self.open(name) as file:
                to.write(new, iter(lambda: file.read(_COPY), b""))

    def remove(self, name: str) -> None:
        """Remove a file, a link or a folder with its contents; harmless where it does not exist."""
        with _as_store_failure(f"{self.path}/{name}"):
            mark = self.mark(name)
            if mark is None:
                return
            if mark.is_folder:
                shutil.rmtree(name, dir_fd=self._fd)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self._fd)

    def _share(self, fd: int) -> None:
        """Give the file the rights that the directory's group has; others get none."""
        with suppress(OSError):
            mode = stat.S_IMODE(os.fstat(self._fd).st_mode)
            os.fchmod(fd, 0o600 | (mode & 0o060))

    def flush(self) -> None:
        """Flush the directory's names to disk, as far as the share supports it."""
        with suppress(OSError):
            os.fsync(self._fd)


@contextmanager
def _as_store_failure(path: str) -> Iterator[None]:
    """Raise a failed system call as a StoreFailure that an operator can act on."""
    try:
        yield
    except OSError as cause:
        raise StoreFailure(
            f"the hot folder does not work at {printable(path)}: {cause.strerror or cause}",
            code=CODE,
            hint="gateway folder check",
        ) from cause


def printable(text: str, most: int = 300) -> str:
    """Return a name in a form that is safe in messages."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:most])
