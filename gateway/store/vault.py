"""The vault of the sealed hold, R4 (state secrets stay out). In: a writer of a sealed form. Out: sealed bytes in one folder
for each hold, which no backup copies."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from gateway import errors, random_source
from gateway.atomic_files import sync_folder
from gateway.domain.identity import Digest
from gateway.ports.services import Pool
from gateway.store.blobs import FileScratch

_ID = re.compile(r"[A-Za-z0-9_]{1,64}")


class FileVault:
    """Vault of the sealed hold: files with sealed bytes, separate from the content store, so that no backup contains them.
    Processes that share a database share the folder too."""

    def __init__(self, root: Path, pool: Pool) -> None:
        self._root, self._pool = root, pool

    async def write(self, hold_id: str, digest: Digest, write: Callable[[BinaryIO], None]) -> Digest:
        """Store the sealed form of content, which `write` writes to a file, under the content's digest; return the SHA-256
        of the sealed bytes. Durable on return; a second write replaces the first."""
        return await self._pool.run(partial(_put_sealed, self._folder(hold_id), digest, write))

    async def open(self, hold_id: str, digest: Digest) -> Callable[[], BinaryIO]:
        """Return a function that opens the sealed form of this content. NotFound when it is not here, such as after a
        restore."""
        path = self._folder(hold_id) / digest
        if not await self._pool.run(path.is_file):
            raise errors.NotFound(
                f"the sealed content of {hold_id} is not on this node: {path.name}",
                hint="after a restore it lies only in the folder content/sealed of the old disk",
            )
        return lambda: path.open("rb")

    @contextmanager
    def scratch(self, hold_id: str) -> Iterator[FileScratch]:
        """Open a temporary file for unsealed bytes that return to the content store; `tidy` removes it after a crash."""
        scratch = FileScratch(self._folder(hold_id), f".{random_source.token_hex(8)}")
        try:
            yield scratch
        finally:
            scratch.discard()

    async def tidy(self, hold_id: str) -> None:
        """Delete the temporary files of that hold: half-written ones, and those with unsealed bytes."""
        await self._pool.run(partial(_tidy_sealed, self._folder(hold_id)))

    async def remove(self, hold_id: str) -> None:
        """Delete all files of that hold; harmless when there are none."""
        await self._pool.run(partial(_remove_sealed, self._folder(hold_id)))

    def _folder(self, hold_id: str) -> Path:
        if not _ID.fullmatch(hold_id):
            raise errors.NotFound(f"there is no sealed hold {hold_id[:64]!r}")
        return self._root / hold_id


def _put_sealed(folder: Path, digest: Digest, write: Callable[[BinaryIO], None]) -> Digest:
    growing = folder / f".{random_source.token_hex(8)}"
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
