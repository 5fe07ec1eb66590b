"""Content by digest, and the sweeper that deletes unreferenced content; and the vault of the sealed hold. In: a scratch
file, filled and hashed; a writer of a sealed form. Out: small content for a row, written by the unit that refers to it;
large content under root/aa/bb/<digest>, durable; both readable by agencies that hold a reference; sealed bytes in one
folder for each hold, which no backup copies.

The database row is the lock that keeps the sweeper and a `keep` of the same digest apart; the file is only touched
while that lock is held. Under it the sweeper looks again before a blob goes: a `keep` or a new reference that came
first saves it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import secrets
import shutil
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

from sqlalchemy import Integer, and_, bindparam, delete, exists, func, or_, select
from sqlmodel import col

from gateway import errors, random_bytes
from gateway.atomic_files import sync_folder
from gateway.commits import run_in_thread
from gateway.domain.identity import Digest
from gateway.domain.pace import SMALL
from gateway.ports.services import Clock, Pool, Readable
from gateway.store.blob_refs import KeptContent, ReadableContent
from gateway.store.data_folder import Room
from gateway.store.drivers import SLOW
from gateway.store.row import Moment, among
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRefRow, BlobRow
from gateway.store.work import SqlWork

_TWO_NAMES = 2
# Most bytes of a scratch file in memory: a piece of an upload, or content that is examined and dropped.
FEW = 1024 * 1024


class _InMemory:
    """Bytes in memory that keep the promise of `ports.services.Readable`."""

    def __init__(self, name: str, body: bytes) -> None:
        self.name = name
        self._body = body

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        return BytesIO(self._body)


class FileScratch:
    """A file being written, with its open handle: it becomes a blob, or vanishes with its context. It is made when its
    handle is first used, in a thread of the pool, because that can wait for the disk. Of `few` bytes none is made."""

    def __init__(self, folder: Path, name: str, *, few: bool = False) -> None:
        self._folder, self._name = folder, name
        self._few = BytesIO() if few else None
        self._file: BinaryIO | None = None
        self._is_taken = self._is_removed = False
        self.durable_size: int | None = None
        """Set by `make_durable`, after which nothing is written."""

    @property
    def path(self) -> Path:
        self._leave_memory()
        return self._path

    @cached_property
    def _path(self) -> Path:
        return self._folder / self._name

    @property
    def content(self) -> Readable:
        """The content written so far, to be read."""
        return self._path if self._few is None else _InMemory(self._name, self._few.getvalue())

    @property
    def body(self) -> bytes | None:
        """The content written so far where it is in memory, else None."""
        return None if self._few is None else self._few.getvalue()

    @property
    def file(self) -> BinaryIO:
        """The handle, to be asked for before each write: growing content moves to another one."""
        if self._few is not None:
            if self._few.tell() <= FEW:
                return self._few
            self._leave_memory()
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = os.fdopen(handle, "w+b")
        return self._file

    def make_durable(self) -> None:
        """Write everything to the disk, in a file. Sync: it waits for the disk."""
        self._leave_memory()
        with _refused_named():
            self.file.flush()
            os.fsync(self.file.fileno())
            self.durable_size = os.fstat(self.file.fileno()).st_size

    def _leave_memory(self) -> None:
        few, self._few = self._few, None
        if few is not None and (body := few.getvalue()):
            self.file.write(body)
            self.file.flush()

    def take(self, file: Path) -> bool:
        """Become that very file, which is never written to again, so that nothing has to be copied. False where that
        cannot be, or the file is not ours alone: another place keeps it, or another user can read or write it. It is a
        second name in the same file system; the owner of the first one removes that when this file is committed. Where
        there are more names the bytes are copied: two stores never share a file that may be damaged."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.link(file, self._path)
            stat = self._path.stat()
            if stat.st_uid == os.geteuid() and not stat.st_mode & 0o077 and stat.st_nlink == _TWO_NAMES:
                os.utime(self._path)  # its age counts from now on
                self._file = self._path.open("rb")
                self._is_taken = True
                return True
            self._path.unlink()
        except OSError:
            self._path.unlink(missing_ok=True)
        return False

    @property
    def is_taken(self) -> bool:
        """True when it is another owner's file by a second name."""
        return self._is_taken

    @property
    def is_in_file(self) -> bool:
        """True while there is a file to be removed from the disk."""
        return self._file is not None and not self._is_removed

    def discard(self) -> None:
        """Close it and remove it from the disk. Its context does so at the end; a thread of the pool that is done with
        a large file does it before, because removing it would hold up the event loop."""
        if self._file is not None and self.is_in_file:
            self._is_removed = True
            try:
                with suppress(OSError):  # a full disk does not take the last bytes, and need not
                    self._file.close()
            finally:
                self._path.unlink(missing_ok=True)


class FileBlobs:
    """Bytes by digest. Kept content is durable with the unit of work that refers to it; reading checks that the own
    agency has a reference. Nodes that share a database share the folder too. Never call `keep` inside a unit of work:
    for large content it opens one of its own, and SQLite has one writer. The digest comes from the caller, who hashed
    the bytes while writing them: hashing them again here would double the cost."""

    def __init__(
        self, root: Path, store: SqlStore, clock: Clock, pool: Pool, room: Room | None = None
    ) -> None:
        self._root, self._scratch = root, root / SCRATCH
        self._room = room or Room(folder=root, reserve=0)
        self._store = store
        self._clock = clock
        self._pool = pool
        self._filled = set[str]()
        self._synced = bytearray(
            (1 << 16) + (1 << 8)
        )  # one flag for each folder aa/bb, and aa, that is surely on disk

    @contextmanager
    def scratch(self, *, few: bool = False) -> Iterator[FileScratch]:
        """Open a temporary file in the store's own folder (sync; use it inside the pool or around pool calls). `few`:
        small content stays in memory until its path is used. Readable by the node's own user alone; in the same file
        system as the blobs, so that a rename is enough. StoreFailure while the disk has too little room: all incoming
        and packed content begins with this."""
        self._room.check()
        name = random_bytes.random_16().hex()
        scratch = FileScratch(self._scratch, name, few=few)
        self._filled.add(name)
        try:
            try:
                yield scratch
            finally:
                scratch.discard()
        except (ConnectionError, TimeoutError):
            raise  # a caller's lost connection is no failure of the disk
        except OSError as cause:
            raise errors.StoreFailure(
                f"the content store does not take a file in {self._scratch}: {cause.strerror or cause}; free space or "
                "mend the disk"
            ) from cause
        finally:
            self._filled.discard(name)

    async def keep(self, scratch: FileScratch, digest: Digest, size: int) -> KeptContent:
        """Keep content for `SqlBlobRefs.keep`, in the unit that refers to it. Large content is fsynced, renamed to its
        digest and known to the sweeper on return. The same digest again is harmless. StoreFailure when the scratch file
        has another size, or the disk does not take it."""
        if size <= SMALL:
            return KeptContent(digest=digest, size=size, body=_read_small(scratch, size))
        if scratch.durable_size is None:
            await self._pool.run(scratch.make_durable)
        _check_size(scratch.durable_size or 0, size)
        row = BlobRow(digest=digest, size=size, stored_at=self._clock.now())
        async with self._store.writing() as tx:
            await tx.upsert(row, "stored_at")
            target = path_of(self._root, digest)
            # Not in the pool: other writers wait, and its threads may have long work before them.
            await run_in_thread(partial(_place, scratch, target, self._synced))
            await tx.commit()
        return KeptContent(digest=digest, size=size)

    def reader(self, digest: Digest) -> Callable[[], BinaryIO]:
        """Return a reader of the file that `keep` has just made of large content."""
        path = path_of(self._root, digest)
        return lambda: path.open("rb")

    def keep_small(self, digest: Digest, body: bytes) -> KeptContent:
        """Keep small bytes as `keep` does, without a file. StoreFailure while the disk has too little room."""
        self._room.check()
        return KeptContent(digest=digest, size=len(body), body=body)

    async def open(self, work: SqlWork, digest: Digest) -> Callable[[], BinaryIO]:
        """Return a re-openable reader of unverified bytes; NotFound without a reference, or when the bytes are gone."""
        return await self._open_content(await work.blobs.find(digest), digest)

    async def open_all(
        self, work: SqlWork, digests: Collection[Digest]
    ) -> Mapping[Digest, Callable[[], BinaryIO]]:
        """Return readers of several; NotFound when `open` would raise it for one."""
        contents = await work.blobs.find_all(digests)
        return {digest: await self._open_content(contents.get(digest), digest) for digest in digests}

    async def _open_content(self, content: ReadableContent | None, digest: Digest) -> Callable[[], BinaryIO]:
        if content is None:
            raise errors.NotFound(f"this agency has no content {digest}")
        reader = await self._reader(content, digest)
        if reader is None:
            raise errors.NotFound(
                f"the content {digest} is referred to but its file is gone; restore it from a backup"
            )
        return reader

    async def open_frozen(self, work: SqlWork, hold_id: str, digest: Digest) -> Callable[[], BinaryIO]:
        """Return a reader of content that the sealed hold keeps; NotFound when it keeps no such content any more."""
        content = await work.blobs.find_frozen(digest, hold_id)
        reader = None if content is None else await self._reader(content, digest)
        if reader is None:
            raise errors.NotFound(f"the sealed hold {hold_id} keeps no content {digest} here")
        return reader

    async def _reader(self, content: ReadableContent, digest: Digest) -> Callable[[], BinaryIO] | None:
        if content.body is not None:
            return partial(BytesIO, content.body)
        path = path_of(self._root, digest)
        # Not in the pool: its threads may all be waiting for a connection, and the unit of work holds one.
        return (lambda: path.open("rb")) if await asyncio.to_thread(path.is_file) else None

    async def forget(self, digests: Collection[Digest]) -> None:
        """Delete the bytes, unless they are referred to. A caller that has just kept the same bytes and refers to them
        a moment later finds them gone, and keeps them again."""
        for digest in digests:
            await remove_content(self._root, self._store, digest, None)
        await self._cut_journal()

    async def leave_no_trace(self) -> bool:
        """Cut the journal of this node's own database file; return whether it holds no forgotten content. False while a
        reader, such as a backup, reads the old content: ask again later."""
        return self._store.journal is None or await self._store.journal.cut()

    async def sweep(self, now: datetime) -> int:
        """Delete blobs without references, 24 h after their last `keep`, and old scratch files; return how many. Log
        every row whose file is missing."""
        swept = await sweep_content(self._root, self._store, self._pool, now, self._filled)
        await self._cut_journal()
        return swept

    async def _cut_journal(self) -> None:
        if self._store.journal is not None:
            await self._store.journal.cut_if_due()


def _read_small(scratch: FileScratch, size: int) -> bytes:
    """Read back so few bytes that this holds up no other caller: they were written a moment ago."""
    with _refused_named():
        scratch.file.flush()
        scratch.file.seek(0)
        body = scratch.file.read(size + 1)
    _check_size(len(body), size)
    return body


@contextmanager
def _refused_named() -> Iterator[None]:
    try:
        yield
    except OSError as cause:
        raise errors.StoreFailure(
            f"the content store did not take the file ({cause}); check its disk"
        ) from cause


def _check_size(actual: int, size: int) -> None:
    if actual != size:
        raise errors.StoreFailure(
            f"the scratch file holds {actual} bytes and {size} were announced; write it again"
        )


def _place(scratch: FileScratch, target: Path, synced: bytearray) -> None:
    """Rename into place and make the rename durable. An existing file is replaced: these bytes were hashed a moment
    ago, those may have been damaged since. Open readers go on."""
    folder, place, above = target.parent, int(target.name[:4], 16), (1 << 16) + int(target.name[:2], 16)
    shard = folder.parent
    with _refused_named():
        if not os.path.isdir(folder):
            if not os.path.isdir(shard):
                synced[above] = False
            folder.mkdir(parents=True, exist_ok=True)
            synced[place] = False
        scratch.path.rename(target)
        sync_folder(folder)
        if not synced[place]:
            # Up to the root: another node may have just made it, and not synced it yet. Once is enough.
            sync_folder(shard)
            if not synced[above]:
                sync_folder(shard.parent)
            synced[place] = synced[above] = True
        scratch.discard()


SCRATCH = "scratch"
NO_SWEEP = "no-sweep"  # a file whose age says when sweeping was last put off
NO_SWEEP_FOR = timedelta(hours=1)
GRACE = timedelta(hours=24)  # long enough for any unit of work between `keep` and its reference
_BATCH = 500
_SHARD = 2  # letters of a digest
_log = logging.getLogger(__name__)


def path_of(root: Path, digest: str) -> Path:
    return root / f"{digest[:_SHARD]}/{digest[_SHARD : 2 * _SHARD]}/{digest}"


def _shards_of(root: Path) -> set[str]:
    """Return the existing parts of the folder."""
    return {path.name for path in root.glob("[0-9a-f]" * _SHARD)}


def hold_sweep(root: Path) -> None:
    """Put off sweeping for the next hour, by any node on this folder. A copy of the content calls it again and again,
    because a reference may go, and its content with it, after the rows were copied."""
    (root / NO_SWEEP).touch()


async def sweep_content(
    root: Path, store: SqlStore, pool: Pool, now: datetime, filled: Collection[str]
) -> int:
    """Delete blobs without references, files without rows, and scratch files, each when older than the grace; nothing
    while a copy is made, and nothing more once one begins. Scratch files that are `filled` stay, whatever their age:
    where the node's clock was put forward, all files look old."""
    cutoff, is_held = now - GRACE, partial(pool.run, partial(_is_held, root, now))
    removed, shards = await _sweep_rows(root, store, cutoff, is_held)
    shards |= await pool.run(partial(_shards_of, root))
    for shard in sorted(shards):  # one part of the folder at a time: memory stays bounded (G8)
        if await is_held():
            return removed
        ages = await pool.run(partial(_ages, root / shard, "*/*"))
        removed += await _sweep_shard(root, store, shard, ages, cutoff)
    return removed + await pool.run(partial(_sweep_scratch, root / SCRATCH, cutoff, filled))


# Only the length of the bytes is read.
_IS_ROW = func.length(col(BlobRow.body)).is_not(None)
_IS_OWNED = col(BlobRow.agency_id).is_not(None)
_IS_LOOSE = and_(
    ~_IS_OWNED,
    col(BlobRow.stored_at) < bindparam("before", type_=Moment),
    ~exists().where(col(BlobRefRow.digest) == col(BlobRow.digest)),
)
# The database, in a thread, passes over small content with an owner, which is most of it.
_LOOK = (
    select(col(BlobRow.digest), _IS_ROW, _IS_LOOSE)
    .where(col(BlobRow.digest) > bindparam("last"), or_(~_IS_ROW, _IS_LOOSE))
    .order_by(col(BlobRow.digest))
    .limit(bindparam("most", type_=Integer))
    .execution_options(**{SLOW: True})
)
# A range, not LIKE: it is read from the key's index. "g" sorts behind every hexadecimal digit.
_WITH_FILES = (
    select(col(BlobRow.digest))
    .where(col(BlobRow.digest) >= bindparam("first"), col(BlobRow.digest) < bindparam("end"), ~_IS_ROW)
    .execution_options(**{SLOW: True})
)
_AMONG_DIGESTS = select(col(BlobRow.digest)).where(among(col(BlobRow.digest), "digests"))
_HAS_DIGEST = col(BlobRow.digest) == bindparam("digest")
_LOCKED = select(col(BlobRow.stored_at), _IS_ROW, _IS_OWNED).where(_HAS_DIGEST).with_for_update()
_REFERRED = select(col(BlobRefRow.digest)).where(col(BlobRefRow.digest) == bindparam("digest")).limit(1)
_DELETE = delete(BlobRow).where(_HAS_DIGEST)


async def _sweep_rows(
    root: Path, store: SqlStore, cutoff: datetime, is_held: Callable[[], Awaitable[bool]]
) -> tuple[int, set[str]]:
    """Delete unreferenced rows; return how many, and the parts of the folder with the others' files."""
    removed, shards, last = 0, set[str](), ""
    while not await is_held():
        async with store.reading() as tx:
            rows = await tx.tuples(_LOOK, last=last, before=cutoff, most=_BATCH)
        shards |= {digest[:_SHARD] for digest, is_row, _ in rows if not is_row}
        for digest, _, is_loose in rows:
            removed += is_loose and await remove_content(root, store, digest, cutoff)
        if len(rows) < _BATCH:
            break
        last = rows[-1][0]
    return removed, shards


async def remove_content(root: Path, store: SqlStore, digest: str, cutoff: datetime | None) -> bool:
    """Delete the row with its small bytes, then the file, in one transaction, unless it is referred to, or was kept since
    `cutoff`. A crash between the two rolls the row back. Small bytes stay in the journal until it is cut."""
    async with store.writing() as tx:
        rows = await tx.tuples(_LOCKED, digest=digest)
        if not rows:
            return False
        stored_at, is_row, is_owned = rows[0]
        if is_owned or (cutoff is not None and stored_at >= cutoff):
            return False
        if await tx.tuples(_REFERRED, digest=digest):
            return False
        await tx.change(_DELETE, digest=digest)
        # Not in the pool: a cancelled wait would let go of the lock while the thread still deletes.
        path_of(root, digest).unlink(missing_ok=True)
        await tx.commit()
    if is_row and store.journal is not None:
        store.journal.mark()
    return True


async def _sweep_shard(
    root: Path, store: SqlStore, shard: str, ages: dict[str, datetime], cutoff: datetime
) -> int:
    """Delete files whose `keep` never committed; report rows whose file is missing."""
    async with store.reading() as tx:
        with_files = {digest for (digest,) in await tx.tuples(_WITH_FILES, first=shard, end=f"{shard}g")}
        orphans = sorted(digest for digest, at in ages.items() if digest not in with_files and at < cutoff)
        if orphans:  # a file stays whose content is a row by now
            rows = {digest for (digest,) in await tx.tuples(_AMONG_DIGESTS, digests=orphans)}
            orphans = [digest for digest in orphans if digest not in rows]
    removed = 0
    for digest in orphans:
        removed += await _remove_orphan(root, store, digest, cutoff)
    for digest in sorted(with_files - ages.keys()):
        if not path_of(root, digest).is_file():  # the files were listed before the rows: look again
            _log.error(
                "a blob's file is missing; restore it", extra={"action": "blob.missing", "digest": digest}
            )
    return removed


async def _remove_orphan(root: Path, store: SqlStore, digest: str, cutoff: datetime) -> bool:
    """Write a row to have its lock, and delete it again with the file."""
    async with store.writing() as tx:
        if not await tx.insert_new(BlobRow(digest=digest, size=0, stored_at=cutoff)):
            return False
        path_of(root, digest).unlink(missing_ok=True)
        await tx.change(_DELETE, digest=digest)
        await tx.commit()
    return True


def _is_held(root: Path, now: datetime) -> bool:
    at = _ages(root, NO_SWEEP).get(NO_SWEEP)
    return at is not None and at > now - NO_SWEEP_FOR


def _sweep_scratch(folder: Path, cutoff: datetime, filled: Collection[str]) -> int:
    """Delete files that a dead process left half written; return how many."""
    old = [name for name, at in _ages(folder, "*").items() if at < cutoff and name not in filled]
    for name in old:
        (folder / name).unlink(missing_ok=True)
    return len(old)


def _ages(folder: Path, pattern: str) -> dict[str, datetime]:
    """Return when each file was last written, by its name; files that vanish meanwhile are left out."""
    ages = {}
    for path in folder.glob(pattern):
        try:
            ages[path.name] = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except FileNotFoundError:
            continue
    return ages


_ID = re.compile(r"[A-Za-z0-9_]{1,64}")


class FileVault:
    """Sealed bytes apart from the content store: in no backup, and read by nothing but this. Nodes that share a database
    share the folder too."""

    def __init__(self, root: Path, pool: Pool) -> None:
        self._root, self._pool = root, pool

    async def write(self, hold_id: str, digest: Digest, write: Callable[[BinaryIO], None]) -> Digest:
        """Write a sealed form; return the SHA-256 of its bytes. Durable on return; a second write replaces the first."""
        return await self._pool.run(partial(_put_sealed, self._folder(hold_id), digest, write))

    async def open(self, hold_id: str, digest: Digest) -> Callable[[], BinaryIO]:
        """Return a reader; NotFound when the content is not here, such as after a restore."""
        path = self._folder(hold_id) / digest
        if not await self._pool.run(path.is_file):
            raise errors.NotFound(
                f"the sealed content of {hold_id} is not on this node: {path.name}",
                hint="after a restore it lies only in the folder content/sealed of the old disk",
            )
        return lambda: path.open("rb")

    @contextmanager
    def scratch(self, hold_id: str) -> Iterator[FileScratch]:
        """Open a file for plain bytes on their way back to the content store; `tidy` removes what a crash leaves of it."""
        scratch = FileScratch(self._folder(hold_id), f".{secrets.token_hex(8)}")
        try:
            yield scratch
        finally:
            scratch.discard()

    async def tidy(self, hold_id: str) -> None:
        """Delete half-written and plain files of that hold."""
        await self._pool.run(partial(_tidy_sealed, self._folder(hold_id)))

    async def remove(self, hold_id: str) -> None:
        """Delete everything of that hold; harmless when there is nothing."""
        await self._pool.run(partial(_remove_sealed, self._folder(hold_id)))

    def _folder(self, hold_id: str) -> Path:
        if not _ID.fullmatch(hold_id):
            raise errors.NotFound(f"there is no sealed hold {hold_id[:64]!r}")
        return self._root / hold_id


def _put_sealed(folder: Path, digest: Digest, write: Callable[[BinaryIO], None]) -> Digest:
    growing = folder / f".{secrets.token_hex(8)}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(growing, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            sealed_digest = Digest(hashlib.file_digest(file, "sha256").hexdigest())
        growing.rename(folder / digest)
        for level in (folder, folder.parent, folder.parent.parent):
            sync_folder(level)
    except OSError as cause:
        raise errors.StoreFailure(
            f"the sealed content could not be written to {folder}: {cause.strerror or cause}; free space or mend the disk"
        ) from cause
    finally:
        growing.unlink(missing_ok=True)
    return sealed_digest


def _tidy_sealed(folder: Path) -> None:
    for path in folder.glob(".*"):
        path.unlink(missing_ok=True)


def _remove_sealed(folder: Path) -> None:
    try:
        if folder.is_dir():
            shutil.rmtree(folder)
            sync_folder(folder.parent)
    except OSError as cause:
        raise errors.StoreFailure(
            f"the sealed content in {folder} could not be removed: {cause.strerror or cause}"
        ) from cause
