"""Disk space of a node, and the notes of its backups. In: folders, and the number of bytes that must stay free, so that
accepted work can still be finished. Out: StoreFailure for a new file while there is less space, or too few inodes; one
`Disk` with a verdict for each file system; the last backup, None when there is none or its note cannot be read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway import errors, time_source
from gateway.atomic_files import write_file

# How the names of backups end: of one in a file, and of one in a folder of pieces.
BACKUP_SUFFIX, SNAPSHOT_SUFFIX = ".backup", ".snapshot"
# List of destroyed documents, in the node's folder and beside its backups.
DESTROYED_LIST = "destroyed.jsonl"
# Fewest free inodes. A packet needs some dozens of files; file systems without a fixed number of inodes report zero.
INODES = 1000
GOOD, LOW, FULL = "good", "low", "full"
# A document of the largest size is 50 MB and lies on disk three times while it is sent. Keys are a few kilobytes each.
KEYS = "keys"
# Times in the notes of backups.
_TIMES = ("at", "first_at", "verified_at", "sampled_at", "copied_at")
# Task that may fail, and the time at which it last succeeded.
_TASKS = {"backup": "at", "drill": "verified_at", "sample": "sampled_at", "copy": "copied_at"}
_FULL, _LOW = 500 * 1024**2, 5 * 1024**3
_KEYS_FULL, _KEYS_LOW = 10 * 1024**2, 20 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Free space of a file system. `inodes` is None where it does not count them."""

    bytes: int
    inodes: int | None

    @property
    def lacks_inodes(self) -> bool:
        return self.inodes is not None and self.inodes < INODES


# How long a good check is valid. Each small document checks several times, and the reserve is not used up so quickly.
_ENOUGH_FOR_S = 0.05


@dataclass(slots=True, kw_only=True)
class Room:
    """Check that `reserve` bytes stay free on the disks of `folder` and `other_folders`, unless it is 0; and by `is_right`
    that the folders are the right ones (StoreFailure otherwise)."""

    folder: Path
    reserve: int
    other_folders: tuple[Path, ...] = ()
    is_right: Callable[[], None] = lambda: None
    _enough_until: float = field(default=0.0, init=False, compare=False)
    _share: float = field(default=1.0, init=False, compare=False)
    _share_until: float = field(default=0.0, init=False, compare=False)

    def space(self) -> Space:
        """Return the free space on the disk of `folder`. StoreFailure when the disk does not answer."""
        return free_space(self.folder)

    def share(self) -> float:
        """Return what the disks leave of a budget: all of it, less and less from five times the reserve on, none at the
        reserve."""
        if not self.reserve or time_source.monotonic() < self._share_until:
            return self._share
        free = min(free_space(folder).bytes for folder in (self.folder, *self.other_folders))
        self._share = min(max((free - self.reserve) / (4 * self.reserve), 0.0), 1.0)
        self._share_until = time_source.monotonic() + _ENOUGH_FOR_S
        return self._share

    def check(self) -> None:
        """Check that every disk has room for another file; StoreFailure when one has not, or a folder is a wrong one."""
        self.is_right()
        if not self.reserve or time_source.monotonic() < self._enough_until:
            return
        for folder in (self.folder, *self.other_folders):
            free = free_space(folder)
            if free.bytes < self.reserve or free.lacks_inodes:
                raise errors.StoreFailure(
                    f"the disk of {folder} is full: {free.bytes // 1024**2} MB and {free.inodes} inodes are left, and "
                    f"{self.reserve // 1024**2} MB and {INODES} are kept back; nothing is taken in until there is space",
                    code="GW-S-507",
                )
        self._enough_until = time_source.monotonic() + _ENOUGH_FOR_S


def free_space(folder: Path) -> Space:
    """Return the free space of the disk on which the folder is, or would be created. StoreFailure when the disk does not
    answer, such as a mount that is gone."""
    try:
        try:
            disk = os.statvfs(folder)
        except (FileNotFoundError, NotADirectoryError):
            disk = os.statvfs(_nearest(folder))
    except OSError as cause:
        raise errors.StoreFailure(f"the disk of {folder} does not answer: {cause.strerror}") from cause
    return Space(bytes=disk.f_bavail * disk.f_frsize, inodes=disk.f_favail if disk.f_files else None)


def _nearest(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """One file system, with the places of the node that are on it, and the verdict `word`: good, low or full."""

    places: tuple[str, ...]
    path: Path
    space: Space
    word: str


def disks(places: Mapping[str, Path], reserve: int) -> list[Disk]:
    """Return one `Disk` for each file system of these named places. One that does not answer counts as full."""
    mounts: dict[int, list[str]] = {}
    for name, path in places.items():
        try:
            device = os.stat(_nearest(path)).st_dev
        except OSError:
            device = -len(mounts) - 1
        mounts.setdefault(device, []).append(name)
    return [_disk(tuple(names), places, reserve) for names in mounts.values()]


def _disk(names: tuple[str, ...], places: Mapping[str, Path], reserve: int) -> Disk:
    path = places[names[0]]
    try:
        space = free_space(path)
    except errors.StoreFailure:
        space = Space(bytes=0, inodes=None)
    return Disk(places=names, path=path, space=space, word=_word(names, space, reserve))


def _word(names: Iterable[str], space: Space, reserve: int) -> str:
    full, low = (_KEYS_FULL, _KEYS_LOW) if set(names) == {KEYS} else (max(_FULL, reserve), _LOW)
    if space.bytes < full or space.lacks_inodes:
        return FULL
    return LOW if space.bytes < low else GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """The last backup, and when a backup was last verified by a trial restore. `new_bytes`: what it added to its folder."""

    at: datetime
    path: str
    verified_at: datetime | None
    new_bytes: int = 0


def last_backup(data_dir: Path) -> Backup | None:
    try:
        note = json.loads((data_dir / "backup.json").read_text(encoding="utf-8"))
        verified = note.get("verified_at")
        return Backup(
            at=datetime.fromisoformat(note["at"]),
            path=str(note["path"]),
            verified_at=datetime.fromisoformat(verified) if verified else None,
            new_bytes=int(note.get("new_bytes") or 0),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def count_backups(data_dir: Path, node: str) -> int:
    """Count the node's backups that lie in the folder of the last one, where each can be restored without the others."""
    last = last_backup(data_dir)
    if last is None:
        return 0
    try:
        files = [path for path in Path(last.path).parent.iterdir() if path.is_file()]
    except OSError:
        return 0
    suffixes = (BACKUP_SUFFIX, SNAPSHOT_SUFFIX)
    return sum(
        path.suffix in suffixes and (path.name.startswith(f"{node}-") or path == Path(last.path))
        for path in files
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupNotes:
    """Times that a node noted of its backups: the first one, the last, the last drill that was equal, the last sample that
    was, the last copy elsewhere, and by task (`backup`, `drill`, `sample`, `copy`) a failure since then with its reason."""

    first_at: datetime | None = None
    at: datetime | None = None
    verified_at: datetime | None = None
    sampled_at: datetime | None = None
    copied_at: datetime | None = None
    failed: Mapping[str, tuple[datetime, str]] = field(default_factory=dict)


def backup_notes(data_dir: Path) -> BackupNotes:
    """Read the notes; empty ones where there are none that can be read."""
    try:
        note = json.loads((data_dir / "backup.json").read_text(encoding="utf-8"))
        names = (*_TIMES, *(f"{task}_failed_at" for task in _TASKS))
        times = {name: datetime.fromisoformat(note[name]) for name in names if note.get(name)}
    except (OSError, ValueError, TypeError, AttributeError):
        return BackupNotes()
    failed = {}
    for task, success in _TASKS.items():
        failed_at, done_at = times.get(f"{task}_failed_at"), times.get(success)
        if failed_at is not None and (done_at is None or failed_at > done_at):
            failed[task] = failed_at, str(note.get(f"{task}_failed", ""))
    return BackupNotes(
        **{"first_at": times.get("at")} | {name: times.get(name) for name in _TIMES if name in times},
        failed=failed,
    )


def destroyed_lines(folder: Path) -> Sequence[str]:
    """Return the entries of a folder's list of destroyed documents, oldest first."""
    path = folder / DESTROYED_LIST
    return [*filter(None, path.read_text("utf-8", "replace").splitlines())] if path.is_file() else []


def merge_destroyed(source: Path, target: Path) -> None:
    """Add the entries of the list in the folder `source` to that in `target`, durably."""
    lines = dict.fromkeys([*destroyed_lines(target), *destroyed_lines(source)])
    if lines and source != target:
        write_file(target / DESTROYED_LIST, "".join(f"{line}\n" for line in lines).encode(), 0o600)
