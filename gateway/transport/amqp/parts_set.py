"""Reads and writes one set of parts in its folder: the label of its first part, the parts stored, and whether it was
refused or parked. In: the folder. Out: values read from it, and files added to it. A writer holds the lock of the node's
folder; a reader needs none, because every file appears whole. A part's file name holds its number, size and digest, so
that a repeated part is recognised without reading the file.

The file operations of the spool stand last: each is done and on disk, or not begun; locks end with their process. Sync:
call it in the pool."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final, Self

from gateway.atomic_files import sync_folder
from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.errors import StoreFailure
from gateway.transport.amqp.label import PartLabel
from gateway.transport.parcel import PIECE

LABEL, HOLD, REFUSED, OFFERS, PARKED = "label.json", "hold", "refused", "offers", "aside"
_PART: Final = re.compile(r"(\d{1,9})-(\d{1,18})-([0-9a-f]{64})")


class ParkedReason(StrEnum):
    """Reason why a set is no longer handed out, until a person takes it back or its agency is hosted again."""

    NEVER_SETTLED = "never settled"
    FOR_NOBODY = "for nobody"
    NO_ROOM = "no room"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPart:
    """One stored part."""

    path: Path
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSet:
    """One set of parts on disk; `label` is the label of the part that began it."""

    folder: Path
    label: PartLabel
    recipients: tuple[str, ...]
    began: datetime

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read a set from its folder; None when another process has removed it. OSError when its label is damaged."""
        try:
            content = json.loads((folder / LABEL).read_bytes())
            label = content["label"]
            label |= {"whole_digest": Digest(label["whole_digest"]), "lane": Lane(label["lane"])}
            return cls(
                folder=folder,
                label=PartLabel(**label),
                recipients=tuple(content["recipients"]),
                began=datetime.fromtimestamp(content["began"], UTC),
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as cause:
            raise OSError(errno.EIO, f"{LABEL} of a set is damaged", str(folder)) from cause

    def write_new(self, draft: Path, body: bytes) -> None:
        """Write a new set with its first part into the folder `draft`; the caller moves it to its place."""
        content = {
            "label": asdict(self.label),
            "recipients": self.recipients,
            "began": self.began.timestamp(),
        }
        draft.mkdir(mode=0o700)
        write_file(draft / LABEL, json.dumps(content).encode())
        write_file(draft / HOLD, b"")
        write_file(draft / part_name(self.label.n, body), body)
        sync_folder(draft)

    def parts(self) -> Mapping[int, KeptPart]:
        """Return the stored parts by number."""
        matches = ((_PART.fullmatch(entry.name), entry) for entry in entries(self.folder))
        return {
            int(match[1]): KeptPart(path=path, size=int(match[2]), digest=match[3])
            for match, path in matches
            if match is not None
        }

    @property
    def is_whole(self) -> bool:
        return len(self.parts()) == self.label.of

    @property
    def refusal(self) -> str:
        """Why the set was refused; empty when it was not."""
        try:
            return (self.folder / REFUSED).read_text("utf-8")
        except FileNotFoundError:
            return ""

    @property
    def offers(self) -> int:
        """Number of times the set was handed out since it began or was taken back."""
        try:
            return (self.folder / OFFERS).stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def parked_reason(self) -> ParkedReason | None:
        """Why the set was parked; None when it was not."""
        try:
            return ParkedReason((self.folder / PARKED).read_text("utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:  # the file is damaged, but the set was parked; it must not stop the other sets
            return ParkedReason.NEVER_SETTLED

    @property
    def waits_for_us(self) -> bool:
        """True when all parts came and nothing but this node's own pace keeps the set here."""
        return self.is_whole and not self.refusal and self.parked_reason is None


def part_name(n: int, body: bytes) -> str:
    """Return the file name of a part: its number, size and digest."""
    return f"{n:09d}-{len(body)}-{hashlib.sha256(body).hexdigest()}"


def opener(parts: Mapping[int, KeptPart]) -> Callable[[], BinaryIO]:
    """Return a function that opens the parts as one file, in the order of their numbers."""
    paths = [parts[n].path for n in sorted(parts)]
    return lambda: io.BufferedReader(ChainedFiles(paths), PIECE)


def measure_parts(parts: Mapping[int, KeptPart]) -> tuple[Digest, int]:
    """Return digest and size of the joined parts, read from disk."""
    hasher, size = hashlib.sha256(), 0
    with opener(parts)() as source:
        while piece := source.read(PIECE):
            hasher.update(piece)
            size += len(piece)
    return Digest.of_bytes(hasher.digest()), size


def write_file(path: Path, data: bytes) -> None:
    """Write a new file that only the node's user may read, and sync its bytes; its name is durable once the caller syncs
    the folder."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[os.write(handle, remaining) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def move_file(source: Path, target: Path) -> None:
    """Rename a file atomically, and sync the folder before returning."""
    os.rename(source, target)
    sync_folder(target.parent)


def count_up(path: Path) -> None:
    """Add one to a counter file, whose size is the number. A power cut may lose the last increments."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, b".")
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, each synced to disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def remove_path(path: Path) -> None:
    """Remove a file, or a folder of files. A path that another process removed first is fine."""
    try:
        if path.is_dir():
            for entry in entries(path):
                remove_path(entry)
            os.rmdir(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        return


def entries(folder: Path) -> list[Path]:
    """List a folder's paths by name; empty where the folder is gone."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Wait for a lock that holds among all threads and processes, and hold it for the body."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def try_hold(path: Path) -> int | None:
    """Return a handle that holds the lock until `os.close`; None where another process has it or the file is gone."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The file may have been removed between opening and locking: the lock would be on a file that no process
        # sees.
        if os.path.samestat(os.fstat(handle), os.stat(path)):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(handle)
    return None


@contextmanager
def failures_named(folder: Path) -> Iterator[None]:
    """Raise disk errors of the body as StoreFailure: nothing was stored, and a retry may succeed."""
    try:
        yield
    except OSError as cause:
        raise StoreFailure(
            f"the folder of parts {folder} does not answer: {cause.strerror or cause}; free space or mend the disk"
        ) from cause


class ChainedFiles(io.RawIOBase):
    """Several files read one after the other as one stream."""

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
