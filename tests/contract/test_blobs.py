"""Content by digest: durable when kept, read through one's own reference only, swept when nobody needs it (design 6)."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.identity import Digest
from gateway.pool import ThreadPool
from gateway.ports.store import Blobs
from gateway.store import sweeper
from gateway.store.blobs import FileBlobs
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, digest

DAY = timedelta(hours=24)


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    threads = ThreadPool(2)
    yield threads
    threads.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "content"


@pytest.fixture
def blobs(root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool) -> FileBlobs:
    return FileBlobs(root, store, clock, pool)


def path_of(root: Path, name: Digest) -> Path:
    return root / name[:2] / name[2:4] / name


async def keep(blobs: Blobs, content: bytes) -> Digest:
    name = Digest(hashlib.sha256(content).hexdigest())
    with blobs.scratch() as scratch:
        scratch.file.write(content)
        await blobs.keep(scratch, name, len(content))
    return name


async def refer(store: SqlStore, name: Digest, owner: str = "msg-1", scope: AgencyScope = NORTH) -> None:
    async with store.begin(scope) as work:
        await work.blobs.add(name, "document", owner)
        await work.commit()


async def drop(store: SqlStore, owner: str = "msg-1") -> None:
    async with store.begin(NORTH) as work:
        await work.blobs.drop("document", owner)
        await work.commit()


def age(path: Path, at: datetime) -> None:
    """Files carry the machine's time; tests own time, so they write it."""
    os.utime(path, (at.timestamp(), at.timestamp()))


async def read(blobs: Blobs, store: SqlStore, name: Digest, scope: AgencyScope = NORTH) -> bytes:
    async with store.read(scope) as view:
        reader = await blobs.open(view, name)
    with reader() as file:
        return file.read()


async def test_what_was_kept_is_read_again_and_leaves_no_scratch(
    blobs: FileBlobs, store: SqlStore, root: Path
) -> None:
    name = await keep(blobs, b"content")
    await refer(store, name)

    assert await read(blobs, store, name) == b"content"
    assert await read(blobs, store, name) == b"content"
    assert path_of(root, name).read_bytes() == b"content"
    assert list((root / "scratch").iterdir()) == []


async def test_a_scratch_file_that_is_not_kept_vanishes(blobs: FileBlobs, root: Path) -> None:
    with blobs.scratch() as scratch:
        scratch.file.write(b"x")
        path = scratch.path
        assert path.stat().st_mode & 0o077 == 0

    assert not path.exists()


@pytest.mark.parametrize("damaged", [b"c0ntent", b"cont", b"content and more"])
async def test_damaged_content_is_healed_when_the_true_bytes_come_again(
    blobs: FileBlobs, store: SqlStore, root: Path, damaged: bytes
) -> None:
    name = await keep(blobs, b"content")
    await refer(store, name)
    path_of(root, name).write_bytes(damaged)

    await keep(blobs, b"content")

    assert await read(blobs, store, name) == b"content"
    assert list((root / "scratch").iterdir()) == []


async def test_keeping_the_same_content_again_is_harmless(
    blobs: FileBlobs, store: SqlStore, root: Path
) -> None:
    name = await keep(blobs, b"content")
    await refer(store, name)

    await asyncio.gather(*(keep(blobs, b"content") for _ in range(5)))

    assert await read(blobs, store, name) == b"content"
    assert list((root / "scratch").iterdir()) == []


async def test_keeping_heals_a_file_of_another_size(blobs: FileBlobs, store: SqlStore, root: Path) -> None:
    name = await keep(blobs, b"content")
    await refer(store, name)
    path_of(root, name).write_bytes(b"con")

    await keep(blobs, b"content")

    assert await read(blobs, store, name) == b"content"


async def test_a_size_that_was_not_written_is_refused(blobs: FileBlobs, root: Path) -> None:
    with blobs.scratch() as scratch:
        scratch.file.write(b"content")

        with pytest.raises(errors.StoreFailure, match="7 bytes and 8"):
            await blobs.keep(scratch, digest("x"), 8)

    assert not path_of(root, digest("x")).exists()


async def test_reading_needs_a_reference_of_ones_own_agency(blobs: FileBlobs, store: SqlStore) -> None:
    name = await keep(blobs, b"content")
    await refer(store, name, scope=SOUTH)

    async with store.read(NORTH) as view:
        assert await view.blobs.holds(name) is False
        with pytest.raises(errors.NotFound):
            await blobs.open(view, name)
    assert await read(blobs, store, name, SOUTH) == b"content"


async def test_reading_says_when_the_bytes_are_gone(blobs: FileBlobs, store: SqlStore, root: Path) -> None:
    name = await keep(blobs, b"content")
    await refer(store, name)
    path_of(root, name).unlink()

    async with store.read(NORTH) as view:
        with pytest.raises(errors.NotFound, match="backup"):
            await blobs.open(view, name)


async def test_a_reference_to_what_was_never_kept_is_refused(store: SqlStore) -> None:
    async with store.begin(NORTH) as work:
        with pytest.raises(errors.StoreFailure):
            await work.blobs.add(digest("never"), "document", "msg-1")


async def test_dropping_an_owner_drops_its_references_only(blobs: FileBlobs, store: SqlStore) -> None:
    one, two = await keep(blobs, b"one"), await keep(blobs, b"two")
    for name in (one, one, two):
        await refer(store, name)
    await refer(store, two, owner="msg-2")

    await drop(store)

    async with store.read(NORTH) as view:
        assert [await view.blobs.holds(name) for name in (one, two)] == [False, True]


async def test_a_blob_is_swept_a_day_after_its_last_keep_when_nobody_refers_to_it(
    blobs: FileBlobs, store: SqlStore, clock: ManualClock, root: Path
) -> None:
    wanted, dropped, again = [await keep(blobs, content) for content in (b"w", b"d", b"a")]
    await refer(store, wanted)
    await refer(store, dropped, owner="msg-2")
    await drop(store, "msg-2")
    clock.advance(DAY)
    early = await blobs.sweep(clock.now())
    await keep(blobs, b"a")
    clock.advance(1)

    swept = await blobs.sweep(clock.now())

    assert (early, swept) == (0, 1)
    assert [path_of(root, name).exists() for name in (wanted, dropped, again)] == [True, False, True]
    assert await blobs.sweep(clock.now()) == 0
    with pytest.raises(errors.StoreFailure):
        await refer(store, dropped)


async def test_nothing_is_swept_for_an_hour_after_somebody_asked_for_that(
    blobs: FileBlobs, clock: ManualClock, root: Path
) -> None:
    """A copy of the content is being made: what its rows refer to must still be there when its turn comes."""
    name = await keep(blobs, b"released after the copy of the rows")
    clock.advance(DAY + timedelta(seconds=1))
    sweeper.hold(root)
    age(root / sweeper.HOLD, clock.now())

    held = await blobs.sweep(clock.now())
    clock.advance(sweeper.HELD_FOR)

    assert (held, path_of(root, name).exists()) == (0, True)
    assert await blobs.sweep(clock.now()) == 1


async def test_a_sweep_under_way_stops_at_its_next_batch_when_somebody_asks_for_that(
    blobs: FileBlobs, store: SqlStore, clock: ManualClock, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "_BATCH", 2)
    rows = [await keep(blobs, bytes([n])) for n in range(6)]
    orphan = path_of(root, digest("orphan"))
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"x")
    clock.advance(DAY + timedelta(seconds=1))
    age(orphan, clock.now() - DAY - timedelta(seconds=1))
    remove = sweeper.remove

    async def and_a_copy_begins(root: Path, store: SqlStore, digest: str, before: datetime) -> bool:
        sweeper.hold(root)
        age(root / sweeper.HOLD, clock.now())
        return await remove(root, store, digest, before)

    monkeypatch.setattr(sweeper, "remove", and_a_copy_begins)

    assert await blobs.sweep(clock.now()) == 2
    assert [path_of(root, name).exists() for name in sorted(rows)] == [False] * 2 + [True] * 4
    assert orphan.exists()


async def test_every_blob_is_looked_at_however_many_are_still_wanted(
    blobs: FileBlobs, store: SqlStore, clock: ManualClock, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "_BATCH", 2)
    names = sorted([await keep(blobs, bytes([n])) for n in range(7)])
    wanted = [names[n] for n in (0, 1, 2, 5)]
    for name in wanted:
        await refer(store, name)
    clock.advance(DAY + timedelta(seconds=1))

    assert await blobs.sweep(clock.now()) == 3
    assert [name for name in names if path_of(root, name).exists()] == wanted


async def test_the_sweeper_spares_what_is_referred_to_while_it_looks(
    blobs: FileBlobs, store: SqlStore, clock: ManualClock
) -> None:
    names = [await keep(blobs, bytes([n])) for n in range(8)]
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
    blobs: FileBlobs, clock: ManualClock, root: Path
) -> None:
    contents = [bytes([n]) for n in range(8)]
    names = [await keep(blobs, content) for content in contents]
    clock.advance(DAY + timedelta(seconds=1))

    await asyncio.gather(blobs.sweep(clock.now()), *(keep(blobs, content) for content in contents))

    assert [path_of(root, name).exists() for name in names] == [True] * 8


async def test_content_that_was_swept_can_be_kept_anew(
    blobs: FileBlobs, store: SqlStore, clock: ManualClock
) -> None:
    name = await keep(blobs, b"content")
    clock.advance(DAY + timedelta(seconds=1))
    await blobs.sweep(clock.now())

    await keep(blobs, b"content")
    await refer(store, name)

    assert await read(blobs, store, name) == b"content"


async def test_g7_a_file_whose_keep_never_committed_is_swept(
    blobs: FileBlobs, clock: ManualClock, root: Path
) -> None:
    orphan, fresh = path_of(root, digest("orphan")), path_of(root, digest("fresh"))
    for path in (orphan, fresh):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    age(orphan, clock.now() - DAY - timedelta(seconds=1))
    age(fresh, clock.now())

    swept = await blobs.sweep(clock.now())

    assert (swept, orphan.exists(), fresh.exists()) == (1, False, True)


async def test_g7_a_keep_over_an_orphan_is_whole(blobs: FileBlobs, store: SqlStore, root: Path) -> None:
    name = Digest(hashlib.sha256(b"content").hexdigest())
    path_of(root, name).parent.mkdir(parents=True)
    path_of(root, name).write_bytes(b"content")

    await keep(blobs, b"content")
    await refer(store, name)

    assert await read(blobs, store, name) == b"content"


async def test_g7_scratch_files_of_a_dead_process_are_swept(
    blobs: FileBlobs, clock: ManualClock, root: Path
) -> None:
    old, fresh = root / "scratch" / "old", root / "scratch" / "fresh"
    old.parent.mkdir(parents=True)
    for path, at in ((old, clock.now() - DAY - timedelta(seconds=1)), (fresh, clock.now())):
        path.write_bytes(b"x")
        age(path, at)

    assert await blobs.sweep(clock.now()) == 1
    assert (old.exists(), fresh.exists()) == (False, True)


async def test_a_row_whose_file_is_missing_is_reported(
    blobs: FileBlobs, store: SqlStore, clock: ManualClock, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = await keep(blobs, b"content")
    await refer(store, name)
    path_of(root, name).unlink()

    with caplog.at_level(logging.ERROR):
        await blobs.sweep(clock.now())

    assert [getattr(record, "digest", None) for record in caplog.records] == [name]
