"""The rows of the table of faults: those of processes, folders, disks, keys and documents. Each puts a fault on a pair at
work and takes it away again; what must be seen of it stands beside it. The page of the operators shows the same rows."""

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

from bench.soak import rows
from gateway.bootstrap.axis import open_axis
from gateway.clock import SystemClock
from gateway.store.folder_marks import MARK
from gateway_labs.authority import Authority
from tests.support.fault_table.measure import Harm, fault
from tests.support.fault_table.pair import ABSENT, LARGE, Pair, PairKey
from tests.support.fault_table.server_rows import SERVER_ROWS
from tests.support.hooks import answers, receiving
from tests.support.parcels import parcel

SOUTH = "south"
_SET_ASIDE = ("malformed", "quarantined")
MOUNTS = ("axis", "south", "south/content", "south/keys")
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
        worker.env = worker.env | {name: value}
        await worker.start()
        yield
        await worker.stop()

    return harm


def full(place: str, *, inodes: bool = False) -> Harm:
    """Leave hardly any room, or hardly any inodes, on the file system of that place."""

    @asynccontextmanager
    async def harm(pair: Pair) -> AsyncIterator[None]:
        folder = pair.ground.folder / place
        disk = os.statvfs(folder)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        limit = f"nr_inodes={disk.f_files - disk.f_ffree + _INODES}" if inodes else f"size={used + _ROOM}"
        await remount(folder, limit)
        yield
        await remount(folder, f"nr_inodes={disk.f_files}" if inodes else "size=8g")

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
async def garbage_arrives(pair: Pair) -> AsyncIterator[None]:
    async with open_axis(pair.sites["north"].settings) as axis:
        await axis.publish(parcel("pkt_garbage", b"no envelope"), ["Z92"])
    yield
    (row,) = [row for row in (await rows.read(pair.sites[SOUTH])).inbox if row["state"] in _SET_ASIDE]
    words = ("inbox", "discard", row["id"], "--reason", "no envelope", "--yes")
    status, _, error = await pair.command(SOUTH, *words)
    assert status == 0, error


@asynccontextmanager
async def sent_to_nobody(pair: Pair) -> AsyncIterator[None]:
    await pair.send("Z91", ABSENT)
    yield


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


@asynccontextmanager
async def nobody_takes_in(pair: Pair) -> AsyncIterator[None]:
    """Let a partner send more than its budget, and take nothing in until the end."""
    await asyncio.gather(*(pair.send("Z91", "Z92", LARGE) for _ in range(6)))
    yield
    while await pair.lacking():
        _, page = await pair.client.call("Z92", "GET", "/inbox?limit=50")
        for item in page["data"]:
            await pair.client.call("Z92", "POST", f"/inbox/{item['id']}/ack", body={})
        await asyncio.sleep(1)


def scanner(act: str, heal: str) -> Harm:
    @asynccontextmanager
    async def harm(pair: Pair) -> AsyncIterator[None]:
        assert pair.clamd is not None
        await asyncio.to_thread(getattr(pair.clamd, act))
        yield
        await asyncio.to_thread(getattr(pair.clamd, heal))

    return harm


_OTHER = "503 folder.{}=other"
_FULL = 'gateway_place_full{{place="{}"}} 1'
ON_DISKS = PairKey(mounts=MOUNTS)
ROWS = (
    fault(
        "content-away",
        "the content's share is not mounted any more, at work",
        folder_away("south/content"),
        "red folder.content folder.unmarked",
        "mount ",
        _OTHER.format("content"),
        in_long=True,
        stands_long=True,
    ),
    fault(
        "content-away-at-start",
        "the content's share is not mounted at the start",
        content_away_at_start,
        "red folder.content folder.unmarked",
        "mount ",
        _OTHER.format("content"),
    ),
    fault(
        "content-of-another",
        "another share is mounted in the place of the content",
        folder_away("south/content", "0123456789abcdef"),
        "red folder.content folder.other",
        "mount ",
        _OTHER.format("content"),
    ),
    fault(
        "keys-away",
        "the folder of the keys is not mounted any more",
        folder_away("south/keys"),
        "red folder.keys folder.unmarked",
        "mount ",
        _OTHER.format("keys"),
    ),
    fault(
        "axis-away",
        "the folder of an embedded axis is not mounted any more",
        folder_away("axis"),
        "red folder.axis folder.unmarked",
        "mount ",
        _OTHER.format("axis"),
    ),
    fault(
        "axis-away-at-start",
        "the folder of an embedded axis is not mounted at the start",
        axis_away_at_start,
        "red folder.axis folder.unmarked",
        "mount ",
        "none",
        is_told=False,
        has_metrics=False,
    ),
    fault(
        "content-read-only",
        "the content's file system takes no writes",
        content_read_only,
        "red folder.content folder.read_only",
        "findmnt -T",
        pair=ON_DISKS,
    ),
    *(
        fault(
            f"{name}-full",
            f"the disk of {text} is full",
            full(place),
            "red disk disk.low",
            "du -xh",
            ready,
            sample=_FULL.format(name),
            pair=ON_DISKS,
            also=frozenset({"jobs"}),
        )
        for name, text, place, ready in (
            ("content", "the content", "south/content", "503 disk=full"),
            ("data", "data and database", "south", "503 disk=full"),
            ("axis", "an embedded axis", "axis", "200 disk=low"),
            ("keys", "the keys", "south/keys", "200 disk=low"),
        )
    ),
    fault(
        "content-inodes",
        "the disk of the content has hardly an inode left",
        full("south/content", inodes=True),
        "red disk disk.inodes",
        "du -xh",
        "503 disk=full",
        sample=_FULL.format("content"),
        pair=ON_DISKS,
    ),
    fault(
        "workers-stopped",
        "all workers are stopped",
        workers_stopped,
        "red workers workers.none",
        "gateway serve",
        "200 workers=none",
        in_long=True,
    ),
    fault(
        "worker-frozen",
        "the only worker stands still and does not end",
        worker_frozen,
        "red workers workers.none",
        "gateway serve",
        "200 workers=none",
    ),
    fault(
        "worker-does-not-start",
        "the only worker has a wrong setting and ends at each start",
        worker_does_not_start,
        "red workers workers.none",
        "gateway serve",
        "200 workers=none",
    ),
    fault(
        "wrong-secret",
        "one of two workers has a wrong password of the keys",
        worker_beside("GATEWAY_KEYS_PASSWORD", "another-password-0815"),
        "red process.keys process.keys",
        "the same keys.password",
        "200 process.keys=faulty",
        in_long=True,
        stands_long=True,
    ),
    fault(
        "settings-differ",
        "one of two workers runs with other settings",
        worker_beside("GATEWAY_LIMITS_PARTNER_MB", "77"),
        "yellow process process.differ",
        "systemctl restart gateway.target",
        in_long=True,
    ),
    fault(
        "key-lost",
        "the files of the agency's keys are lost",
        file_away("south/keys/Z92"),
        "red keys keys.none",
        "gateway keys new --agency Z92",
    ),
    fault(
        "anchors-lost",
        "the file of the trusted roots is lost",
        file_away("south/trust/ca.pem"),
        "red trust trust.missing",
        "cp ca.pem",
    ),
    fault(
        "revocation-ended",
        "a revocation list in a file has ended",
        revocation_ended,
        "red revocation revocation.late",
        "newest list",
    ),
    fault(
        "database-locked-file",
        "another program keeps the SQLite file to itself",
        database_locked,
        "red database.lock database.busy",
        "fuser -v",
        "200 database.lock=busy",
    ),
    fault(
        "database-away",
        "the SQLite file is moved away at work",
        file_away("south/gateway.db"),
        "red database database.missing",
        "back if it was moved away",
        "503 database=missing",
    ),
    fault(
        "garbage",
        "something that is no envelope arrives",
        garbage_arrives,
        "yellow quarantine queues.held",
        "gateway inbox list --quarantine",
        in_long=True,
    ),
    fault(
        "nobody-there",
        "a document is sent to a code that nobody hosts",
        sent_to_nobody,
        "yellow outbox queues.failed",
        "gateway outbox list --state failed",
        node="north",
        ends=False,
    ),
    fault(
        "backup-fails",
        "a backup fails",
        backup_fails,
        "red backup backup.failed",
        "gateway backup",
    ),
    fault(
        "webhook-gone",
        "a document system's address is gone",
        webhook_refuses,
        "yellow webhooks webhooks.paused",
        "gateway webhooks list",
        pair=PairKey(
            settings=(("GATEWAY_WEBHOOKS_NETWORKS", "127.0.0.0/8"), ("GATEWAY_WEBHOOKS_PLAIN_HTTP", "yes"))
        ),
    ),
    fault(
        "nobody-takes-in",
        "nobody takes in what a partner sends",
        nobody_takes_in,
        "yellow partners queues.partner",
        "gateway inbox list --state new --agency Z92",
        pair=PairKey(settings=(("GATEWAY_LIMITS_PARTNER_MB", "1"),)),
    ),
    fault(
        "scanner-away",
        "the scanner for malware does not run",
        scanner("stop", "start"),
        "red scanner scanner.down",
        "systemctl status clamav-daemon",
        "200 scanner=down",
        pair=PairKey(scanner=True),
    ),
    fault(
        "scanner-hangs",
        "the scanner for malware takes calls and does not answer",
        scanner("hang", "resume"),
        "red scanner scanner.down",
        "systemctl status clamav-daemon",
        "200 scanner=down",
        pair=PairKey(scanner=True),
    ),
    *SERVER_ROWS,
)
