"""Large content in a bucket, beside the folder. In: a scratch file whose digest is known; the row's name of an object. Out:
an object, durable on return, to be named by a row; functions that open content, proved by its digest, from a copy on the
node's own disk; deleted objects. An object that no row names is deleted when it is older than the grace by the store's own
clock: a row names only objects that were stored a moment before, so none is needed again.

The row says where content lies. Where it is not there, the other place is looked into: content is moved while it is
read."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import threading
import weakref
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import bindparam, select
from sqlmodel import col

from gateway import errors, log, random_source
from gateway.commits import run_in_thread
from gateway.domain.identity import Digest
from gateway.ports.services import Clock
from gateway.store.bucket import Bucket, BucketObject, NoObject
from gateway.store.drivers import SLOW
from gateway.store.row import among, equal
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRow
from gateway.store.tables_node import FolderMarkRow

PLACE = "bucket"
_ANSWERS_S = 1.0
_DIGITS = "0123456789abcdef"
_log = logging.getLogger(__name__)
_NAMES = select(col(BlobRow.object_name)).where(
    among(col(BlobRow.digest), "digests"), col(BlobRow.object_name).is_not(None)
)
_BETWEEN = (
    select(col(BlobRow.digest), col(BlobRow.object_name))
    .where(
        col(BlobRow.object_name).is_not(None),
        col(BlobRow.digest) >= bindparam("first"),
        col(BlobRow.digest) < bindparam("end"),
    )
    .execution_options(**{SLOW: True})
)
_IN_BUCKET = select(col(BlobRow.digest)).where(col(BlobRow.object_name).is_not(None)).limit(1)


class OpenCopy:
    """Function that opens a copy of content any number of times, also after the copy has lost its name."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        weakref.finalize(self, os.close, handle)

    def __call__(self) -> BinaryIO:
        return open(f"/proc/self/fd/{self._handle}", "rb")


class FetchedContent:
    """Function that opens content of a bucket, any number of times. The first call copies it to an unnamed file of the
    folder and proves it; all of them read that copy. `file` is its place in the folder, looked into first if `is_file`.
    It blocks: call it in a thread. ContentStoreDown, MissingContent, or AlteredContent."""

    def __init__(
        self, bucket: Bucket, digest: Digest, name: str | None, file: Path, folder: Path, *, is_file: bool
    ) -> None:
        self._bucket, self._digest, self._name = bucket, digest, name
        self._file, self._folder, self._is_file = file, folder, is_file
        self._fetching = threading.Lock()
        self._copy: OpenCopy | None = None

    def __call__(self) -> BinaryIO:
        with self._fetching:
            return self._find() if self._copy is None else self._copy()

    def _find(self) -> BinaryIO:
        """Open the content where it lies: where the row says, then in the folder, then under any name of the bucket."""
        if self._is_file and (file := self._in_folder()) is not None:
            return file
        for is_sought in (False, True):
            name = self._bucket.find(self._digest) if is_sought else self._name
            if name is not None and (copy := self._fetch(name)) is not None:
                self._copy = copy
                return copy()
            if (file := self._in_folder()) is not None:
                return file
        raise missing(self._digest, f"neither in {self._file.parent} nor in the bucket {self._bucket.place}")

    def _in_folder(self) -> BinaryIO | None:
        try:
            return self._file.open("rb")
        except FileNotFoundError:
            return None

    def _fetch(self, name: str) -> OpenCopy | None:
        """Return a copy of an object; None where there is none."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder) as copy:
            try:
                self._bucket.fetch(name, self._digest, copy)
            except NoObject:
                return None
            return OpenCopy(os.dup(copy.fileno()))


def missing(digest: str, place: str) -> errors.MissingContent:
    """Log that content is missing, and return the error to raise."""
    error = errors.MissingContent(
        f"the content {digest} is {place}; name the right place, or restore the file from a backup"
    )
    _log.error(str(error), extra={"action": "blob.missing", "digest": digest, "code": error.code})
    return error


class BucketContent:
    """The bucket as the content store uses it. `takes_new`: new large content is stored in it, else in the folder."""

    def __init__(
        self, bucket: Bucket, rows: SqlStore, clock: Clock, scratch: Path, *, takes_new: bool
    ) -> None:
        self.bucket, self.takes_new = bucket, takes_new
        self._rows, self._clock, self._scratch = rows, clock, scratch
        self._asking: asyncio.Future[None] | None = None
        self._next_digit = random_source.random_16()[0] % len(_DIGITS)

    async def settle(self) -> None:
        """Read the mark that the bucket must have. At first use the database gets one, and the bucket too where no row
        names an object yet. A restored database has none, so it never works in the bucket of the node that it is a copy
        of."""
        async with self._rows.changing_rows() as tx:
            new_row = FolderMarkRow(
                place=PLACE, mark=random_source.random_16().hex(), written_at=self._clock.now()
            )
            await tx.insert_new(new_row)
            rows = await tx.rows(
                FolderMarkRow, select(FolderMarkRow).where(equal(FolderMarkRow, place=PLACE))
            )
            is_used = bool(await tx.tuples(_IN_BUCKET))
        self.bucket.expect(rows[0].mark, may_write=not is_used)

    async def look(self) -> bool:
        """Read the mark that the bucket must have; return whether there is one. Nothing is written."""
        async with self._rows.viewing_few() as tx:
            rows = await tx.rows(
                FolderMarkRow, select(FolderMarkRow).where(equal(FolderMarkRow, place=PLACE))
            )
        if rows:
            self.bucket.expect(rows[0].mark, may_write=False)
        return bool(rows)

    async def probe(self, *, is_marked: bool = True) -> None:
        """Ask the bucket for its mark now. ContentStoreDown when it is another one, or has not answered in a second; one
        thread waits for a slow answer, however often this is called."""
        if self._asking is None or self._asking.done():
            ask = self._check_mark_now if is_marked else self.bucket.ask
            self._asking = asyncio.ensure_future(asyncio.to_thread(ask))
        answered, _ = await asyncio.wait({self._asking}, timeout=_ANSWERS_S)
        if not answered:
            raise errors.ContentStoreDown(
                f"the bucket {self.bucket.place} has not answered for {_ANSWERS_S:.0f} s"
            )
        self._asking.result()

    async def try_out(self) -> None:
        """Store and delete a small object. ContentStoreDown where the bucket takes none."""
        await run_in_thread(self.bucket.try_out)

    def _check_mark_now(self) -> None:
        self.bucket.forget_mark()
        self.bucket.check_mark()

    async def store(self, source: Path, digest: Digest) -> str:
        """Store a file's content; the object is durable on return. A cancelled caller waits for the end."""
        return await run_in_thread(partial(self._store_file, source, digest))

    def share(self, file: Path) -> OpenCopy:
        """Return a function that opens the file, also when it is gone."""
        return OpenCopy(os.open(file, os.O_RDONLY))

    def opener(
        self, digest: Digest, name: str | None, file: Path, *, is_file: bool
    ) -> Callable[[], BinaryIO]:
        """Return a function that opens content; `name` is that of the row. `is_file`: its file is in the folder."""
        return FetchedContent(self.bucket, digest, name, file, self._scratch, is_file=is_file)

    async def remove(self, name: str) -> None:
        """Delete an object that no row names any more. Where the bucket does not do it, `sweep` does later."""
        try:
            await run_in_thread(partial(self.bucket.remove, name))
        except errors.ContentStoreDown as error:
            log.warn(_log, "bucket.undeleted", str(error), code=error.code, object=name)

    async def sweep(self, grace: timedelta, is_held: Callable[[], Awaitable[bool]]) -> int:
        """Delete objects older than the grace that no row names, and log rows whose object is missing; return how many
        were deleted. One call looks at a sixteenth of the bucket, because listing all of it takes long."""
        digit = _DIGITS[self._next_digit]
        self._next_digit = (self._next_digit + 1) % len(_DIGITS)
        removed, first = 0, digit
        pages = self.bucket.pages(digit)
        try:
            await asyncio.to_thread(self.bucket.check_mark)
            while (page := await asyncio.to_thread(next, pages, None)) is not None:
                if await is_held():
                    return removed
                removed += await self._remove_unnamed(page, grace)
                if page:
                    await self._report_missing(first, page[-1].digest, page)
                    first = page[-1].digest
            await self._report_missing(first, f"{digit}g", [])
        except errors.ContentStoreDown as error:
            log.warn(_log, "bucket.unswept", str(error), code=error.code)
        return removed

    async def _remove_unnamed(self, page: list[BucketObject], grace: timedelta) -> int:
        async with self._rows.reading() as tx:
            digests = sorted({o.digest for o in page})
            row_names = {name for (name,) in await tx.tuples(_NAMES, digests=digests)}
        unnamed = [o.name for o in page if o.name not in row_names and o.age > grace]
        for name in unnamed:
            await asyncio.to_thread(self.bucket.remove, name)
        return len(unnamed)

    async def _report_missing(self, first: str, end: str, page: list[BucketObject]) -> None:
        """Log the rows from one digest up to another whose object is not on the page, nor in the bucket."""
        listed = {o.name for o in page}
        async with self._rows.reading() as tx:
            rows = await tx.tuples(_BETWEEN, first=first, end=end)
        for digest, name in rows:
            if name not in listed and not await asyncio.to_thread(self.bucket.has, name):
                _log.error(
                    "the object of a blob is missing; restore it",
                    extra={"action": "blob.missing", "digest": digest},
                )

    def _store_file(self, source: Path, digest: Digest) -> str:
        with source.open("rb") as file:
            return self.bucket.store(digest, file, os.fstat(file.fileno()).st_size)


class StoredFile:
    """Large content for a backup, which opens it like a file: from the folder, or from the bucket that its row names."""

    def __init__(self, digest: Digest, opener: Callable[[], BinaryIO]) -> None:
        self.name, self._opener = digest, opener

    def open(self, mode: str, /) -> BinaryIO:
        return self._opener()
