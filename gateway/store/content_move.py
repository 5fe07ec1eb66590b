"""Moves large content between the folder and a bucket while the node works. In: the content store's folder, its bucket and
the place that the settings want. Out: every content in that place, proved there before the row names it, and deleted at
the other only after. A run that ends early, by a kill too, loses nothing and doubles nothing: the next one goes on with the
rows that still name the other place."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import ColumnElement, bindparam, func, select, update
from sqlmodel import col

from gateway import errors
from gateway.commits import run_in_thread
from gateway.domain.identity import Digest
from gateway.domain.pace import SMALL
from gateway.store.blobs import SCRATCH, FileBlobs, path_of, remove_moved
from gateway.store.bucket import NoObject
from gateway.store.bucket_content import BucketContent
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRow

_AT_ONCE = 100
# Small files, of a version that had no rows for them, stay: what is small is read without a thread.
_IS_FILE = (col(BlobRow.body).is_(None), col(BlobRow.object_name).is_(None), col(BlobRow.size) > SMALL)
_IS_OBJECT = (col(BlobRow.object_name).is_not(None),)
_COUNT = select(func.count(), func.coalesce(func.sum(col(BlobRow.size)), 0))
_NEXT = select(col(BlobRow.digest), col(BlobRow.size), col(BlobRow.object_name)).where(
    col(BlobRow.digest) > bindparam("last")
)
_TO_BUCKET = (
    update(BlobRow)
    .where(col(BlobRow.digest) == bindparam("this"), *_IS_FILE)
    .values(object_name=bindparam("name"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lying:
    """Number and bytes of the large content in each place."""

    files: int
    file_bytes: int
    objects: int
    object_bytes: int


async def count_content(store: SqlStore) -> Lying:
    """Count the large content in each place by its rows."""
    async with store.reading() as tx:
        (files, file_bytes), *_ = await tx.tuples(_COUNT.where(*_IS_FILE))
        (objects, object_bytes), *_ = await tx.tuples(_COUNT.where(*_IS_OBJECT))
    return Lying(files=files, file_bytes=int(file_bytes), objects=objects, object_bytes=int(object_bytes))


class ContentMove:
    """A move of all content to the place of new content. `tell` is called with the number moved so far."""

    def __init__(
        self,
        root: Path,
        store: SqlStore,
        blobs: FileBlobs,
        bucket: BucketContent,
        tell: Callable[[int], None],
    ) -> None:
        self._root, self._store, self._blobs, self._bucket, self._tell = root, store, blobs, bucket, tell
        self.moved = 0
        self.failed: dict[str, str] = {}

    async def run(self) -> None:
        """Move all content. Content that is missing or altered is noted in `failed`, and stays. ContentStoreDown ends the
        run."""
        step = self._to_bucket if self._bucket.takes_new else self._to_folder
        async for digest, size, name in self._rows():
            try:
                self.moved += await step(digest, size, name)
            except (errors.AlteredContent, errors.MissingContent) as error:
                self.failed[digest] = str(error)
            self._tell(self.moved)

    async def _rows(self) -> AsyncIterator[tuple[Digest, int, str]]:
        """Yield the rows that name the other place, in the order of their digests."""
        conditions = _IS_FILE if self._bucket.takes_new else _IS_OBJECT
        query, last = _NEXT.where(*conditions).order_by(col(BlobRow.digest)).limit(_AT_ONCE), ""
        while True:
            async with self._store.reading() as tx:
                rows = await tx.tuples(query, last=last)
            for digest, size, name in rows:
                yield Digest(digest), size, name or ""
            if len(rows) < _AT_ONCE:
                return
            last = rows[-1][0]

    async def _to_bucket(self, digest: Digest, _size: int, _name: str) -> bool:
        """Store a file as an object, read it back, name it in the row, and delete the file; False where the content was
        deleted or stored anew meanwhile."""
        file, bucket = path_of(self._root, digest), self._bucket
        try:
            name = await bucket.store(file, digest)
        except FileNotFoundError:
            if await self._is_settled(digest, _IS_FILE):
                return False
            raise errors.MissingContent(f"the file of content {digest} is not in {self._root}") from None
        await run_in_thread(partial(self._prove, name, digest))
        async with self._store.changing_rows() as tx:
            is_named = bool(await tx.change(_TO_BUCKET, this=digest, name=name))
        if not is_named:
            await bucket.remove(name)
            return False
        await remove_moved(self._root, self._store, digest)
        return True

    async def _to_folder(self, digest: Digest, size: int, name: str) -> bool:
        """Store an object as a file, which the row then names, and delete the object; False where the content was deleted
        meanwhile."""
        with self._blobs.scratch() as scratch:
            try:
                await run_in_thread(lambda: self._bucket.bucket.fetch(name, digest, scratch.file))
            except NoObject:
                if await self._is_settled(digest, (col(BlobRow.object_name) == name,)):
                    return False
                raise errors.MissingContent(f"the object {name} is not in the bucket") from None
            return await self._blobs.bring_back(scratch, digest, size, name)

    async def _is_settled(self, digest: str, conditions: Sequence[ColumnElement[bool]]) -> bool:
        """Tell whether the row is gone, or names another place by now."""
        query = select(col(BlobRow.digest)).where(col(BlobRow.digest) == digest, *conditions)
        async with self._store.reading() as tx:
            return not await tx.tuples(query)

    def _prove(self, name: str, digest: Digest) -> None:
        scratch = self._root / SCRATCH
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=scratch) as copy:
            try:
                self._bucket.bucket.fetch(name, digest, copy)
            except NoObject:
                raise errors.ContentStoreDown(
                    f"the object {name}, just stored, is not in the bucket"
                ) from None
