"""Keeps the promise of `ports.Vault`: sealed bytes in a folder of their own, one folder for each hold, one file for each
content. In: whatever writes the sealed form. Out: a file that is durable under its name. No backup copies this folder."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from gateway import errors
from gateway.domain.identity import Digest
from gateway.ports.content import Scratch
from gateway.ports.services import Pool
from gateway.store.blobs import FileScratch, sync_folder

_ID = re.compile(r"[A-Za-z0-9_]{1,64}")


class FileVault:
    """Nodes that share a database share the folder too."""

    def __init__(self, root: Path, pool: Pool) -> None:
        self._root, self._pool = root, pool

    async def put(self, hold_id: str, digest: Digest, write: Callable[[BinaryIO], None]) -> Digest:
        return await self._pool.run(partial(_put, self._folder(hold_id), digest, write))

    async def open(self, hold_id: str, digest: Digest) -> Callable[[], BinaryIO]:
        path = self._folder(hold_id) / digest
        if not await self._pool.run(path.is_file):
            raise errors.NotFound(
                f"the sealed content of {hold_id} is not on this node: {path.name}",
                hint="after a restore it lies only in the folder content/sealed of the old disk",
            )
        return lambda: path.open("rb")

    @contextmanager
    def scratch(self, hold_id: str) -> Iterator[Scratch]:
        scratch = FileScratch(self._folder(hold_id) / f".{secrets.token_hex(8)}")
        try:
            yield scratch
        finally:
            scratch.discard()

    async def tidy(self, hold_id: str) -> None:
        await self._pool.run(partial(_tidy, self._folder(hold_id)))

    async def remove(self, hold_id: str) -> None:
        await self._pool.run(partial(_remove, self._folder(hold_id)))

    def _folder(self, hold_id: str) -> Path:
        if not _ID.fullmatch(hold_id):
            raise errors.NotFound(f"there is no sealed hold {hold_id[:64]!r}")
        return self._root / hold_id


def _put(folder: Path, digest: Digest, write: Callable[[BinaryIO], None]) -> Digest:
    growing = folder / f".{secrets.token_hex(8)}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(growing, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            written = Digest(hashlib.file_digest(file, "sha256").hexdigest())
        growing.rename(folder / digest)
        for each in (folder, folder.parent, folder.parent.parent):
            sync_folder(each)
    except OSError as cause:
        raise errors.StoreFailure(
            f"the sealed content could not be written to {folder}: {cause.strerror or cause}; free space or mend the disk"
        ) from cause
    finally:
        growing.unlink(missing_ok=True)
    return written


def _tidy(folder: Path) -> None:
    for path in folder.glob(".*"):
        path.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    try:
        if folder.is_dir():
            shutil.rmtree(folder)
            sync_folder(folder.parent)
    except OSError as cause:
        raise errors.StoreFailure(
            f"the sealed content in {folder} could not be removed: {cause.strerror or cause}"
        ) from cause
