"""Writes files that get their name only when they are complete and on disk. In: a path, and the content. Out: the new
file, or the earlier one unchanged. Sync: use it in the pool for large files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gateway import random_source


@contextmanager
def new_file(
    path: Path, mode: int = 0o666, *, alone: bool = False, durable: bool = True
) -> Iterator[BinaryIO]:
    """Yield a file that takes the name `path` when the block ends, replacing an existing file; an error leaves no trace
    of it. `alone`: no other process writes it, so a part left by a crash is deleted first. Not `durable`: content that
    can be made again needs no sync."""
    part = path.with_name(f".{path.name}.{'part' if alone else random_source.token_hex(8)}")
    if alone:
        part.unlink(missing_ok=True)
    try:
        with open(part, "x+b", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def write_file(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a small file as a whole, durably; it replaces an existing one."""
    with new_file(path, mode) as file:
        file.write(content)


def write_private(path: Path, content: bytes) -> None:
    """Write a small file that only the node's own user can read; a missing folder is made with the same rights."""
    make_private(path.parent)
    write_file(path, content, 0o600)


def make_private(folder: Path) -> None:
    """Make a folder for the node's own user alone, with its missing parents, durably."""
    missing = [level for level in (folder, *folder.parents) if not level.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for level in missing:
        sync_folder(level.parent)


def sync_folder(folder: Path) -> None:
    """Sync the folder's entries: a rename survives a power cut only when its folder is on disk too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
