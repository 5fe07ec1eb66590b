"""Large content is kept whole in the folder and in a bucket of a real object store, whatever the line to the store does: an
outage, a lost answer, a body that is cut, other bytes, a store that is slow or refuses. Nothing is lost, nothing that is
not whole counts, and a failure has a name."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway import errors
from gateway.pool import ThreadPool
from gateway.store import bucket as bucket_module
from gateway.store.blobs import FileBlobs, path_of
from gateway.store.bucket import Bucket, BucketPlace
from gateway.store.bucket_content import BucketContent
from gateway.store.store import SqlStore
from tests.contract.test_blobs import drop, keep, open_blobs, read, take
from tests.support.buckets import Objects, line_to, new_place, stranger_at, through
from tests.support.clock import ManualClock
from tests.support.stores import NORTH
from tests.support.tcp_proxy import Direction, TcpProxy

LARGE = bytes(range(256)) * 2048


@pytest.fixture(autouse=True)
def no_quiet_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the store again at once, because tests do not wait."""
    monkeypatch.setattr(bucket_module, "QUIET_S", 0.0)


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest) -> BucketPlace | None:
    return new_place() if request.param == "bucket" else None


@pytest.fixture
async def blobs(
    root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool, place: BucketPlace | None
) -> FileBlobs:
    return await open_blobs(root, store, clock, pool, place)


@pytest.fixture
async def line() -> AsyncIterator[tuple[TcpProxy, BucketPlace]]:
    """Return a line to the store, and the place at its other end."""
    direct = new_place(timeout_s=1)
    async with line_to(direct) as proxy:
        yield proxy, direct


async def open_through(
    line: tuple[TcpProxy, BucketPlace], root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool
) -> FileBlobs:
    proxy, direct = line
    return await open_blobs(root, store, clock, pool, through(direct, proxy))


async def test_content_is_read_back_many_times_at_once_and_no_copy_stays(
    blobs: FileBlobs, store: SqlStore, root: Path
) -> None:
    names = [await keep(blobs, store, LARGE + bytes([n])) for n in range(5)]

    contents = await asyncio.gather(*(read(blobs, store, name) for name in names * 3))

    assert contents == [LARGE + bytes([n]) for n in range(5)] * 3
    assert list((root / "scratch").iterdir()) == []


async def test_content_is_opened_again_without_the_store_and_each_opening_reads_for_itself(
    line: tuple[TcpProxy, BucketPlace], root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool
) -> None:
    blobs = await open_through(line, root, store, clock, pool)
    content = await take(blobs, LARGE)
    name = await keep(blobs, store, LARGE)
    async with store.read(NORTH) as view:
        opener = await blobs.open(view, name)
    first = await asyncio.to_thread(opener)
    await line[0].refuse()

    with first, opener() as second, content.reader() as just_kept:
        first.seek(10)
        assert second.read() == LARGE
        assert first.read() == LARGE[10:]
        assert just_kept.read() == LARGE


async def test_copies_of_content_leave_no_open_file(
    blobs: FileBlobs, store: SqlStore, place: BucketPlace | None
) -> None:
    name = await keep(blobs, store, LARGE)
    gc.collect()
    files_at_first = len(os.listdir("/proc/self/fd"))

    for _ in range(20):
        await read(blobs, store, name)
    gc.collect()

    assert len(os.listdir("/proc/self/fd")) <= files_at_first + 2


async def test_content_in_an_outage_is_refused_by_name_and_kept_once_the_store_is_back(
    line: tuple[TcpProxy, BucketPlace], root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool
) -> None:
    blobs = await open_through(line, root, store, clock, pool)
    early = await keep(blobs, store, LARGE)
    await line[0].refuse()

    with pytest.raises(errors.ContentStoreDown, match="tried again"):
        await keep(blobs, store, LARGE + b"2", owner="msg-2")
    with pytest.raises(errors.ContentStoreDown, match="not read"):
        await read(blobs, store, early)
    line[0].heal()

    assert await read(blobs, store, early) == LARGE
    second = await keep(blobs, store, LARGE + b"2", owner="msg-2")
    assert await read(blobs, store, second) == LARGE + b"2"
    assert list((root / "scratch").iterdir()) == []


async def test_an_object_whose_answer_was_lost_is_no_content_and_goes_with_the_sweep(
    line: tuple[TcpProxy, BucketPlace],
    root: Path,
    store: SqlStore,
    clock: ManualClock,
    pool: ThreadPool,
) -> None:
    proxy, direct = line
    blobs = await open_through(line, root, store, clock, pool)
    first = await keep(blobs, store, LARGE)
    # The store asks for the body, takes it, and begins to answer.
    proxy.cut_after(len(b"HTTP/1.1 100 CONTINUE\r\n\r\n") + 5, Direction.BACK)

    with pytest.raises(errors.ContentStoreDown):
        await keep(blobs, store, LARGE + b"2", owner="msg-2")
    proxy.heal()
    second = await keep(blobs, store, LARGE + b"2", owner="msg-2")

    objects = Objects(direct)
    assert len(objects.names()) == 3
    bucket = BucketContent(Bucket(direct), store, clock, root, takes_new=True)
    await bucket.settle()
    for _ in range(16):
        await bucket.sweep(timedelta(seconds=-60), is_never_held)
    assert sorted(name[3:67] for name in objects.names()) == sorted([first, second])
    assert await read(blobs, store, second) == LARGE + b"2"


async def test_a_request_that_is_cut_leaves_no_object_and_an_answer_that_is_cut_is_fetched_again(
    line: tuple[TcpProxy, BucketPlace], root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool
) -> None:
    proxy, direct = line
    blobs = await open_through(line, root, store, clock, pool)
    name = await keep(blobs, store, LARGE)
    proxy.cut_after(len(LARGE) // 2)

    with pytest.raises(errors.ContentStoreDown):
        await keep(blobs, store, LARGE + b"2", owner="msg-2")
    proxy.heal()
    assert [n[3:67] for n in Objects(direct).names()] == [name]

    proxy.cut_after(len(LARGE) // 2, Direction.BACK)
    reading = asyncio.create_task(read(blobs, store, name))
    await proxy.until_passed(proxy.passed[Direction.BACK] + len(LARGE) // 2, Direction.BACK)
    proxy.heal()
    assert await reading == LARGE


async def test_other_bytes_than_the_digests_are_never_stored_nor_served(
    line: tuple[TcpProxy, BucketPlace], root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool
) -> None:
    proxy, direct = line
    blobs = await open_through(line, root, store, clock, pool)
    name = await keep(blobs, store, LARGE)
    proxy.spoil()
    with pytest.raises(errors.AlteredContent, match="not what was stored"):
        await read(blobs, store, name)
    proxy.heal()
    proxy.spoil(Direction.TO)
    with pytest.raises(errors.ContentStoreDown, match="not stored"):
        await keep(blobs, store, LARGE + b"2", owner="msg-2")
    proxy.heal()

    assert [n[3:67] for n in Objects(direct).names()] == [name]
    assert await read(blobs, store, name) == LARGE


async def test_a_store_that_says_nothing_is_given_up_and_asked_again_later(
    line: tuple[TcpProxy, BucketPlace],
    root: Path,
    store: SqlStore,
    clock: ManualClock,
    pool: ThreadPool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy, _ = line
    blobs = await open_through(line, root, store, clock, pool)
    name = await keep(blobs, store, LARGE)
    monkeypatch.setattr(bucket_module, "QUIET_S", 1000.0)
    proxy.stall()
    with pytest.raises(errors.ContentStoreDown, match="Timeout"):
        await read(blobs, store, name)
    passed = proxy.connections

    with pytest.raises(errors.ContentStoreDown, match="Timeout"):  # at once, without a call
        await keep(blobs, store, LARGE + b"2")
    assert proxy.connections == passed
    proxy.heal()
    blobs = await open_through(line, root, store, clock, pool)
    assert await read(blobs, store, name) == LARGE


async def test_a_key_without_the_right_is_told_as_what_the_store_answered(
    root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool
) -> None:
    place = new_place()
    name = await keep(await open_blobs(root, store, clock, pool, place), store, LARGE)
    blobs = await open_blobs(root, store, clock, pool, stranger_at(place))

    with pytest.raises(errors.ContentStoreDown, match="403 AccessDenied"):
        await read(blobs, store, name)
    with pytest.raises(errors.ContentStoreDown, match="403 AccessDenied"):
        await keep(blobs, store, LARGE + b"2")


async def test_a_bucket_of_another_database_takes_and_loses_nothing(
    root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool
) -> None:
    place = new_place()
    blobs = await open_blobs(root, store, clock, pool, place)
    name = await keep(blobs, store, LARGE)
    Objects(place).write("store-mark", b"another's")
    blobs = await open_blobs(root, store, clock, pool, place)
    await drop(store)
    clock.advance(timedelta(days=2))

    with pytest.raises(errors.ContentStoreDown, match="its mark is another"):
        await keep(blobs, store, LARGE + b"2", owner="msg-2")
    await blobs.sweep(clock.now())

    assert [n[3:67] for n in Objects(place).names()] == [name]


async def test_an_empty_bucket_in_place_of_the_right_one_takes_nothing(
    root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool
) -> None:
    await keep(await open_blobs(root, store, clock, pool, new_place()), store, LARGE)
    empty = await open_blobs(root, store, clock, pool, new_place())

    with pytest.raises(errors.ContentStoreDown, match="its mark is missing"):
        await keep(empty, store, LARGE + b"2")


@pytest.mark.parametrize("versions", [False, True])
async def test_what_is_deleted_leaves_no_version(
    root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool, versions: bool
) -> None:
    place = new_place(versions=versions)
    blobs = await open_blobs(root, store, clock, pool, place)
    name = await keep(blobs, store, LARGE)
    await keep(blobs, store, LARGE, owner="msg-2")  # it replaces the object
    assert Objects(place).count_versions() == 1
    for owner in ("msg-1", "msg-2"):
        await drop(store, owner)
    clock.advance(timedelta(days=1, seconds=1))

    assert await blobs.sweep(clock.now()) == 1

    assert Objects(place).count_versions() == 0
    with pytest.raises(errors.NotFound):
        await read(blobs, store, name)


async def test_content_is_found_in_the_other_place_and_a_row_without_its_bucket_is_not_deleted(
    root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool
) -> None:
    place = new_place()
    blobs = await open_blobs(root, store, clock, pool, place)
    name = await keep(blobs, store, LARGE)
    without = await open_blobs(root, store, clock, pool, None)
    with pytest.raises(errors.MissingContent, match="no setting names"):
        await read(without, store, name)
    await drop(store)
    clock.advance(timedelta(days=1, seconds=1))
    assert await without.sweep(clock.now()) == 0
    await keep(blobs, store, LARGE)

    # The file was brought back from a backup, and the bucket is lost.
    file = path_of(root, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(LARGE)
    assert await read(without, store, name) == LARGE
    objects = Objects(place)
    objects.delete(objects.names()[0])
    assert await read(blobs, store, name) == LARGE


async def is_never_held() -> bool:
    return False
