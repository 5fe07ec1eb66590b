"""What a doctor says of the places where a node keeps its things: whether they are there, for the node's own user alone,
with room left. In: paths. Out: the check's name with level, cause, what to tell, and the cure. Changes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from gateway.ops.doctor_log import Told

# A document of the largest size is 50 MB and lies on disk three times while it is sent.
DISK_RED, DISK_YELLOW = 500 * 1024 * 1024, 5 * 1024 * 1024 * 1024


def findings(data: Path, axis: Path | None, keys: Path) -> Iterator[tuple[str, Told]]:
    """`axis`: None where the axis is no folder of this machine."""
    for name, path in (("data", data), ("axis", axis), ("keys", keys)):
        if path is not None:
            yield f"folder.{name}", _folder(path, is_closed=name == "keys")
    yield from _disk([data, *([axis] if axis is not None else [])])


def _folder(path: Path, *, is_closed: bool) -> Told:
    told = {"path": path}
    if not path.is_dir():
        return Told(level="red", cause="folder.missing", params=told, cure=f"mkdir -p {path}")
    if not os.access(path, os.W_OK | os.X_OK):
        return Told(level="red", cause="folder.read_only", params=told, cure=f"chmod u+rwx {path}")
    if is_closed and path.stat().st_mode & 0o077:
        return Told(level="red", cause="folder.open", params=told, cure=f"chmod 700 {path}")
    return Told(level="green", cause="folder.fine", params=told)


def database(file: Path) -> Iterator[tuple[str, Told]]:
    """Said only of one that others can read: it holds what agencies write to each other about."""
    if file.is_file() and file.stat().st_mode & 0o077:
        cure = f"chmod 600 {file}*"
        yield "database.file", Told(level="yellow", cause="database.open", params={"path": file}, cure=cure)


def _disk(paths: list[Path]) -> Iterator[tuple[str, Told]]:
    """Each disk once."""
    seen = set()
    for path in paths:
        if not path.is_dir() or path.stat().st_dev in seen:
            continue
        seen.add(path.stat().st_dev)
        free = shutil.disk_usage(path).free
        level = "red" if free < DISK_RED else "yellow" if free < DISK_YELLOW else "green"
        told = {"path": path, "free_bytes": free}
        cure = None if level == "green" else f"du -xh --max-depth=2 {path} | sort -h | tail"
        cause = "disk.fine" if level == "green" else "disk.low"
        yield "disk", Told(level=level, cause=cause, params=told, cure=cure)
