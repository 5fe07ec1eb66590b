"""Marks of the node's folders: a share that is not mounted, or another one in its place, looks like a healthy folder. In:
the folders by place, and the database. Out: a file with a random id in each folder, the same id in a row of the database;
the folders whose id is missing or another, compared at start and every ten seconds; while there is one, StoreFailure for
new content, and no work for the loops. Content is shared by all machines; the other folders may be each machine's own."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from sqlalchemy import select
from sqlmodel import col

from gateway import errors, log, random_source
from gateway.atomic_files import make_private, sync_folder, write_file
from gateway.ports.services import Clock, Pool
from gateway.store.blobs import NO_SWEEP, SCRATCH
from gateway.store.row import equal
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRow
from gateway.store.tables_node import FolderMarkRow

T = TypeVar("T")
_log = logging.getLogger(__name__)
MARK = ".store"
CONTENT, KEYS = "content", "keys"
LOOK_EVERY = timedelta(seconds=10)
# Names in an empty content folder: the node makes these by itself, also in a wrong folder.
_OF_EMPTY = frozenset({MARK, SCRATCH, NO_SWEEP, "sealed", ".restoring"})


@dataclass(frozen=True, slots=True)
class StrangeFolder:
    """A folder without its mark, or with another one. `expected` is empty where the mark was never written, because the
    folder was empty though the database refers to files in it."""

    place: str
    path: Path
    expected: str
    actual: str
    stops: bool

    @property
    def mount(self) -> Path:
        """Return the file system that the folder is on now."""
        return next(p for p in (self.path, *self.path.parents) if os.path.ismount(p) or p == p.parent)


def is_marked(place: str) -> bool:
    """Tell whether the folder of that place has a mark that every process compares."""
    return place.partition(".")[0] in (CONTENT, KEYS, "axis")


def backup_place(folder: Path) -> str:
    return f"backups {folder.absolute()}"


def read_mark(folder: Path | str) -> str:
    """Return the id in the folder's mark; empty without one, and on a disk that does not answer."""
    try:
        file = os.open(
            f"{folder}/{MARK}", os.O_RDONLY
        )  # read for each document, so by a text, without a path's many calls
    except OSError:
        return ""
    try:
        return os.read(file, 256).decode("ascii", "replace").partition("\n")[0].strip()
    except OSError:
        return ""
    finally:
        os.close(file)


def write_mark(folder: Path, mark: str) -> str:
    """Write the mark unless another process was first; return the one that is there."""
    make_private(folder)
    part = folder / f"{MARK}.{random_source.token_hex(8)}"
    write_file(part, f"{mark}\n".encode())
    try:
        os.link(part, folder / MARK)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        os.replace(part, folder / MARK)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(folder)
    return read_mark(folder)


def _is_empty(folder: Path) -> bool:
    return not folder.is_dir() or all(path.name in _OF_EMPTY for path in folder.iterdir())


class FolderMarks:
    """The marks of the folders of one node, one object per process. `folders` are the paths by place; those in `backups`
    are compared where they have a mark, and stop nothing."""

    def __init__(
        self,
        store: SqlStore,
        clock: Clock,
        pool: Pool,
        folders: Mapping[str, Path],
        backups: Mapping[str, Path] = MappingProxyType({}),
    ) -> None:
        self._store, self._clock, self._pool = store, clock, pool
        self._folders, self._backups = folders, backups
        self._content = str(folders.get(CONTENT, ""))
        self._expected = dict[str, str]()
        self._refused = set[str]()
        self.strange: tuple[StrangeFolder, ...] = ()

    @property
    def stopping(self) -> Sequence[StrangeFolder]:
        return [folder for folder in self.strange if folder.stops]

    async def settle(self, *, restored: bool = False) -> None:
        """Read the marks that the database expects. A folder that has none in the database gets one there, and in the
        folder if it has none either: at the first start of a node, of the first version that marks folders, and of a
        `restored` database, whose copy has no marks."""
        await self._read()
        for place in [place for place in self._folders if place not in self._expected]:
            if restored or await self._may_mark(place):
                await self._mark(place)
            else:
                self._refused.add(place)
        await self._compare()

    async def write_missing(self) -> None:
        """Write the marks that the database expects into folders without one: their files were brought back."""
        await self._read()
        for place, mark in self._expected.items():
            if place in self._folders and not await self._pool.run(partial(read_mark, self._folders[place])):
                await self._pool.run(partial(write_mark, self._folders[place], mark))

    async def look(self) -> None:
        """Read the marks that the database expects, and compare; nothing is written."""
        await self._read()
        await self._compare()

    async def _read(self) -> None:
        names = {_row_name(place): place for place in (*self._folders, *self._backups)}
        async with self._store.viewing_few() as tx:
            rows = await tx.rows(FolderMarkRow, select(FolderMarkRow))
        self._expected = {names[row.place]: row.mark for row in rows if row.place in names}
        self._refused.clear()

    async def step(self) -> bool:
        """Compare every folder; this is the step of a loop."""
        await (self._compare() if self._folders.keys() <= self._expected.keys() else self.settle())
        return False

    def check(self) -> None:
        """Check that no folder is strange: the content's is read now, the others were a moment ago. StoreFailure."""
        expected = self._expected.get(CONTENT)
        if expected and self._content and read_mark(self._content) != expected:
            raise _refusal(self._folders[CONTENT])
        for folder in self.strange:
            if folder.stops:
                raise _refusal(folder.path)

    def unless_strange(
        self, step: Callable[[], Coroutine[object, object, T]]
    ) -> Callable[[], Coroutine[object, object, bool | T]]:
        """Wrap a worker's step so that it does nothing while a folder is strange."""

        async def guarded() -> bool | T:
            return not self.stopping and await step()

        return guarded

    async def _may_mark(self, place: str) -> bool:
        """Tell whether a folder without a row may get one: not an empty one, if the database refers to files in it."""
        folder = self._folders[place]
        if place not in (CONTENT, KEYS) or not await self._pool.run(partial(_is_empty, folder)):
            return True
        if place == KEYS:
            return (await self._store.log.head()).seal is None
        async with self._store.reading() as tx:
            return not await tx.tuples(
                select(col(BlobRow.digest)).where(col(BlobRow.body).is_(None)).limit(1)
            )

    async def _mark(self, place: str) -> None:
        """Give a folder and the database the same id. A folder that cannot be written stays without one."""
        folder, name = self._folders[place], _row_name(place)
        try:
            mark = await self._pool.run(partial(read_mark, folder)) or await self._pool.run(
                partial(write_mark, folder, random_source.token_hex(16))
            )
        except OSError:
            return
        async with self._store.changing_rows() as tx:
            await tx.insert_new(FolderMarkRow(place=name, mark=mark, written_at=self._clock.now()))
            rows = await tx.rows(FolderMarkRow, select(FolderMarkRow).where(equal(FolderMarkRow, place=name)))
        self._expected[place] = rows[0].mark

    async def _compare(self) -> None:
        strange = tuple(await self._pool.run(self._find_strange))
        if strange != self.strange:
            for folder in strange:
                _log.error(
                    str(_refusal(folder.path)),
                    extra={"action": "folder.strange", "place": folder.place, "mount": str(folder.mount)},
                )
            if not strange:
                log.action(_log, "folder.right", "every folder has its mark again")
        self.strange = strange

    def _find_strange(self) -> list[StrangeFolder]:
        folders = []
        for place, path in (*self._folders.items(), *self._backups.items()):
            expected, actual = self._expected.get(place, ""), read_mark(path)
            if (expected and actual != expected) or place in self._refused:
                stops = place in self._folders
                folders.append(StrangeFolder(place, path, expected, actual, stops))
        return folders


def _row_name(place: str) -> str:
    return place if place == CONTENT else f"{place}@{socket.gethostname()}"


def _refusal(folder: Path) -> errors.StoreFailure:
    return errors.StoreFailure(
        f"the folder {folder} is not the one that this node stored in: its mark is missing or another's; mount the right "
        "one; until then nothing is taken in",
        code="GW-S-509",
        hint="gateway doctor",
    )
