"""Content by digest, in rows, in files and in the bucket of a real object store: it is durable together with the rows that
refer to it, read through one's own reference only, and swept when no row refers to it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.identity import Digest
from gateway.pool import ThreadPool
from gateway.store import blobs as sweeper
from gateway.store.blob_refs import KeptContent
from gateway.store.blobs import FileBlobs, path_of
from gateway.store.bucket import Bucket, BucketPlace
from gateway.store.bucket_content import BucketContent
from gateway.store.store import SqlStore
from tests.support.buckets import Objects, new_place
from tests.support.clock import ManualClock
from tests.support.stored_content import Lying, put_all_in
from tests.support.stores import NORTH, SOUTH, committing, digest

DAY = timedelta(hours=24)
# Each test of these is run with all content in rows, with all of it in files, and with all of it in a bucket.
pytestmark = pytest.mark.usefixtures("lies_in")


@pytest.fixture(params=["rows", "files", "bucket"])
def lies_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    return put_all_in(request.param, monkeypatch)


@pytest.fixture
def place(lies_in: str) -> BucketPlace | None:
    return new_place() if lies_in == "bucket" else None


@pytest.fixture
async def blobs(
    root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool, place: BucketPlace | None
) -> FileBlobs:
    return await open_blobs(root, store, clock, pool, place)


@pytest.fixture
def lying(store: SqlStore, root: Path, place: BucketPlace | None) -> Lying:
    return Lying(store, root, Objects(place) if place is not None else None)


async def open_blobs(
    root: Path,
    store: SqlStore,
    clock: ManualClock,
    pool: ThreadPool,
    place: BucketPlace | None,
    *,
    takes_new: bool = True,
) -> FileBlobs:
    """Open the content store, with a bucket if there is a place."""
    if place is None:
        return FileBlobs(root, store, clock, pool)
    bucket = BucketContent(Bucket(place), store, clock, root / "scratch", takes_new=takes_new)
    await bucket.settle()
    return FileBlobs(root, store, clock, pool, None, bucket)


async def take(blobs: FileBlobs, content: bytes) -> KeptContent:
    """Store content and return the handle with which a unit of work refers to it."""
    with blobs.scratch() as scratch:
        scratch.file.write(content)
        return await blobs.keep(scratch, digest_for(content), len(content))


def digest_for(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())


async def keep(
    blobs: FileBlobs, store: SqlStore, content: bytes, owner: str = "msg-1", scope: AgencyScope = NORTH
) -> Digest:
    """Store content and let its owner refer to it, as every caller does; return the digest."""
    digest = await take(blobs, content)
    async with committing(store, scope) as work:
        await work.blobs.keep(digest, "document", owner)
    return digest.digest


async def keep_unowned(blobs: FileBlobs, store: SqlStore, content: bytes) -> Digest:
    name = await keep(blobs, store, content, owner="msg-gone")
    await drop(store, "msg-gone")
    return name


async def refer(store: SqlStore, name: Digest, owner: str = "msg-1", scope: AgencyScope = NORTH) -> None:
    """Let an owner refer to content that is stored already."""
    async with committing(store, scope) as work:
        await work.blobs.add(name, "document", owner)


async def drop(store: SqlStore, owner: str = "msg-1") -> None:
    async with committing(store) as work:
        await work.blobs.drop("document", owner)


def age(path: Path, at: datetime) -> None:
    """Write a file's time: files carry the machine's time, and tests own theirs."""
    os.utime(path, (at.timestamp(), at.timestamp()))


async def read(blobs: FileBlobs, store: SqlStore, name: Digest, scope: AgencyScope = NORTH) -> bytes:
    async with store.read(scope) as view:
        reader = await blobs.open(view, name)
    return await asyncio.to_thread(_read, reader)


def _read(reader: Callable[[], BinaryIO]) -> bytes:
    with reader() as file:
        return file.read()


@pytest.fixture
def left_file(tmp_path: Path) -> Path:
    """Write a finished file that its maker hands over."""
    path = tmp_path / "left"
    path.write_bytes(b"left behind")
    path.chmod(0o600)
    return path


async def test_a_finished_file_is_taken_over_without_a_copy(
    blobs: FileBlobs, store: SqlStore, left_file: Path, root: Path
) -> None:
    age(left_file, datetime(2000, 1, 1))
    with blobs.scratch() as scratch:
        assert scratch.take(left_file)
        assert scratch.path.samefile(left_file)
        assert scratch.path.stat().st_mtime > datetime(2001, 1, 1).timestamp()
        digest = await blobs.keep(scratch, digest_for(b"left behind"), 11)
    async with committing(store) as work:
        await work.blobs.keep(digest, "inbox", "inx-1")
    left_file.unlink()

    assert await read(blobs, store, digest.digest) == b"left behind"
    assert list((root / "scratch").iterdir()) == []


async def test_the_store_s_own_content_under_another_name_is_taken_over_and_stays(
    blobs: FileBlobs, store: SqlStore, left_file: Path, root: Path, lies_in: str
) -> None:
    """A node's letter to itself. With a third name it is copied."""
    if lies_in != "files":
        return
    content = await take(blobs, b"left behind")
    async with committing(store) as work:
        await work.blobs.keep(content, "outgoing", "out-1")
    own = path_of(root, content.digest)
    left_file.unlink()
    payload = left_file.with_name(str(content.digest))
    payload.hardlink_to(own)
    with blobs.scratch() as scratch:
        assert scratch.take(payload)
        second = await blobs.keep(scratch, content.digest, 11)
    async with committing(store) as work:
        await work.blobs.keep(second, "inbox", "inx-1")
    payload.unlink()

    assert await read(blobs, store, content.digest) == b"left behind"
    assert own.stat().st_nlink == 1
    assert list((root / "scratch").iterdir()) == []

    payload.hardlink_to(own)
    left_file.hardlink_to(own)
    with blobs.scratch() as scratch:
        assert not scratch.take(payload)


@pytest.mark.parametrize("few", [False, True])
async def test_a_thread_that_outlives_its_call_leaves_no_temporary_file(
    blobs: FileBlobs, root: Path, few: bool
) -> None:
    with blobs.scratch(few=few) as scratch:
        if few:
            scratch.file.write(b"in memory")
    with pytest.raises(ValueError, match="was removed"):
        scratch.make_durable()
    assert not [*root.rglob("scratch/*")]


@pytest.mark.parametrize("why", ["another has it too", "others may write to it", "it is gone"])
async def test_a_file_that_is_not_ours_alone_is_not_taken_over(
    blobs: FileBlobs, left_file: Path, root: Path, why: str
) -> None:
    if why == "another has it too":
        left_file.with_name("other").hardlink_to(left_file)
    elif why == "others may write to it":
        left_file.chmod(0o660)
    else:
        left_file.unlink()

    with blobs.scratch() as scratch:
        assert not scratch.take(left_file)
        assert scratch.file.write(b"a copy") == 6
    assert list((root / "scratch").iterdir()) == []


async def test_what_was_kept_is_read_again_and_leaves_no_scratch(
    blobs: FileBlobs, store: SqlStore, root: Path, lies_in: str
) -> None:
    name = await keep(blobs, store, b"content")

    assert await read(blobs, store, name) == b"content"
    assert await read(blobs, store, name) == b"content"
    assert path_of(root, name).exists() is (lies_in == "files")
    assert list((root / "scratch").iterdir()) == []


async def test_a_scratch_file_that_is_not_kept_vanishes(blobs: FileBlobs, root: Path) -> None:
    with blobs.scratch() as scratch:
        scratch.file.write(b"x")
        path = scratch.path
        assert path.stat().st_mode & 0o077 == 0

    assert not path.exists()


async def test_damaged_or_lost_content_is_healed_when_the_true_bytes_return(
    blobs: FileBlobs, store: SqlStore, root: Path, lying: Lying, lies_in: str
) -> None:
    name = await keep(blobs, store, b"content")

    for n, damaged in enumerate((b"c0ntent", b"con", b"content and more", None)):
        if damaged is None:
            await lying.lose(name)
        else:
            await lying.write(name, damaged)
            if lies_in == "bucket":  # it proves what it fetches
                with pytest.raises(errors.AlteredContent):
                    await read(blobs, store, name)
            else:
                assert await read(blobs, store, name) == damaged
        await asyncio.gather(*(keep(blobs, store, b"content", owner=f"msg-{n}-{k}") for k in range(3)))

        assert await read(blobs, store, name) == b"content"
    assert list((root / "scratch").iterdir()) == []


async def test_a_size_that_was_not_written_is_refused(blobs: FileBlobs, lying: Lying) -> None:
    for size in (6, 8):
        with blobs.scratch() as scratch:
            scratch.file.write(b"content")

            with pytest.raises(errors.StoreFailure, match="bytes and"):
                await blobs.keep(scratch, digest("x"), size)

    assert not await lying.is_there(digest("x"))


async def test_reading_needs_a_reference_of_ones_own_agency(blobs: FileBlobs, store: SqlStore) -> None:
    name = await keep(blobs, store, b"content", scope=SOUTH)

    async with store.read(NORTH) as view:
        assert await view.blobs.holds(name) is False
        with pytest.raises(errors.NotFound):
            await blobs.open(view, name)
    assert await read(blobs, store, name, SOUTH) == b"content"


async def test_reading_says_when_the_bytes_are_lost(blobs: FileBlobs, store: SqlStore, lying: Lying) -> None:
    name = await keep(blobs, store, b"content")
    await lying.lose(name)

    with pytest.raises(errors.MissingContent, match="backup"):
        await read(blobs, store, name)


async def test_a_reference_to_what_was_never_kept_is_refused(store: SqlStore) -> None:
    async with store.begin(NORTH) as work:
        with pytest.raises(errors.StoreFailure):
            await work.blobs.add(digest("never"), "document", "msg-1")


async def test_dropping_an_owner_drops_its_references_only(blobs: FileBlobs, store: SqlStore) -> None:
    first, two = await keep(blobs, store, b"one"), await keep(blobs, store, b"two")
    for name in (first, two):
        await refer(store, name)
    await refer(store, two, owner="msg-2")

    await drop(store)

    async with store.read(NORTH) as view:
        assert [await view.blobs.holds(name) for name in (first, two)] == [False, True]


async def test_a_blob_is_swept_a_day_after_its_last_keep_when_nobody_refers_to_it(
    blobs: FileBlobs, store: SqlStore, clock: ManualClock, lying: Lying
) -> None:
    wanted_digest = await keep(blobs, store, b"w")
    dropped, kept_digest = [await keep_unowned(blobs, store, content) for content in (b"d", b"a")]
    clock.advance(DAY)
    early = await blobs.sweep(clock.now())
    await keep_unowned(blobs, store, b"a")
    clock.advance(1)

    swept = await blobs.sweep(clock.now())

    assert (early, swept) == (0, 1)
    assert [await lying.is_there(name) for name in (wanted_digest, dropped, kept_digest)] == [
        True,
        False,
        True,
    ]
    assert await blobs.sweep(clock.now()) == 0
    with pytest.raises(errors.StoreFailure):
        await refer(store, dropped)
    assert await read(blobs, store, await keep(blobs, store, b"d")) == b"d"  # it can be kept anew


async def test_nothing_is_swept_for_an_hour_after_a_request_to_hold_the_sweep(
    blobs: FileBlobs, store: SqlStore, clock: ManualClock, root: Path, lying: Lying
) -> None:
    """A copy of the content is being made: what its rows refer to must still be there when its turn comes."""
    name = await keep_unowned(blobs, store, b"released after the copy of the rows")
    clock.advance(DAY + timedelta(seconds=1))
    sweeper.hold_sweep(root)
    age(root / sweeper.NO_SWEEP, clock.now())

    swept = await blobs.sweep(clock.now())
    clock.advance(sweeper.NO_SWEEP_FOR)

    assert (swept, await lying.is_there(name)) == (0, True)
    assert await blobs.sweep(clock.now()) == 1


async def test_a_sweep_under_way_stops_at_its_next_batch_after_a_request_to_hold_it(
    blobs: FileBlobs,
    store: SqlStore,
    clock: ManualClock,
    root: Path,
    lying: Lying,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeper, "_BATCH", 2)
    rows = [await keep_unowned(blobs, store, bytes([n])) for n in range(6)]
    orphan = path_of(root, digest("orphan"))
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"x")
    clock.advance(DAY + timedelta(seconds=1))
    age(orphan, clock.now() - DAY - timedelta(seconds=1))
    remove = sweeper.remove_content

    async def and_a_copy_begins(root: Path, *arguments: Any) -> bool:
        sweeper.hold_sweep(root)
        age(root / sweeper.NO_SWEEP, clock.now())
        return await remove(root, *arguments)

    monkeypatch.setattr(sweeper, "remove_content", and_a_copy_begins)

    assert await blobs.sweep(clock.now()) == 2
    assert [await lying.is_there(name) for name in sorted(rows)] == [False] * 2 + [True] * 4
    assert orphan.exists()


async def test_every_blob_is_looked_at_however_many_are_still_in_use(
    blobs: FileBlobs,
    store: SqlStore,
    clock: ManualClock,
    lying: Lying,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeper, "_BATCH", 2)
    names = sorted([await keep_unowned(blobs, store, bytes([n])) for n in range(7)])
    wanted_digest = [names[n] for n in (0, 1, 2, 5)]
    for name in wanted_digest:
        await refer(store, name)
    clock.advance(DAY + timedelta(seconds=1))

    assert await blobs.sweep(clock.now()) == 3
    assert [name for name in names if await lying.is_there(name)] == wanted_digest


async def test_the_sweeper_spares_what_is_referred_to_while_it_looks(
    blobs: FileBlobs, store: SqlStore, clock: ManualClock
) -> None:
    names = [await keep_unowned(blobs, store, bytes([n])) for n in range(8)]
    clock.advance(DAY + timedelta(seconds=1))

    async def late(name: Digest) -> bool:
        try:
            await refer(store, name)
        except errors.StoreFailure:
            return False
        return True

    referred = await asyncio.gather(blobs.sweep(clock.now()), *(late(name) for name in names))

    for name, is_referred in zip(names, referred[1:], strict=True):
        if is_referred:
            assert await read(blobs, store, name)
    assert referred[0] == list(referred[1:]).count(False)


async def test_the_sweeper_spares_what_is_kept_again_while_it_looks(
    blobs: FileBlobs, store: SqlStore, clock: ManualClock
) -> None:
    contents = [bytes([n]) for n in range(8)]
    for content in contents:
        await keep_unowned(blobs, store, content)
    clock.advance(DAY + timedelta(seconds=1))

    await asyncio.gather(blobs.sweep(clock.now()), *(keep(blobs, store, content) for content in contents))

    assert [await read(blobs, store, digest_for(content)) for content in contents] == contents


async def test_g7_what_a_dead_process_left_is_swept(blobs: FileBlobs, clock: ManualClock, root: Path) -> None:
    """Files whose keep never committed, and scratch files; those that may be at work stay."""
    dead = [path_of(root, digest("orphan")), root / "scratch" / "old"]
    fresh = [path_of(root, digest("fresh")), root / "scratch" / "fresh"]
    for path, at in [(name, clock.now() - DAY - timedelta(seconds=1)) for name in dead] + [
        (name, clock.now()) for name in fresh
    ]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        age(path, at)

    assert await blobs.sweep(clock.now()) == 2

    assert [path.exists() for path in (*dead, *fresh)] == [False, False, True, True]


async def test_g7_a_keep_over_an_orphan_is_complete(blobs: FileBlobs, store: SqlStore, root: Path) -> None:
    name = digest_for(b"content")
    path_of(root, name).parent.mkdir(parents=True)
    path_of(root, name).write_bytes(b"cont")

    await keep(blobs, store, b"content")

    assert await read(blobs, store, name) == b"content"


async def test_what_is_being_written_stays_although_the_clock_was_put_forward(
    blobs: FileBlobs, store: SqlStore, clock: ManualClock
) -> None:
    large = bytes(100_000)
    with blobs.scratch() as scratch:
        scratch.file.write(large)
        clock.advance(365 * DAY)

        await blobs.sweep(clock.now())

        digest = await blobs.keep(scratch, digest_for(large), len(large))
    assert digest.size == len(large)


async def test_a_row_whose_bytes_are_missing_is_reported_and_no_other(
    blobs: FileBlobs,
    store: SqlStore,
    clock: ManualClock,
    lying: Lying,
    caplog: pytest.LogCaptureFixture,
    lies_in: str,
) -> None:
    name, _ = await keep(blobs, store, b"content"), await keep(blobs, store, b"whole")
    await lying.lose(name)

    with caplog.at_level(logging.ERROR):
        for _ in range(16 if lies_in == "bucket" else 1):  # a sweep looks at a sixteenth of a bucket
            await blobs.sweep(clock.now())

    assert [getattr(record, "digest", None) for record in caplog.records] == [name]
