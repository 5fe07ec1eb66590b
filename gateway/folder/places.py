"""The directories of a hot folder, each held open while it is worked in, so that a link that somebody lays there leads
nowhere. In: a path that the operator set, then plain names. Out: what lies in a directory, bytes of regular files, and
files that appear whole or not at all. Sync: use it in the pool. Whatever the disk or the share refuses is a
`StoreFailure` that says where and what to do."""

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

from gateway.errors import GatewayError, NotFound, StoreFailure

CODE = "GW-FOLDER"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A pipe that is opened so does not make the reader wait.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DRAFT = ".gateway-new-"
_COPY = 1024 * 1024


class NotAFile(GatewayError):
    """It is a link, a device, a pipe or a folder, and no file."""

    code = "GW-FOLDER-FILE"

    def __init__(self, shown: str, *, is_folder: bool = False) -> None:
        super().__init__(f"{shown} is {'a folder' if is_folder else 'no file'}")
        self.is_folder = is_folder


@dataclass(frozen=True, slots=True)
class Seen:
    """One name of a directory, as the listing tells it."""

    name: str
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """By which one knows that nobody has written to it meanwhile. No clock but the share's own is asked."""

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


def mark_of(found: os.stat_result) -> Mark:
    return Mark(found.st_size, found.st_mtime_ns, found.st_ino, found.st_mode)


class Writing:
    """A file that is being written, in a place where nobody looks for it yet."""

    def __init__(self, file: BinaryIO, shown: str) -> None:
        self._file = file
        self._shown = shown

    def add(self, piece: bytes) -> None:
        with _told(self._shown):
            self._file.write(piece)

    def end(self) -> None:
        """It is on the disk."""
        with _told(self._shown), self._file:
            self._file.flush()
            os.fsync(self._file.fileno())

    def give_up(self) -> None:
        with suppress(OSError):
            self._file.close()


class Place:
    """One directory. Close it, or leave its `with`."""

    def __init__(self, fd: int, shown: str) -> None:
        self._fd = fd
        self.shown = shown

    @staticmethod
    def at(root: Path) -> Place:
        """What the operator named may be a link or a mount; below it nothing is followed."""
        with _told(str(root)):
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
        """The directory below, or this one opened again; NotFound where there is none and none is to be made."""
        if not names:
            return Place(os.dup(self._fd), self.shown)
        with ExitStack() as passed:
            here = self
            for n, name in enumerate(names, 1):
                here = here._below(name, make=make)
                if n < len(names):
                    passed.enter_context(here)
            return here

    def _below(self, name: str, *, make: bool) -> Place:
        shown = f"{self.shown}/{name}"
        if make:
            with _told(shown), suppress(FileExistsError):
                os.mkdir(name, dir_fd=self._fd)
                # Who may write into the folder may write below it; a share may not know of rights.
                with suppress(OSError):
                    os.chmod(name, stat.S_IMODE(os.fstat(self._fd).st_mode) & ~stat.S_ISVTX, dir_fd=self._fd)
        try:
            with _told(shown):
                return Place(os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=self._fd), shown)
        except StoreFailure as why:
            if isinstance(why.__cause__, FileNotFoundError):
                raise NotFound(f"there is no folder {shown}") from why
            raise

    @property
    def identity(self) -> str:
        """By which one knows that it was not exchanged for another."""
        with _told(self.shown):
            found = os.fstat(self._fd)
        return f"{found.st_dev}:{found.st_ino}"

    def listing(self, most: int) -> tuple[list[Seen], bool]:
        """At most so many names, and whether there are more."""
        found: list[Seen] = []
        with _told(self.shown), os.scandir(self._fd) as names:
            for each in names:
                if len(found) == most:
                    return found, True
                found.append(Seen(each.name, each.is_dir(follow_symlinks=False)))
        return found, False

    def mark(self, name: str) -> Mark | None:
        """None where nothing has that name."""
        with _told(f"{self.shown}/{name}"):
            try:
                return mark_of(os.stat(name, dir_fd=self._fd, follow_symlinks=False))
            except FileNotFoundError:
                return None

    def put_at(self, name: str) -> datetime | None:
        """When it came to lie here, or was written last, whichever is later; None where nothing has that name."""
        with _told(f"{self.shown}/{name}"):
            try:
                found = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
            except FileNotFoundError:
                return None
        return datetime.fromtimestamp(max(found.st_mtime, found.st_ctime), UTC)

    def open(self, name: str) -> BinaryIO:
        """A regular file; NotAFile for anything else, NotFound where it is gone."""
        shown = f"{self.shown}/{name}"
        try:
            with _told(shown):
                fd = os.open(name, _FILE, dir_fd=self._fd)
        except StoreFailure as why:
            cause = why.__cause__
            if isinstance(cause, FileNotFoundError):
                raise NotFound(f"{shown} is gone") from why
            if isinstance(cause, OSError) and cause.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
                raise NotAFile(shown) from why
            raise
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            os.close(fd)
            raise NotAFile(shown, is_folder=stat.S_ISDIR(mode))
        return os.fdopen(fd, "rb")

    def read(self, name: str, most: int) -> bytes:
        """All of a small file; one byte more than `most` of a larger one."""
        with self.open(name) as file, _told(f"{self.shown}/{name}"):
            return file.read(most + 1)

    def write(self, name: str, pieces: Iterator[bytes] | Sequence[bytes]) -> None:
        """The whole file is there under its name and on the disk, or nothing is."""
        draft = f"{_DRAFT}{os.getpid()}-{abs(hash(name)) % 10**9}"
        with _told(f"{self.shown}/{name}"):
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
            self.settle()

    def begin(self, name: str) -> Writing:
        """A new file, written piece by piece; there once it is ended."""
        with _told(f"{self.shown}/{name}"):
            fd = os.open(name, _NEW, 0o660, dir_fd=self._fd)
        self._share(fd)
        return Writing(os.fdopen(fd, "wb"), f"{self.shown}/{name}")

    def append(self, name: str, raw: bytes) -> int:
        """Behind what is there; the size of it all. A line that a crash had cut short is ended first, so that the next one
        can be read."""
        with _told(f"{self.shown}/{name}"):
            fd = os.open(
                name,
                os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK,
                0o660,
                dir_fd=self._fd,
            )
            with os.fdopen(fd, "r+b") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise NotAFile(f"{self.shown}/{name}")
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
        """In one step where both lie on one device; else the copy is whole and on the disk before the first is gone."""
        with _told(f"{self.shown}/{name}"):
            try:
                os.rename(name, new, src_dir_fd=self._fd, dst_dir_fd=to._fd)
            except OSError as why:
                if why.errno != errno.EXDEV:
                    raise
                self._carry(name, to, new)
            to.settle()
            self.settle()

    def _carry(self, name: str, to: Place, new: str) -> None:
        found, draft = self.mark(name), f"{_DRAFT}{os.getpid()}"
        if found is not None and found.is_folder:
            to.remove(draft)
            with self.within(name) as from_, to.within(draft, make=True) as copy:
                for each in from_.listing(_MOST_CARRIED)[0]:
                    from_._carry(each.name, copy, each.name)
            os.rename(draft, new, src_dir_fd=to._fd, dst_dir_fd=to._fd)
            self.remove(name)
        elif found is not None and found.is_file:
            with self.open(name) as file:
                to.write(new, iter(lambda: file.read(_COPY), b""))
            os.unlink(name, dir_fd=self._fd)
        else:  # a link or a device has nothing to carry
            os.unlink(name, dir_fd=self._fd)

    def remove(self, name: str) -> None:
        """A file, a link or a folder with everything in it; harmless where there is none."""
        with _told(f"{self.shown}/{name}"):
            found = self.mark(name)
            if found is None:
                return
            if found.is_folder:
                shutil.rmtree(name, dir_fd=self._fd)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self._fd)

    def _share(self, fd: int) -> None:
        """Whoever may write into the directory may read and write the file; others may not."""
        with suppress(OSError):
            mode = stat.S_IMODE(os.fstat(self._fd).st_mode)
            os.fchmod(fd, 0o600 | (mode & 0o060))

    def settle(self) -> None:
        """The names in it are on the disk; some shares cannot promise that, and do it by themselves."""
        with suppress(OSError):
            os.fsync(self._fd)


_MOST_CARRIED = 10_000


@contextmanager
def _told(shown: str) -> Iterator[None]:
    """What a system call refuses, as something that an operator can act on."""
    try:
        yield
    except OSError as cause:
        raise StoreFailure(
            f"the hot folder does not work at {printable(shown)}: {cause.strerror or cause}",
            code=CODE,
            hint="gateway folder check",
        ) from cause


def printable(text: str, most: int = 300) -> str:
    """Return a name as it may stand in a message."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:most])
