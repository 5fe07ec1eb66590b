"""The disk of one node, or of the axis that nodes share, which forgets at a power cut what was not synced. In: every
commit, sync and rename of processes, seen where they are made. Out: an image of the folder as the next process finds it:
the write-ahead log cut at a frame, its last one torn, and files and renames since the last sync each kept or lost by
seed."""

# Calls of the machine are replaced by others that take what those take.
# mypy: disable-error-code="assignment"

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from tests.simulation.loop import Owner, VirtualLoop, current_owner

_WAL_HEADER, _FRAME_HEADER = 32, 24
# Of the index of a write-ahead log: its number of valid frames, and the salt that they share.
_FRAMES, _SALT = struct.Struct("=16xI"), slice(32, 40)
_BELLS, _INDEX, _HOT_FOLDER = "-bells", "-shm", "/hot/"
# Of `PRAGMA synchronous`: each commit ends with a sync of the log.
_FULL = 2
_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "COMMIT", "END", "SAVEPOINT", "RELEASE")
_real_fsync, _real_replace, _real_rename, _real_utime = os.fsync, os.replace, os.rename, os.utime
_real_connect, _real_statvfs = sqlite3.connect, os.statvfs
# The number that each file had before it was copied.
FIRST_NUMBERS: dict[int, int] = {}
# (salt, number of frames) of a write-ahead log.
_End = tuple[bytes, int]


class Disk:
    """One folder. `is_full` refuses what would take room; `moment` is what its owners reach at each point of it."""

    def __init__(self, folder: Path, seed: str, moment: str = "disk") -> None:
        self.folder, self.moment = folder, moment
        self.chance = Random(f"{seed} disk")
        self.is_full = False
        self.lost_share = 1 / 3
        self.commits = self.syncs = self.cuts = self.statements = 0
        self.changes = 0  # of what a kill leaves: commits, syncs and renames
        self.prepare: Callable[[sqlite3.Connection], None] = lambda connection: None
        # While two processes are at work in the folder.
        self.is_shared = False
        self.after_commit: Callable[[], None] = lambda: None
        self._ends: dict[str, tuple[int, _End]] = {}
        self._unsettled: list[tuple[str, int, _End]] = []
        self._is_at_work = False
        self._files: dict[int, tuple[int, int]] = {}
        self._names: dict[str, dict[str, int]] = {}
        self._replaced: dict[str, Path] = {}
        self._connections: list[weakref.ref[sqlite3.Connection]] = []
        self.begin()

    def begin(self) -> None:
        """Take everything in the folder as synced, as after a start."""
        self._ends.clear()
        self._files.clear()
        self._names.clear()
        self._replaced.clear()
        for parent, folders, files in os.walk(self.folder):
            self._names[parent] = {n: os.stat(f"{parent}/{n}").st_ino for n in (*folders, *files)}
            for name in files:
                self._note_file(os.stat(f"{parent}/{name}"))
                if name.endswith("-wal") and (end := _end_in_log(Path(f"{parent}/{name}"))) is not None:
                    self._ends[f"{parent}/{name}".removesuffix("-wal")] = 0, end

    # --- what the node does -----------------------------------------------------------------------------------

    def has_opened(self, connection: sqlite3.Connection) -> None:
        self.prepare(connection)
        self._connections.append(weakref.ref(connection))
        if self.is_full:
            _limit(connection, is_full=True)

    def has_committed(self, file: str, *, is_synced: bool) -> None:
        """Note a commit: synced once its work has been answered, since the sync is its last step."""
        self.commits += 1
        end = _end_of_log(file) if is_synced else None
        if end is not None and self._is_at_work:
            self._unsettled.append((file, self.commits, end))
        elif end is not None:
            self._note_end(file, self.commits, end)
        self._count_point()
        self.after_commit()

    def _note_end(self, file: str, commit: int, end: _End) -> None:
        """Note how far a log is synced. The answer to an earlier commit of another process may come later."""
        if commit >= self._ends.get(file, (0, end))[0]:
            self._ends[file] = commit, end

    def begin_work(self) -> None:
        self._is_at_work = True

    def end_work(self) -> Callable[[], None]:
        self._is_at_work = False
        ends, self._unsettled = self._unsettled, []

        def settle() -> None:
            for noted in ends:
                self._note_end(*noted)

        return settle

    def sync(self, handle: int) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")
        self.syncs += 1
        path = os.readlink(f"/proc/self/fd/{handle}")
        if os.path.isdir(path):
            self._names[path] = {entry.name: entry.inode() for entry in os.scandir(path)}
            for name in [name for name in self._replaced if os.path.dirname(name) == path]:
                self._replaced.pop(name).unlink(missing_ok=True)
        else:
            self._note_file(os.fstat(handle))
        self._count_point()

    def replace(self, rename: Callable[[Any, Any], None], source: Any, target: Any) -> None:
        """Rename a file. One that had the name stays beside until the folder is synced: a power cut may bring it back."""
        path = os.path.abspath(target)
        if path not in self._replaced and os.path.isfile(path):
            old_file = self.folder.parent / f"replaced-{self.chance.getrandbits(64):x}"
            os.link(path, old_file)
            self._replaced[path] = old_file
        rename(source, target)
        old = os.path.abspath(source)
        for parent in [
            name for name in self._names if f"{name}/".startswith(f"{old}/")
        ]:  # what lay in it still does
            self._names[path + parent[len(old) :]] = self._names.pop(parent)
        if _HOT_FOLDER in path and (owner := current_owner()) is not None:
            owner.reaches("folder")
        self._count_point()

    def fill(self, *, is_full: bool) -> None:
        """Let the disk be full, or have room again."""
        self.is_full = is_full
        for connection in self._open_connections():
            try:
                _limit(connection, is_full=is_full)
            except sqlite3.Error:  # reason: closed, or in the middle of a statement; it fails at its sync
                continue

    def _count_point(self, *, is_of_database: bool = False) -> None:
        """Let a kill that is due strike within the work of a thread. Where another process goes on in the same folder, only
        at a statement: what the killed one would write after it is refused, as its connections are closed by then."""
        self.changes += not is_of_database
        owner = current_owner()
        if owner is not None and not owner.is_dead and (is_of_database or not self.is_shared):
            owner.reaches(self.moment)
            owner.counts_turn()

    def is_to_write(self, words: str) -> None:
        """Note that a statement will write, within a transaction that has begun or one of its own."""
        self.statements += 1
        self._count_point(is_of_database=True)

    def close_connections_of(self, owner: Owner) -> None:
        """End a killed process's locks and open transactions, while another one goes on in the folder."""
        for connection in [*self._open_connections()]:
            if getattr(connection, "owner", None) is owner:
                connection.close()

    def touches(self, old: os.stat_result, new: os.stat_result) -> None:
        """Let a file whose times are set be synced as it was. It may lie in the folder of another disk too."""
        if self._files.get(old.st_ino) == (old.st_size, old.st_mtime_ns):
            self._note_file(new)

    def _note_file(self, stat: os.stat_result) -> None:
        self._files[stat.st_ino] = stat.st_size, stat.st_mtime_ns

    # --- what a crash leaves ----------------------------------------------------------------------------------

    def image(self, target: Path, *, power_fails: bool) -> None:
        """Copy the folder as a later process finds it, into a folder that does not exist yet."""
        shutil.copytree(self.folder, target, ignore=shutil.ignore_patterns(f"*{_BELLS}", f"*{_INDEX}"))
        for path in (target / "hot").rglob("*"):  # whose numbers a node keeps
            old = os.stat(self.folder / path.relative_to(target)).st_ino
            FIRST_NUMBERS[os.stat(path).st_ino] = FIRST_NUMBERS.get(old, old)
        if power_fails:
            self._lose_files(target)
            for file in sorted({*self._ends, *map(str, self.folder.glob("*.db"))}):
                self._cut_log(file, target)

    def _cut_log(self, file: str, target: Path) -> None:
        now, log = _end_of_log(file), target / f"{Path(file).name}-wal"
        if now is None or not log.exists():
            return
        salt, frames = self._ends.get(file, (0, (b"", 0)))[1]
        floor = frames if salt == now[0] else 0
        if floor >= now[1]:
            return
        header = log.read_bytes()[:_WAL_HEADER]
        if len(header) < _WAL_HEADER:
            return
        size = _FRAME_HEADER + int.from_bytes(header[8:12], "big")
        frame = floor if self.lost_share == 1 else self.chance.randint(floor, now[1])
        self.cuts += 1
        at = _WAL_HEADER + frame * size
        torn = self.chance.randrange(size)
        with log.open("r+b") as cut:
            cut.seek(at + torn)
            if self.chance.random() < 0.5:
                cut.truncate()
            else:  # the blocks behind the torn one may have been written before it
                cut.write(self.chance.randbytes(size - torn))

    def _lose_files(self, target: Path) -> None:
        for parent, folders, files in os.walk(self.folder):
            copy = target / os.path.relpath(parent, self.folder)
            folders[:] = sorted(name for name in folders if not name.endswith(_BELLS))
            for name in [*folders]:
                if self._is_name_lost(parent, name):
                    shutil.rmtree(copy / name)
                    folders.remove(name)
            for name in sorted(files):
                if not _is_database(name):
                    self._lose_file(parent, name, copy / name)

    def _lose_file(self, parent: str, name: str, copy: Path) -> None:
        path = f"{parent}/{name}"
        if path in self._replaced and self.chance.random() < self.lost_share:
            shutil.copyfile(self._replaced[path], copy)
            return
        if path not in self._replaced and self._is_name_lost(parent, name):
            copy.unlink()
            return
        stat = os.stat(path)
        is_synced = self._files.get(stat.st_ino) == (stat.st_size, stat.st_mtime_ns)
        if not is_synced and self.chance.random() < self.lost_share:
            os.truncate(copy, self.chance.choice((0, self.chance.randint(0, stat.st_size))))

    def _is_name_lost(self, parent: str, name: str) -> bool:
        synced = self._names.get(parent, {})
        return synced.get(name) is None and self.chance.random() < self.lost_share

    def forget_processes(self) -> None:
        """Close what killed processes had open, as the machine does: their locks end, and nothing of theirs is written."""
        for connection in self._open_connections():
            connection.close()
        self._connections.clear()
        for old_file in self._replaced.values():
            old_file.unlink(missing_ok=True)

    def _open_connections(self) -> Iterator[sqlite3.Connection]:
        for reference in self._connections:
            if (connection := reference()) is not None:
                yield connection


def _is_database(name: str) -> bool:
    return name.endswith((".db", ".db-wal", ".sqlite", ".sqlite-wal", _INDEX))


def _end_of_log(file: str) -> _End | None:
    try:
        with open(f"{file}{_INDEX}", "rb") as index:
            header = index.read(48)
    except FileNotFoundError:
        return None
    if len(header) < 48:
        return None
    return header[_SALT], int(_FRAMES.unpack_from(header)[0])


def _end_in_log(log: Path) -> _End | None:
    """Return the end of a log that no process has open: its frames in a row with the salt of its header."""
    words = log.read_bytes()
    if len(words) < _WAL_HEADER:
        return None
    salt, size = words[16:24], _FRAME_HEADER + int.from_bytes(words[8:12], "big")
    frames = 0
    while words[(at := _WAL_HEADER + frames * size) + 8 : at + 16] == salt and len(words) >= at + size:
        frames += 1
    return salt, frames


def _limit(connection: sqlite3.Connection, *, is_full: bool) -> None:
    """Let SQLite itself say that the disk is full, at the size that the file has."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0] if is_full else 1 << 30
    connection.execute(f"PRAGMA max_page_count = {pages}")


def _owners_disk(path: object = "") -> Disk | None:
    """Return the disk that the path lies on: the owner's own, or one that it shares."""
    owner = current_owner()
    if not isinstance(owner, Owner):
        return None
    shared: Disk | None = owner.shared_disk
    own: Disk | None = owner.disk
    return shared if shared is not None and f"{path}/".startswith(f"{shared.folder}/") else own


def _owners_disks() -> list[Disk]:
    owner = current_owner()
    disks = (owner.disk, owner.shared_disk) if isinstance(owner, Owner) else ()
    return [disk for disk in disks if disk is not None]


@cache
def _traced(factory: type[sqlite3.Connection]) -> type[sqlite3.Connection]:
    """Return a class of connections that report their commits."""

    class Traced(factory):  # type: ignore[valid-type,misc]  # the driver chooses its base
        disk: Disk | None = None
        owner: Owner | None = None
        file = ""

        def execute(self, words: str, *values: Any) -> sqlite3.Cursor:
            if self.disk is not None and words.startswith(_WRITES):
                self.disk.is_to_write(words)
            cursor: sqlite3.Cursor = super().execute(words, *values)
            if self.disk is not None and not self.in_transaction and words[:6] not in ("SELECT", "PRAGMA"):
                self._tell(self.disk)
            return cursor

        def executemany(self, words: str, *values: Any) -> sqlite3.Cursor:
            if self.disk is not None:
                self.disk.is_to_write(words)
            cursor: sqlite3.Cursor = super().executemany(words, *values)
            return cursor

        def commit(self) -> None:
            had_begun = self.in_transaction
            super().commit()
            if self.disk is not None and had_begun:
                self._tell(self.disk)

        def _tell(self, disk: Disk) -> None:
            ((synchronous,),) = super().execute("PRAGMA synchronous").fetchall()
            disk.has_committed(self.file, is_synced=synchronous >= _FULL)

    return Traced


def _connect(database: Any, *args: Any, **more: Any) -> sqlite3.Connection:
    disk = _owners_disk(database)
    if disk is None:
        plain: sqlite3.Connection = _real_connect(database, *args, **more)
        return plain
    connection: Any = _real_connect(
        database, *args, **{**more, "factory": _traced(more.get("factory", sqlite3.Connection))}
    )
    connection.disk, connection.file, connection.owner = disk, str(database), current_owner()
    disk.has_opened(connection)
    return connection  # type: ignore[no-any-return]


def _fsync(handle: Any) -> None:
    number = handle if isinstance(handle, int) else handle.fileno()
    disk = _owners_disk(os.readlink(f"/proc/self/fd/{number}"))
    if disk is None:
        _real_fsync(handle)
    else:
        disk.sync(number)


def _path_of(name: Any, folder: int | None) -> Any:
    """Return the path of a name in an open folder."""
    return name if folder is None else f"{os.readlink(f'/proc/self/fd/{folder}')}/{name}"


def _replace(source: Any, target: Any, **more: Any) -> None:
    disk = _owners_disk(target)
    if disk is None:
        _real_replace(source, target, **more)
    else:
        disk.replace(_real_replace, source, target)


def _rename(source: Any, target: Any, **more: Any) -> None:
    source, target = (
        _path_of(source, more.pop("src_dir_fd", None)),
        _path_of(target, more.pop("dst_dir_fd", None)),
    )
    disk = _owners_disk(target)
    if disk is None:
        _real_rename(source, target, **more)
    else:
        disk.replace(_real_rename, source, target)


def _utime(path: Any, *args: Any, **more: Any) -> None:
    disks = _owners_disks()
    stat_result = os.stat(path)
    _real_utime(path, *args, **more)
    for disk in disks:
        disk.touches(stat_result, os.stat(path))


def _statvfs(path: Any) -> Any:
    disk = _owners_disk(path)
    if disk is None:
        return _real_statvfs(path)
    # The machine's own room must not steer a node.
    room = 0 if disk.is_full else 10**8
    return SimpleNamespace(
        f_bavail=room, f_bfree=room, f_blocks=10**8, f_frsize=4096, f_files=10**6, f_favail=room
    )


@contextmanager
def watched(loop: VirtualLoop | None = None) -> Iterator[None]:
    """Let every commit, sync and rename of an owner with a disk pass through it, within the block."""
    os.fsync, os.replace, os.rename, os.statvfs = _fsync, _replace, _rename, _statvfs
    os.utime = _utime
    sqlite3.connect = sqlite3.dbapi2.connect = _connect
    if loop is not None:
        loop.begin_work, loop.end_work = _begin_work, _end_work
    try:
        yield
    finally:
        os.fsync, os.replace, os.rename, os.statvfs = _real_fsync, _real_replace, _real_rename, _real_statvfs
        os.utime, sqlite3.connect, sqlite3.dbapi2.connect = _real_utime, _real_connect, _real_connect


def _begin_work() -> None:
    for disk in _owners_disks():
        disk.begin_work()


def _end_work() -> Callable[[], None]:
    settles = [disk.end_work() for disk in _owners_disks()]

    def settle() -> None:
        for end in settles:
            end()

    return settle
