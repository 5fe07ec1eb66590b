"""A disk that is really full: a file system of its own in memory where the tests may mount one, else the memory that
all share, where a node keeps back all but half a gigabyte."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.store.data_folder import Room, free_space
from tests.support.node import Town

MB = 1024 * 1024


@contextmanager
def filled(town: Town) -> Iterator[Town]:
    """The same node, and the disk of its content is full while this is open."""
    content = town.node.room.folder
    content.mkdir(exist_ok=True)
    size = ("-o", "size=600m")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", *size, "tmpfs", content], capture_output=True, check=False
    )
    if mounted.returncode == 0:
        try:
            _fill(content, 450)
            yield town
        finally:
            subprocess.run(["umount", content], check=True)
        return
    with TemporaryDirectory(dir="/dev/shm", prefix="gateway-") as memory:
        moved = content.rename(content.with_name("content-aside"))
        content.symlink_to(memory)
        room = Room(folder=content, reserve=free_space(content).bytes - 512 * MB)
        try:
            _fill(content, 1024)
            yield replace(town, node=replace(town.node, room=room))
        finally:
            content.unlink()
            moved.rename(content)


def _fill(folder: Path, mb: int) -> None:
    with (folder / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, mb * MB)
