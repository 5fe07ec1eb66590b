"""Content by digest (blobs), and the sweeper that deletes unreferenced content. In: a scratch file, filled and hashed. Out:
small content for a row, written by the unit that refers to it; large content in a durable file root/aa/bb/<digest>, or in
a bucket (`ports.content`); all readable by agencies that hold a reference.

The sweeper and a `keep` of the same digest exclude each other by locking the database row; the file is only touched under
that lock. The sweeper checks again under the lock, so that a blob with a newer `keep` or reference stays."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from sqlalchemy import Integer, and_, bindparam, delete, exists, func, or_, select, update
from sqlmodel import col

from gateway import errors, random_source
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

if TYPE_CHECKING:
    from gateway.ports.content import ContentBucket

_TWO_NAMES = 2
# Most bytes that a scratch file keeps in memory: enough for a part of an upload, or content that is examined and dropped.
FEW = 1024 * 1024
SCRATCH = "scratch"
NO_SWEEP = "no-sweep"  # a file whose age tells when sweeping was last put off
NO_SWEEP_FOR = timedelta(hours=1)
GRACE = timedelta(hours=24)  # long enough for any unit of work between `keep` and its reference
_BATCH = 500
_SHARD = 2  # letters of a digest
_log = logging.getLogger(__name__)
# True when the content is in the row. The length is read instead of the bytes.
_IS_ROW = func.length(col(BlobRow.body)).is_not(None)
_IS_FILE = col(BlobRow.object_name).is_(None)
_IS_OWNED = col(BlobRow.agency_id).is_not(None)
_IS_LOOSE = and_(
    ~_IS_OWNED,
    col(BlobRow.stored_at) < bindparam("before", type_=Moment),
    ~exists().where(col(BlobRefRow.digest) == col(BlobRow.digest)),
)
# Small content with an owner, which is most of it, is skipped by the database itself, in a thread.
_LOOK = (
    select(col(BlobRow.digest), _IS_ROW, _IS_LOOSE)
    .where(col(BlobRow.digest) > bindparam("last"), or_(~_IS_ROW, _IS_LOOSE))
    .order_by(col(BlobRow.digest))
    .limit(bindparam("most", type_=Integer))
    .execution_options(**{SLOW: True})
)
# A range instead of LIKE, because the key's index serves it. "g" sorts after every hexadecimal digit.
_WITH_FILES = (
    select(col(BlobRow.digest))
    .where(
        col(BlobRow.digest) >= bindparam("first"), col(BlobRow.digest) < bindparam("end"), ~_IS_ROW, _IS_FILE
    )
    .execution_options(**{SLOW: True})
)
_AMONG_DIGESTS = select(col(BlobRow.digest), _IS_FILE).where(among(col(BlobRow.digest), "digests"))
_HAS_DIGEST = col(BlobRow.digest) == bindparam("digest")
_LOCKED = (
    select(col(BlobRow.stored_at), _IS_ROW, _IS_OWNED, col(BlobRow.object_name))
    .where(_HAS_DIGEST)
    .with_for_update()
)
_REFERRED = select(col(BlobRefRow.digest)).where(col(BlobRefRow.digest) == bindparam("digest")).limit(1)
_DELETE = delete(BlobRow).where(_HAS_DIGEST)
_TO_FOLDER = update(BlobRow).where(col(BlobRow.digest) == bindparam("this")).values(object_name=None)


class _InMemory:
    """Bytes in memory as a `ports.services.Readable`, which can be opened like a file."""

    def __init__(self, name: str, body: bytes) -> None:
        self.name = name
        self._body = body

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        return BytesIO(self._body)


class FileScratch:
    """Temporary file that is written through its open handle: it becomes a blob, or is removed at the end of its context.
    The file is created when the handle is first used, which can wait for the disk, so use it in a thread of the pool.
    With `few`, small content stays in memory and no file is created."""

    def __init__(self, folder: Path, name: str, *, few: bool = False) -> None:
        self._folder, self._name = folder, name
        self._few = BytesIO() if few else None
        self._file: BinaryIO | None = None
        self._is_taken = self._has_ended = False
        self._creating = threading.Lock()  # a cancelled call's thread may begin after the end
        self.durable_size: int | None = None
        """Size of the file once `make_durable` has synced it; nothing is written afterwards."""

    @property
    def path(self) -> Path:
        self._leave_memory()
        return self._path

    @cached_property
    def _path(self) -> Path:
        return self._folder / self._name

    @property
    def content(self) -> Readable:
        """The content written so far, as a source that can be opened for reading."""
        return self._path if self._few is None else _InMemory(self._name, self._few.getvalue())

    @property
    def body(self) -> bytes | None:
        """The bytes written so far, None when they are in a file instead of memory."""
        return None if self._few is None else self._few.getvalue()

    @property
    def file(self) -> BinaryIO:
        """The open handle. Get it again before each write, because content that grows moves from memory to a file."""
        if self._few is not None:
            if self._few.tell() <= FEW:
                return self._few
            self._leave_memory()
        if self._file is None:
            with self._creating:
                self._refuse_after_end()
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
        return self._file

    def _refuse_after_end(self) -> None:
        if self._has_ended:
            raise ValueError(f"the temporary file {self._name} was removed")

    def make_durable(self) -> None:
        """Write the content to a file and fsync it. This blocks until the disk has it."""
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
        """Take over `file` by a hard link instead of copying its bytes; nothing may be written to it afterwards. Return
        False when that is impossible (another file system), or the file is not ours alone: other users can access it, or it
        has more names, unless that is this store's own content of the same name. The caller then copies the bytes, so
        that two stores never share a file that may be damaged. The owner of the first name removes that name once this
        content is committed."""
        with self._creating:
            self._refuse_after_end()
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, self._path)
                stat, own = self._path.stat(), path_of(self._folder.parent, file.name)
                is_ours_alone = stat.st_nlink == _TWO_NAMES or (
                    stat.st_nlink == _TWO_NAMES + 1 and os.path.samefile(self._path, own)
                )
                if stat.st_uid == os.geteuid() and not stat.st_mode & 0o077 and is_ours_alone:
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
        """True when `take` made this a second name of another owner's file."""
        return self._is_taken

    @property
    def is_in_file(self) -> bool:
        """True while there is an open file that `discard` has to remove from the disk."""
        return self._file is not None and not self._has_ended

    def discard(self) -> None:
        """Close the file and remove it from the disk. Its context does so at the end; for a large file a thread of the
        pool does it before, because the removal would block the event loop."""
        with self._creating:
            was_in_file, self._has_ended = self.is_in_file, True
        if self._file is not None and was_in_file:
            try:
                with suppress(OSError):  # a full disk does not take the last bytes, and need not
                    self._file.close()
            finally:
                self._path.unlink(missing_ok=True)


class FileBlobs:
    """Store of content by digest. Kept content is durable once the unit of work that refers to it is committed; reading
    checks that the agency has a reference. Processes that share a database share the folder too. Never call `keep` inside
    a unit of work: for large content it opens one of its own, and SQLite has one writer. Callers pass the digest, which
    they compute while writing the bytes, because hashing again here would double the cost. Where there is a `bucket`, large
    content may lie in it."""

    def __init__(
        self,
        root: Path,
        store: SqlStore,
        clock: Clock,
        pool: Pool,
        room: Room | None = None,
        bucket: ContentBucket | None = None,
    ) -> None:
        self._root, self._scratch = root, root / SCRATCH
        self._room = room or Room(folder=root, reserve=0)
        self._store = store
        self._clock = clock
        self._pool = pool
        self.bucket = bucket
        self._filled = set[str]()
        self._synced = bytearray(
            (1 << 16) + (1 << 8)
        )  # one flag for each folder aa/bb, and aa, that is surely on disk

    @contextmanager
    def scratch(self, *, few: bool = False) -> Iterator[FileScratch]:
        """Open a temporary file that only the node's own user can read, in the file system of the blobs, so that a rename
        makes it a blob. Use it inside the pool or around pool calls, because its file operations block. With `few`, small
        content stays in memory until its path is used. StoreFailure while the disk has too little room: the check is here,
        because all incoming and packed content begins as a scratch file."""
        self._room.check()
        name = random_source.random_16().hex()
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
        """Store a scratch file's content; the unit that refers to it passes the result to `SqlBlobRefs.keep`. On return
        large content is fsynced under its digest, or in the bucket, and has a row for the sweeper; small content is only
        read back. Storing the same digest again is harmless. StoreFailure when the file has another size, or disk or bucket
        refuse it."""
        if size <= SMALL:
            return KeptContent(digest=digest, size=size, body=_read_small(scratch, size))
        if scratch.durable_size is None:
            await self._pool.run(scratch.make_durable)
        _check_size(scratch.durable_size or 0, size)
        if self.bucket is not None and self.bucket.takes_new:
            return await self._keep_in_bucket(self.bucket, scratch, digest, size)
        row = BlobRow(digest=digest, size=size, stored_at=self._clock.now())
        async with self._store.changing_rows() as tx:
            rows = await tx.tuples(_LOCKED, digest=digest) if self.bucket is not None else ()
            await tx.upsert(row, "stored_at", "object_name")
            target = path_of(self._root, digest)
            # Not in the pool: other writers wait, and its threads may have long work before them.
            await run_in_thread(partial(_place, scratch, target, self._synced))
        await self._remove_replaced(rows)
        return KeptContent(digest=digest, size=size, open=lambda: target.open("rb"))

    async def _keep_in_bucket(
        self, bucket: ContentBucket, scratch: FileScratch, digest: Digest, size: int
    ) -> KeptContent:
        """Store a scratch file as an object, and then name it in the row: no row names an object that is not whole."""
        copy = bucket.share(scratch.path)
        name = await bucket.store(scratch.path, digest)
        row = BlobRow(digest=digest, size=size, stored_at=self._clock.now(), object_name=name)
        async with self._store.changing_rows() as tx:
            rows = await tx.tuples(_LOCKED, digest=digest)
            await tx.upsert(row, "stored_at", "object_name")
        await self._remove_replaced(rows)
        return KeptContent(digest=digest, size=size, open=copy)

    async def bring_back(self, scratch: FileScratch, digest: Digest, size: int, object_name: str) -> bool:
        """Place the content of an object in the folder, and delete the object; False, with nothing done, where the row does
        not name it any more."""
        await self._pool.run(scratch.make_durable)
        _check_size(scratch.durable_size or 0, size)
        async with self._store.changing_rows() as tx:
            rows = await tx.tuples(_LOCKED, digest=digest)
            if not rows or rows[0][3] != object_name:
                return False
            await tx.change(_TO_FOLDER, this=digest)
            await run_in_thread(partial(_place, scratch, path_of(self._root, digest), self._synced))
        await self._remove_replaced(rows)
        return True

    async def _remove_replaced(self, rows: Sequence[Sequence[Any]]) -> None:
        """Delete the object that the row named before it was written: its bytes may be damaged."""
        if self.bucket is not None and rows and (name := rows[0][3]) is not None:
            await self.bucket.remove(name)

    def room_share(self) -> float:
        """Return the share of a budget of bytes that the disk leaves."""
        return self._room.share()

    def keep_small(self, digest: Digest, body: bytes) -> KeptContent:
        """Return small bytes as content for `SqlBlobRefs.keep`. StoreFailure while the disk has too little room."""
        self._room.check()
        return KeptContent(digest=digest, size=len(body), body=body)

    async def open(self, work: SqlWork, digest: Digest) -> Callable[[], BinaryIO]:
        """Return a function that opens the content, any number of times; the bytes are not checked against the digest.
        NotFound when the agency has no reference, MissingContent when the bytes are gone."""
        return await self._open_content(await work.blobs.find(digest), digest)

    async def open_all(
        self, work: SqlWork, digests: Collection[Digest]
    ) -> Mapping[Digest, Callable[[], BinaryIO]]:
        """Return functions that open several contents, as `open` does, by digest. NotFound as in `open` for any of them."""
        contents = await work.blobs.find_all(digests)
        return {digest: await self._open_content(contents.get(digest), digest) for digest in sorted(digests)}

    async def _open_content(self, content: ReadableContent | None, digest: Digest) -> Callable[[], BinaryIO]:
        if content is None:
            raise errors.NotFound(f"this agency has no content {digest}")
        return await self._reader(content, digest)

    async def open_frozen(self, work: SqlWork, hold_id: str, digest: Digest) -> Callable[[], BinaryIO]:
        """Return a function that opens content which the sealed hold keeps in the content store. NotFound when it keeps no
        such content there any more."""
        content = await work.blobs.find_frozen(digest, hold_id)
        if content is None:
            raise errors.NotFound(f"the sealed hold {hold_id} keeps no content {digest} here")
        return await self._reader(content, digest)

    async def _reader(self, content: ReadableContent, digest: Digest) -> Callable[[], BinaryIO]:
        if content.body is not None:
            return partial(BytesIO, content.body)
        path = path_of(self._root, digest)
        # Not in the pool: its threads may all be waiting for a connection, and the unit of work holds one.
        is_file = await asyncio.to_thread(path.is_file)
        if self.bucket is not None:
            is_file = is_file and content.object_name is None
            return self.bucket.opener(digest, content.object_name, path, is_file=is_file)
        if not is_file:
            place = "a bucket, which no setting names" if content.object_name else str(self._root)
            missing = errors.MissingContent(
                f"the file of content {digest} is not in {self._root}: it lies in {place}; mount the right folder, or "
                "restore the file from a backup"
            )
            _log.error(str(missing), extra={"action": "blob.missing", "digest": digest, "code": missing.code})
            raise missing
        return lambda: path.open("rb")

    async def forget(self, digests: Collection[Digest]) -> None:
        """Delete the content of these digests that no row refers to. A caller that has just kept the same bytes, and refers
        to them a moment later, finds them gone and keeps them again."""
        for digest in sorted(digests):
            await remove_content(self._root, self._store, digest, None, self.bucket)
        await self._cut_journal()

    async def leave_no_trace(self) -> bool:
        """Truncate the write-ahead log of an SQLite database, so that it contains no deleted content; return whether that
        is done. False while a reader, such as a backup, still reads from it: call again later."""
        return self._store.journal is None or await self._store.journal.cut()

    async def sweep(self, now: datetime) -> int:
        """Delete blobs without references, 24 hours after their last `keep`, and old scratch files; return how many. Log an
        error for every row whose file is missing."""
        swept = await sweep_content(self._root, self._store, self._pool, now, self._filled, self.bucket)
        if self.bucket is not None:
            is_held = partial(self._pool.run, partial(_is_held, self._root, now))
            swept += await self.bucket.sweep(GRACE, is_held)
        await self._cut_journal()
        return swept

    async def _cut_journal(self) -> None:
        if self._store.journal is not None:
            await self._store.journal.cut_if_due()


def _read_small(scratch: FileScratch, size: int) -> bytes:
    """Read back a small scratch file in the calling thread; just written, it is read without waiting for the disk."""
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
    """Rename a scratch file to its target and make the rename durable. An existing file is replaced, because it may have
    been damaged since, and these bytes were hashed a moment ago; readers that have the old file open are not disturbed.
    `synced` has a flag for each folder that is durable."""
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
            # Sync the folders above too: another process may have created them without having synced them yet.
            sync_folder(shard)
            if not synced[above]:
                sync_folder(shard.parent)
            synced[place] = synced[above] = True
        scratch.discard()


def path_of(root: Path, digest: str) -> Path:
    return root / f"{digest[:_SHARD]}/{digest[_SHARD : 2 * _SHARD]}/{digest}"


def _shards_of(root: Path) -> set[str]:
    """Return the names of the existing top-level folders, the first two letters of digests."""
    return {path.name for path in root.glob("[0-9a-f]" * _SHARD)}


def hold_sweep(root: Path) -> None:
    """Put off sweeping of this folder for an hour, in every process. A backup calls it repeatedly while it copies: content
    whose reference goes after the rows were copied must stay until its file is copied too."""
    (root / NO_SWEEP).touch()


async def sweep_content(
    root: Path,
    store: SqlStore,
    pool: Pool,
    now: datetime,
    filled: Collection[str],
    bucket: ContentBucket | None = None,
) -> int:
    """Delete blobs without references, files without rows, and scratch files, each when older than the grace; return how
    many. It stops while `hold_sweep` is in effect. The scratch files named in `filled`, which are being written, stay
    whatever their age: where the clock was put forward, all files look old."""
    cutoff, is_held = now - GRACE, partial(pool.run, partial(_is_held, root, now))
    removed, shards = await _sweep_rows(root, store, cutoff, is_held, bucket)
    shards |= await pool.run(partial(_shards_of, root))
    for shard in sorted(shards):  # one folder at a time, so that memory stays bounded (G8)
        if await is_held():
            return removed
        ages = await pool.run(partial(_ages, root / shard, "*/*"))
        removed += await _sweep_shard(root, store, shard, ages, cutoff)
    return removed + await pool.run(partial(_sweep_scratch, root / SCRATCH, cutoff, filled))


async def _sweep_rows(
    root: Path,
    store: SqlStore,
    cutoff: datetime,
    is_held: Callable[[], Awaitable[bool]],
    bucket: ContentBucket | None,
) -> tuple[int, set[str]]:
    """Delete unreferenced rows with their files; return how many, and in which folders large content was found."""
    removed, shards, last = 0, set[str](), ""
    while not await is_held():
        async with store.reading() as tx:
            rows = await tx.tuples(_LOOK, last=last, before=cutoff, most=_BATCH)
        shards |= {digest[:_SHARD] for digest, is_row, _ in rows if not is_row}
        for digest, _, is_loose in rows:
            removed += is_loose and await remove_content(root, store, digest, cutoff, bucket)
        if len(rows) < _BATCH:
            break
        last = rows[-1][0]
    return removed, shards


async def remove_content(
    root: Path, store: SqlStore, digest: str, cutoff: datetime | None, bucket: ContentBucket | None
) -> bool:
    """Delete a blob's row, then its file, in one transaction, unless the blob is referred to or was kept since `cutoff`;
    return whether it was deleted. A crash between the two rolls back the row. An object goes after the row, because its
    name is never used again; without its bucket the row stays. Deleted small bytes stay in SQLite's write-ahead log until
    that is truncated."""
    async with store.writing() as tx:
        rows = await tx.tuples(_LOCKED, digest=digest)
        if not rows:
            return False
        stored_at, is_row, is_owned, object_name = rows[0]
        if object_name is not None and bucket is None:
            return False
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
    if object_name is not None and bucket is not None:
        await bucket.remove(object_name)
    return True


async def _sweep_shard(
    root: Path, store: SqlStore, shard: str, ages: dict[str, datetime], cutoff: datetime
) -> int:
    """Delete one folder's files whose `keep` was never committed; return how many. Log rows whose file is missing."""
    async with store.reading() as tx:
        with_files = {digest for (digest,) in await tx.tuples(_WITH_FILES, first=shard, end=f"{shard}g")}
        orphans = sorted(digest for digest, at in ages.items() if digest not in with_files and at < cutoff)
        moved: list[str] = []
        if orphans:  # a file whose digest has got a row in the meantime stays
            rows = dict(await tx.tuples(_AMONG_DIGESTS, digests=orphans))
            moved = [digest for digest in orphans if rows.get(digest) is False]
            orphans = [digest for digest in orphans if digest not in rows]
    removed = 0
    for digest in moved:
        removed += await remove_moved(root, store, digest)
    for digest in orphans:
        removed += await _remove_orphan(root, store, digest, cutoff)
    for digest in sorted(with_files - ages.keys()):
        if not path_of(root, digest).is_file():  # files were listed before the rows were read, so check again
            _log.error(
                "a blob's file is missing; restore it", extra={"action": "blob.missing", "digest": digest}
            )
    return removed


async def remove_moved(root: Path, store: SqlStore, digest: str) -> bool:
    """Delete the file of content whose row names an object, under the lock of the row, as a `keep` in the folder writes."""
    async with store.writing() as tx:
        rows = await tx.tuples(_LOCKED, digest=digest)
        if not rows or rows[0][3] is None:
            return False
        path_of(root, digest).unlink(missing_ok=True)
    return True


async def _remove_orphan(root: Path, store: SqlStore, digest: str, cutoff: datetime) -> bool:
    """Delete a file that has no row: insert a row to hold its lock, delete the file, and delete the row again. Return False
    when the digest has a row by now."""
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
    """Delete scratch files that a dead process left behind; return how many."""
    old = [name for name, at in _ages(folder, "*").items() if at < cutoff and name not in filled]
    for name in old:
        (folder / name).unlink(missing_ok=True)
    return len(old)


def _ages(folder: Path, pattern: str) -> dict[str, datetime]:
    """Return the time of the last write of each matching file by its name; files that vanish meanwhile are left out."""
    ages = {}
    for path in folder.glob(pattern):
        try:
            ages[path.name] = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except FileNotFoundError:
            continue
    return ages
