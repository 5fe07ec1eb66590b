"""Takes away content that nobody refers to. In: a content folder and its rows. Out: how many files went. A blob is
looked at again under its row's lock before it goes: a `keep` or a new reference that comes first saves it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import delete, select
from sqlmodel import col

from gateway.ports.services import Pool
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRefRow, BlobRow, SmallContentRow

SCRATCH = "scratch"
HOLD = "no-sweep"  # a file whose age says when somebody last asked that nothing be taken away
HELD_FOR = timedelta(hours=1)
GRACE = timedelta(hours=24)  # design 6: long enough for any unit of work between `keep` and its reference
_BATCH = 500
_SHARDS = tuple(f"{n:02x}" for n in range(256))
_log = logging.getLogger(__name__)


def path_of(root: Path, digest: str) -> Path:
    return root / digest[:2] / digest[2:4] / digest


def hold(root: Path) -> None:
    """Nothing is taken away for the next hour, by any node on this folder: who copies the content says so again and
    again, because a reference may go, and its content with it, after the copy of the rows was made."""
    (root / HOLD).touch()


async def sweep(root: Path, store: SqlStore, pool: Pool, now: datetime) -> int:
    """Blobs without references, files without rows, and scratch files, each when older than the grace; nothing while
    a copy is made, and nothing more once one begins."""
    before, is_held = now - GRACE, partial(pool.run, partial(_is_held, root, now))
    gone = await _sweep_rows(root, store, before, is_held)
    for shard in _SHARDS:  # one part of the folder at a time, so that memory stays bounded (G8)
        if await is_held():
            return gone
        ages = await pool.run(partial(_ages, root / shard, "*/*"))
        gone += await _sweep_shard(root, store, shard, ages, before)
    return gone + await pool.run(partial(_sweep_scratch, root / SCRATCH, before))


async def _sweep_rows(
    root: Path, store: SqlStore, before: datetime, is_held: Callable[[], Awaitable[bool]]
) -> int:
    gone, last = 0, ""
    while not await is_held():
        async with store.reading() as tx:
            page = select(BlobRow).where(col(BlobRow.digest) > last).order_by(col(BlobRow.digest))
            found = await tx.rows(BlobRow, page.limit(_BATCH))
            old = [row.digest for row in found if row.stored_at < before]
            refs = select(col(BlobRefRow.digest)).where(col(BlobRefRow.digest).in_(old)).distinct()
            wanted = {digest for (digest,) in await tx.tuples(refs)} if old else set()
        for digest in old:
            gone += digest not in wanted and await remove(root, store, digest, before)
        if len(found) < _BATCH:
            break
        last = found[-1].digest
    return gone


async def remove(root: Path, store: SqlStore, digest: str, before: datetime | None) -> bool:
    """Row with its small bytes, then file, in one transaction, unless somebody refers to it, or it was kept since `before`.
    Dying between the two rolls the row back: it is swept the next time. Small bytes stay in the journal until it is cut."""
    this = col(BlobRow.digest) == digest
    async with store.writing() as tx:
        row = await tx.first(BlobRow, select(BlobRow).where(this).with_for_update())
        refs = select(BlobRefRow).where(col(BlobRefRow.digest) == digest)
        if row is None or (before is not None and row.stored_at >= before):
            return False
        if await tx.first(BlobRefRow, refs) is not None:
            return False
        small = await tx.change(delete(SmallContentRow).where(col(SmallContentRow.digest) == digest))
        await tx.change(delete(BlobRow).where(this))
        # Not in the pool: a cancelled wait would let go of the lock while the thread still deletes.
        path_of(root, digest).unlink(missing_ok=True)
        await tx.commit()
    if small and store.journal is not None:
        store.journal.mark()
    return True


async def _sweep_shard(
    root: Path, store: SqlStore, shard: str, ages: dict[str, datetime], before: datetime
) -> int:
    """Files whose `keep` never committed go; rows whose file is missing are reported."""
    async with store.reading() as tx:
        # A range, not LIKE: it is read from the key's index. "g" sorts behind every hexadecimal digit.
        this, small = col(BlobRow.digest), col(SmallContentRow.digest)
        query = select(this, small.is_not(None)).outerjoin(SmallContentRow, small == this)
        known = dict(await tx.tuples(query.where(this >= shard, this < shard + "g")))
    orphans = [digest for digest, at in ages.items() if digest not in known and at < before]
    gone = 0
    for digest in orphans:
        gone += await _remove_orphan(root, store, digest, before)
    for digest in sorted(known.keys() - ages.keys()):
        if (
            not known[digest] and not path_of(root, digest).is_file()
        ):  # the files were listed before the rows: look again
            _log.error(
                "a blob's file is missing; restore it", extra={"action": "blob.missing", "digest": digest}
            )
    return gone


async def _remove_orphan(root: Path, store: SqlStore, digest: str, before: datetime) -> bool:
    """A row is written to have its lock, and goes again with the file."""
    async with store.writing() as tx:
        if not await tx.put_new(BlobRow(digest=digest, size=0, stored_at=before)):
            return False
        path_of(root, digest).unlink(missing_ok=True)
        await tx.change(delete(BlobRow).where(col(BlobRow.digest) == digest))
        await tx.commit()
    return True


def _is_held(root: Path, now: datetime) -> bool:
    at = _ages(root, HOLD).get(HOLD)
    return at is not None and at > now - HELD_FOR


def _sweep_scratch(folder: Path, before: datetime) -> int:
    """What a process that died left half written."""
    old = [name for name, at in _ages(folder, "*").items() if at < before]
    for name in old:
        (folder / name).unlink(missing_ok=True)
    return len(old)


def _ages(folder: Path, pattern: str) -> dict[str, datetime]:
    """When each file was last written, by its name; files that vanish meanwhile are left out."""
    found = {}
    for path in folder.glob(pattern):
        try:
            found[path.name] = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except FileNotFoundError:
            continue
    return found
