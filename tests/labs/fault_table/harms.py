"""Harms of a pair: of processes, folders, disks, keys and documents. Each is a context: the harm is there while it is
open."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

from gateway.clock import SystemClock
from gateway.store.folder_marks import MARK
from gateway_labs.authority import Authority
from tests.labs.fault_table.measure import Harm
from tests.labs.fault_table.pair import Pair
from tests.support.hooks import answers, receiving

SOUTH = "south"
# Less than is left anywhere, and more than a few writes.
_ROOM, _INODES = 8 << 20, 500


@asynccontextmanager
async def away(folder: Path, mark: str | None = None) -> AsyncIterator[None]:
    """Move a folder away, and leave an empty one; with a mark, one of another share."""
    moved = folder.rename(folder.with_name(f"{folder.name}.aside"))
    folder.mkdir(mode=0o700)
    if mark is not None:
        (folder / MARK).write_text(f"{mark}\n")
    try:
        yield
    finally:
        shutil.rmtree(folder)
        moved.rename(folder)


def folder_away(place: str, mark: str | None = None) -> Harm:
    @asynccontextmanager
    async def harm(pair: Pair) -> AsyncIterator[None]:
        async with away(pair.ground.folder / place, mark):
            yield

    return harm


def file_away(place: str) -> Harm:
    """Move a file or a folder away, and leave nothing."""

    @asynccontextmanager
    async def harm(pair: Pair) -> AsyncIterator[None]:
        path = pair.ground.folder / place
        moved = path.rename(path.with_name(f"{path.name}.aside"))
        yield
        moved.rename(path)

    return harm


@asynccontextmanager
async def content_away_at_start(pair: Pair) -> AsyncIterator[None]:
    await pair.stop_node(SOUTH)
    async with away(pair.data(SOUTH) / "content"):
        await pair.start_node(SOUTH)
        yield


@asynccontextmanager
async def axis_away_at_start(pair: Pair) -> AsyncIterator[None]:
    await asyncio.gather(pair.stop_node(SOUTH), pair.stop_node("north"))
    async with away(pair.ground.folder / "axis"):
        await pair.start_node(SOUTH, is_well=False)
        yield
    await pair.start_node("north")


@asynccontextmanager
async def workers_stopped(pair: Pair) -> AsyncIterator[None]:
    await pair.worker(SOUTH).stop()
    yield
    await pair.worker(SOUTH).start()


@asynccontextmanager
async def worker_frozen(pair: Pair) -> AsyncIterator[None]:
    pair.worker(SOUTH).tell(signal.SIGSTOP)
    yield
    pair.worker(SOUTH).tell(signal.SIGCONT)


@asynccontextmanager
async def worker_does_not_start(pair: Pair) -> AsyncIterator[None]:
    worker = pair.worker(SOUTH)
    right = dict(worker.env)
    await worker.stop()
    await worker.start(is_well=False, GATEWAY_WORKERS_LEASE_S="short")
    yield
    await worker.stop()
    worker.env = right
    await worker.start()


def worker_beside(name: str, value: str) -> Harm:
    """Start a second worker with another value of a setting."""

    @asynccontextmanager
    async def harm(pair: Pair) -> AsyncIterator[None]:
        worker = pair.second_worker(SOUTH)
        worker.env = pair.worker(SOUTH).env | {name: value}
        await worker.start()
        yield
        await worker.stop()

    return harm


def full(place: str, limited: str = "size") -> Harm:
    """Leave hardly any room, or hardly any inodes, on the file system of that place."""

    @asynccontextmanager
    async def harm(pair: Pair) -> AsyncIterator[None]:
        folder = pair.ground.folder / place
        disk = os.statvfs(folder)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        limit = (
            f"nr_inodes={disk.f_files - disk.f_ffree + _INODES}"
            if limited == "inodes"
            else f"size={used + _ROOM}"
        )
        await remount(folder, limit)
        yield
        await remount(folder, f"nr_inodes={disk.f_files}" if limited == "inodes" else "size=8g")

    return harm


async def remount(folder: Path, options: str) -> None:
    await asyncio.to_thread(
        subprocess.run, ["mount", "-o", f"remount,{options}", str(folder)], check=True, capture_output=True
    )


@asynccontextmanager
async def content_read_only(pair: Pair) -> AsyncIterator[None]:
    await remount(pair.data(SOUTH) / "content", "ro")
    yield
    await remount(pair.data(SOUTH) / "content", "rw")


@asynccontextmanager
async def database_locked(pair: Pair) -> AsyncIterator[None]:
    """Let another program hold the one writer's place of the file."""
    file = pair.data(SOUTH) / "gateway.db"
    with closing(sqlite3.connect(file, isolation_level=None, timeout=60)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


@asynccontextmanager
async def webhook_refuses(pair: Pair) -> AsyncIterator[None]:
    async with receiving(answers(410)) as program:
        address = {"url": program.url}
        status, webhook = await pair.client.call("Z92", "POST", "/webhooks", body=address, key=program.url)
        assert status == 201, webhook
        await pair.send("Z92", "Z91")
        yield
    status, _, error = await pair.command(SOUTH, "webhooks", "remove", webhook["id"], "--yes")
    assert status == 0, error


def scanner(act: str, heal: str) -> Harm:
    @asynccontextmanager
    async def harm(pair: Pair) -> AsyncIterator[None]:
        assert pair.clamd is not None
        await asyncio.to_thread(getattr(pair.clamd, act))
        yield
        await asyncio.to_thread(getattr(pair.clamd, heal))

    return harm


@asynccontextmanager
async def backup_fails(pair: Pair) -> AsyncIterator[None]:
    (file := pair.ground.folder / "passphrase.txt").write_text("twelve letters or more")
    (no_folder := pair.ground.folder / "taken").write_text("no folder")
    words = ("backup", "--passphrase-file", str(file), "--yes")
    status, _, _ = await pair.command(SOUTH, *words, "--to", str(no_folder / "node.backup"))
    assert status != 0
    yield
    status, _, error = await pair.command(SOUTH, *words)
    assert status == 0, error


def list_ended(pair: Pair) -> Callable[[], None]:
    """Write a revocation list that has ended."""
    authority, at = Authority.load(pair.ground.folder / "authority"), SystemClock().now() - timedelta(days=9)
    file = pair.sites[SOUTH].settings.trust.folder / "crl" / "old.pem"
    file.write_bytes(authority.revocation_list([], at, timedelta(days=7)))
    return file.unlink


@asynccontextmanager
async def revocation_ended(pair: Pair) -> AsyncIterator[None]:
    remove = list_ended(pair)
    yield
    remove()
