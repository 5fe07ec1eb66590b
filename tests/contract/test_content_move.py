"""Content moves between the folder and a bucket while it is read, kept and deleted; a move that is killed at any call goes
on, and nothing is lost, doubled or served wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway import errors
from gateway.domain.identity import Digest
from gateway.pool import ThreadPool
from gateway.store import blobs as stored
from gateway.store import content_move, reporting
from gateway.store.blobs import FileBlobs, path_of
from gateway.store.bucket import Bucket, BucketPlace
from gateway.store.bucket_content import BucketContent
from gateway.store.content_move import ContentMove, count_content
from gateway.store.store import SqlStore
from tests.contract.test_blobs import drop, keep, open_blobs, read
from tests.support.buckets import Objects, new_place
from tests.support.clock import ManualClock

LARGE = bytes(range(256)) * 300
Opener = Callable[..., Any]


class _Killed(Exception):
    """The process ends here."""


@pytest.fixture
def place() -> BucketPlace:
    return new_place()


@pytest.fixture(autouse=True)
def few_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_move, "_AT_ONCE", 2)


async def make_move(
    root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool, place: BucketPlace, *, to_bucket: bool
) -> ContentMove:
    """Return a move as a process of its own makes it."""
    bucket = BucketContent(Bucket(place), store, clock, root / "scratch", takes_new=to_bucket)
    await bucket.settle()
    blobs = FileBlobs(root, store, clock, pool, None, bucket)
    return ContentMove(root, store, blobs, bucket, lambda count: None)


def files_in(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("[0-9a-f][0-9a-f]/*/*"))


async def test_content_goes_to_the_bucket_and_back_while_it_is_read_and_kept(
    root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool, place: BucketPlace
) -> None:
    contents = {
        await keep(await open_blobs(root, store, clock, pool, None), store, LARGE + bytes([n]), f"m-{n}"): n
        for n in range(7)
    }
    for to_bucket in (True, False, True):
        node = await open_blobs(root, store, clock, pool, place, takes_new=to_bucket)
        move = await make_move(root, store, clock, pool, place, to_bucket=to_bucket)
        assert await reporting.is_content_elsewhere(store, wants_bucket=to_bucket)

        async def work(node: FileBlobs, first: int) -> None:
            for n in range(first, first + 3):
                contents[await keep(node, store, LARGE + bytes([n]), f"m-{n}")] = n
            for name, n in list(contents.items()):
                assert await read(node, store, name) == LARGE + bytes([n])

        await asyncio.gather(move.run(), work(node, 7 if to_bucket else 10), work(node, 20))
        second = await make_move(root, store, clock, pool, place, to_bucket=to_bucket)
        await second.run()

        assert (move.failed, second.failed) == ({}, {})
        assert not await reporting.is_content_elsewhere(store, wants_bucket=to_bucket)
        lying = await count_content(store)
        assert (lying.objects, lying.files) == ((len(contents), 0) if to_bucket else (0, len(contents)))
        for name, n in contents.items():
            assert await read(node, store, name) == LARGE + bytes([n])
        # What raced with the move may have left an object that no row names; the sweep takes it.
        await sweep(store, clock, root, place)
        objects = sorted(name[3:67] for name in Objects(place).names())
        assert (objects, files_in(root)) == ((sorted(contents), []) if to_bucket else ([], sorted(contents)))


CALLS = ("store", "fetch", "remove", "row", "file")


@pytest.mark.parametrize("to_bucket", [True, False])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
async def test_a_move_that_is_killed_at_any_call_goes_on(
    root: Path,
    store: SqlStore,
    clock: ManualClock,
    pool: ThreadPool,
    place: BucketPlace,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    when: str,
    to_bucket: bool,
) -> None:
    first = await open_blobs(root, store, clock, pool, None if to_bucket else place)
    contents = {await keep(first, store, LARGE + bytes([n]), f"m-{n}"): LARGE + bytes([n]) for n in range(3)}
    node = await open_blobs(root, store, clock, pool, place, takes_new=to_bucket)
    move = await make_move(root, store, clock, pool, place, to_bucket=to_bucket)
    with monkeypatch.context() as patched:
        kill_at(patched, move, call, when)
        with pytest.raises(_Killed):
            await run_and_end(move)

    for name, content in contents.items():
        assert await read(node, store, name) == content

    second = await make_move(root, store, clock, pool, place, to_bucket=to_bucket)
    await second.run()
    await sweep(store, clock, root, place)

    assert second.failed == {}
    for name, content in contents.items():
        assert await read(node, store, name) == content
    objects = sorted(name[3:67] for name in Objects(place).names())
    assert (objects, files_in(root)) == ((sorted(contents), []) if to_bucket else ([], sorted(contents)))


async def run_and_end(move: ContentMove) -> None:
    """Run the move, and let the process end where no call ended it before."""
    await move.run()
    raise _Killed


def kill_at(patched: pytest.MonkeyPatch, move: ContentMove, call: str, when: str) -> None:
    """Let the process end at the second call of that kind."""
    calls = 0

    def wrap(function: Opener) -> Opener:
        def killing(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 2 and when == "before":
                raise _Killed
            outcome = function(*arguments, **options)
            if calls == 2:
                raise _Killed
            return outcome

        return killing

    bucket = move._bucket.bucket
    if call in ("store", "fetch", "remove"):
        patched.setattr(bucket, call, wrap(getattr(bucket, call)))
    elif call == "row":
        for tx_owner in (stored, content_move):
            patched.setattr(tx_owner, "run_in_thread", killing_async(wrap, tx_owner.run_in_thread))
    else:
        patched.setattr(stored, "_place", wrap(stored._place))
        patched.setattr(content_move, "remove_moved", killing_async(wrap, stored.remove_moved))


def killing_async(wrap: Callable[[Opener], Opener], function: Opener) -> Opener:
    gate = wrap(lambda: None)

    async def killing(*arguments: Any) -> Any:
        gate()
        return await function(*arguments)

    return killing


async def sweep(store: SqlStore, clock: ManualClock, root: Path, place: BucketPlace) -> None:
    """Sweep as a day later: the folder's files that no row names, and all of the bucket."""
    bucket = BucketContent(Bucket(place), store, clock, root / "scratch", takes_new=True)
    await bucket.settle()

    async def is_held() -> bool:
        return False

    for _ in range(16):
        await bucket.sweep(timedelta(seconds=-60), is_held)
    for name in files_in(root):
        await stored.remove_moved(root, store, name)


async def test_altered_and_missing_content_stays_and_is_named(
    root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool, place: BucketPlace
) -> None:
    folder = await open_blobs(root, store, clock, pool, None)
    names = [await keep(folder, store, LARGE + bytes([n]), f"m-{n}") for n in range(3)]
    path_of(root, names[0]).write_bytes(LARGE + b"x")
    path_of(root, names[1]).unlink()

    move = await make_move(root, store, clock, pool, place, to_bucket=True)
    await move.run()

    assert sorted(move.failed) == sorted(names[:2])
    assert move.moved == 1
    assert files_in(root) == [names[0]]
    assert await reporting.is_content_elsewhere(store, wants_bucket=True)


async def test_content_that_is_deleted_or_kept_anew_while_it_moves_stays_as_that_left_it(
    root: Path,
    store: SqlStore,
    clock: ManualClock,
    pool: ThreadPool,
    place: BucketPlace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = await open_blobs(root, store, clock, pool, None)
    dropped, renewed = [await keep(folder, store, LARGE + bytes([n]), f"m-{n}") for n in range(2)]
    node = await open_blobs(root, store, clock, pool, place)
    move = await make_move(root, store, clock, pool, place, to_bucket=True)
    prove = move._prove

    async def meanwhile(loop_work: Callable[[], Any]) -> Any:
        outcome = await asyncio.to_thread(loop_work)
        if isinstance(loop_work, partial) and loop_work.func == prove:
            if loop_work.args[1] == dropped:
                await drop(store, "m-0")
                clock.advance(timedelta(days=1, seconds=1))
                await node.sweep(clock.now())
            else:
                await keep(node, store, LARGE + bytes([1]), "m-1")
        return outcome

    monkeypatch.setattr(content_move, "run_in_thread", meanwhile)
    await move.run()

    assert move.moved == 0
    assert [name[3:67] for name in Objects(place).names()] == [renewed]
    assert await read(node, store, renewed) == LARGE + bytes([1])
    with pytest.raises(errors.NotFound):
        await read(node, store, Digest(dropped))
