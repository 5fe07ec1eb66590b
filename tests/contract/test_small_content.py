"""Small content is a row of its owner: no file, nothing without its unit, no trace on SQLite of content that was
removed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import resource
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import func, select
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.pace import SMALL
from gateway.ports.services import Readable
from gateway.store.blob_refs import KeptContent
from gateway.store.blobs import FEW, FileBlobs, path_of
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRefRow, BlobRow
from gateway.store.work import SqlWork
from tests.contract.test_blobs import digest_for, drop, take
from tests.support.clock import ManualClock
from tests.support.stored_content import Lying
from tests.support.stores import NORTH, SOUTH, committing


@pytest.fixture
def only_sqlite(store_url: str) -> None:
    if not store_url.startswith("sqlite"):
        pytest.skip("a server keeps its files and its journal as its own settings say")


async def keep(blobs: FileBlobs, store: SqlStore, contents: Sequence[bytes], owner: str = "msg-1") -> None:
    digests = sorted([await take(blobs, content) for content in contents], key=lambda digest: digest.digest)
    async with committing(store) as work:
        for digest in digests:
            await work.blobs.keep(digest, "document", owner)


def files(folder: Path) -> list[Path]:
    return [content for content in sorted(folder.rglob("*")) if content.is_file()]


@pytest.mark.parametrize(("size", "is_row"), [(0, True), (1, True), (SMALL, True), (SMALL + 1, False)])
async def test_content_up_to_64_kib_is_a_row_and_costs_no_file_and_no_fsync(
    blobs: FileBlobs,
    store: SqlStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    is_row: bool,
) -> None:
    content, synced, fsync = os.urandom(size), list[int](), os.fsync

    def counted(handle: int) -> None:
        synced.append(handle)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", counted)

    await keep(blobs, store, [content])

    assert [c.name for c in files(tmp_path / "content")] == ([] if is_row else [digest_for(content)])
    assert bool(synced) is not is_row
    async with store.read(NORTH) as view:
        blob_content = await view.blobs.find(digest_for(content))
        opener = await blobs.open(view, digest_for(content))
    assert blob_content is not None
    assert blob_content.body == (content if is_row else None)
    with opener() as file:
        assert file.read() == content


async def test_several_contents_are_opened_at_once_rows_and_files(blobs: FileBlobs, store: SqlStore) -> None:
    contents = [b"", b"one", os.urandom(SMALL + 1)]
    await keep(blobs, store, contents)

    async with store.read(NORTH) as view:
        blob_content = await blobs.open_all(view, {digest_for(c) for c in contents})
        assert await blobs.open_all(view, []) == {}
        with pytest.raises(errors.NotFound, match=digest_for(b"never kept")):
            await blobs.open_all(view, [digest_for(contents[0]), digest_for(b"never kept")])
    for content in contents:
        with blob_content[digest_for(content)]() as file:
            assert file.read() == content
    async with store.read(SOUTH) as view:
        with pytest.raises(errors.NotFound):
            await blobs.open_all(view, [digest_for(b"one")])


async def rows(store: SqlStore) -> tuple[int, int]:
    """Count the contents, and the owners that are not in a content's own row alone. A server has all of them."""
    async with store.reading() as tx:
        counted = [
            await tx.tuples(select(func.count()).select_from(content)) for content in (BlobRow, BlobRefRow)
        ]
        first = await tx.tuples(select(func.count()).where(col(BlobRow.agency_id).is_not(None)))
    on_server = store.writer.dialect.name == "postgresql"
    return counted[0][0][0], counted[1][0][0] - (first[0][0] if on_server else 0)


async def reads(store: SqlStore, blobs: FileBlobs, scope: AgencyScope, content: bytes) -> bool:
    async with store.read(scope) as view:
        blob_content = await view.blobs.find(digest_for(content))
    return blob_content is not None and blob_content.body == content


async def test_a_content_is_one_row_with_its_first_owner_and_each_further_owner_is_one_more(
    blobs: FileBlobs, store: SqlStore, clock: ManualClock
) -> None:
    """A document there and back leaves on one node: its envelope, of two owners, and its 01, of two owners."""
    stored_at, counted = set[object](), list[tuple[int, int]]()
    for n, content in enumerate((b"envelope", b"status")):
        for scope, owner in ((NORTH, f"out-{n}"), (SOUTH, f"in-{n}"), (SOUTH, f"in-{n}")):
            digest = await take(blobs, content)
            async with committing(store, scope) as work:
                await work.blobs.keep(digest, "document", owner)
            counted.append(await rows(store))
            clock.advance(60)
            assert await reads(store, blobs, scope, content)
        async with store.reading() as tx:
            stored_at |= {at for (at,) in await tx.tuples(select(col(BlobRow.stored_at)))}

    assert counted == [(1, 0), (1, 1), (1, 1), (2, 1), (2, 2), (2, 2)]
    assert len(stored_at) == 2, "a row that was there was written again"


async def test_the_first_owner_lets_go_and_the_next_one_takes_its_place(
    blobs: FileBlobs, store: SqlStore, clock: ManualClock
) -> None:
    await keep(blobs, store, [b"content"], owner="msg-1")
    await keep(blobs, store, [b"content"], owner="msg-2")
    await drop(store, "msg-1")
    await blobs.forget([digest_for(b"content")])
    assert await reads(store, blobs, NORTH, b"content")
    async with store.read(NORTH) as view:
        assert await view.blobs.of_owner("document", "msg-1") == {}
        assert await view.blobs.of_owner("document", "msg-2") == {digest_for(b"content"): 7}

    await keep(blobs, store, [b"content"], owner="msg-3")
    await drop(store, "msg-2")
    assert await rows(store) == (1, 0)
    clock.advance(timedelta(hours=25))
    assert await blobs.sweep(clock.now()) == 0
    async with committing(store) as work:
        assert await work.blobs.of_owner("document", "msg-3") == {digest_for(b"content"): 7}
        await work.blobs.drop("document", "msg-3")

    assert await blobs.sweep(clock.now()) == 1
    assert await rows(store) == (0, 0)


async def test_damaged_bytes_are_healed_for_who_may_read_them(
    blobs: FileBlobs, store: SqlStore, tmp_path: Path
) -> None:
    await keep(blobs, store, [b"content"])
    await Lying(store, tmp_path / "content").write(digest_for(b"content"), b"c0ntent")
    blob_content = []
    for scope in (SOUTH, NORTH):
        async with committing(store, scope) as work:
            await work.blobs.heal(blobs.keep_small(digest_for(b"content"), b"content"))
        blob_content.append(await reads(store, blobs, NORTH, b"content"))

    assert blob_content == [False, True]


async def test_units_that_share_a_transaction_and_bring_the_same_content_all_own_it(
    blobs: FileBlobs, store: SqlStore
) -> None:
    """The same circular lands for several agencies of the node at once."""
    owners = [(scope, f"msg-{n}") for n in range(3) for scope in (NORTH, SOUTH)]
    digest = [blobs.keep_small(digest_for(content), content) for content in (b"circular", b"another")]

    async def land(scope: AgencyScope, owner: str, ordered: Sequence[KeptContent]) -> None:
        async def body(work: SqlWork) -> None:
            for content in ordered:
                await work.blobs.keep(content, "inbox", owner)

        await store.share(scope, body)

    await asyncio.gather(*(land(*owner, digest if n % 2 else digest[::-1]) for n, owner in enumerate(owners)))

    assert await rows(store) == (2, 2 * len(owners) - 2)
    for scope, owner in owners:
        async with store.read(scope) as view:
            assert (await view.blobs.of_owner("inbox", owner)).keys() == {
                content.digest for content in digest
            }


async def test_of_what_was_taken_by_a_unit_that_does_not_commit_nothing_is_left(
    blobs: FileBlobs, store: SqlStore, tmp_path: Path
) -> None:
    digest = await take(blobs, b"content")
    async with store.begin(NORTH) as work:
        await work.blobs.keep(digest, "document", "msg-1")

    assert not await Lying(store, tmp_path / "content").is_there(digest.digest)
    async with store.reading() as tx:
        assert await tx.first(BlobRow, select(BlobRow)) is None
    assert files(tmp_path / "content") == []


async def test_small_content_in_an_older_file_is_read_kept_a_second_time_and_forgotten_completely(
    blobs: FileBlobs,
    store: SqlStore,
    clock: ManualClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root, content = tmp_path / "content", b"content of before the upgrade"
    with monkeypatch.context() as patch:
        patch.setattr("gateway.store.blobs.SMALL", -1)
        await keep(blobs, store, [content])
    assert path_of(root, digest_for(content)).is_file()

    async def read() -> bytes:
        async with store.read(NORTH) as view:
            opener = await blobs.open(view, digest_for(content))
        with opener() as file:
            return file.read()

    was = await read()
    await keep(blobs, store, [content], owner="msg-2")
    second_reading = await read()
    for owner in ("msg-1", "msg-2"):
        await drop(store, owner)
    await blobs.forget([digest_for(content)])

    assert was == second_reading == content
    assert not await Lying(store, root).is_there(digest_for(content))
    assert files(root) == []


@pytest.mark.usefixtures("only_sqlite")
async def test_what_was_forgotten_can_be_read_in_no_file_of_the_node_whatever_came_and_went_beside_it(
    blobs: FileBlobs, store: SqlStore, tmp_path: Path
) -> None:
    """Rows of all sizes move from page to page while others come and go; nothing that moved leaves a copy behind."""
    chance, stored_contents, removed_contents = random.Random(8), dict[str, bytes](), dict[str, bytes]()
    for n in range(400):
        mark = b"<%s>" % hashlib.md5(b"%d" % n, usedforsecurity=False).hexdigest().encode()
        size = chance.choice((30, 100, 500, 1_500, 4_000, 5_000, 10_000, SMALL))
        content = (mark * (size // len(mark) + 1))[:SMALL]
        await keep(blobs, store, [content], owner=f"msg-{n}")
        stored_contents[f"msg-{n}"] = content
        if chance.random() < 0.6:
            owner = chance.choice(list(stored_contents))
            removed_contents[owner] = stored_contents.pop(owner)
            await drop(store, owner)
            if n % 3:
                await blobs.forget([digest_for(removed_contents[owner])])
    await blobs.forget([digest_for(content) for content in removed_contents.values()])

    everything = b"".join(path.read_bytes() for path in files(tmp_path))
    assert (store.journal is not None, len(removed_contents) > 100) == (True, True)
    assert [owner for owner, content in removed_contents.items() if content[:34] in everything] == []
    assert [owner for owner, content in stored_contents.items() if content[:34] not in everything] == []


@pytest.mark.usefixtures("only_sqlite")
async def test_a_reader_keeps_the_journal_from_being_cut_and_holds_no_writer_up(
    blobs: FileBlobs, store: SqlStore, store_url: str, tmp_path: Path
) -> None:
    """A backup of some hours is such a reader."""
    journal = Path(f"{store_url.removeprefix('sqlite:///')}-wal")
    await keep(blobs, store, [b"words of a secret" * 100])
    with closing(sqlite3.connect(store_url.removeprefix("sqlite:///"), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM blob").fetchone() == (1,)
        await drop(store, "msg-1")

        # A caller that waited for the reader would hear after SQLite's own patience that the file is locked.
        await asyncio.gather(
            blobs.forget([digest_for(b"words of a secret" * 100)]),
            *(keep(blobs, store, [b"%d" % n], owner=f"msg-{n}") for n in range(20)),
        )
        assert await blobs.leave_no_trace() is False
        assert b"words of a secret" in journal.read_bytes()
        reader.execute("COMMIT")

    await blobs.forget([])  # the next call removes what was left

    assert [path.name for path in files(tmp_path) if b"words of a secret" in path.read_bytes()] == []


def _fill(blobs: FileBlobs) -> None:
    with blobs.scratch() as scratch:
        while True:
            scratch.file.write(b"x" * 3_000)


def test_what_a_full_disk_did_not_take_leaves_no_file(blobs: FileBlobs, tmp_path: Path) -> None:
    """Bytes that remain to be written when the file is closed cannot be, and the file is removed all the same."""
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(errors.StoreFailure):
            _fill(blobs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
        signal.signal(signal.SIGXFSZ, handler)

    assert files(tmp_path / "content") == []


@pytest.mark.usefixtures("only_sqlite")
async def test_forgetting_what_is_no_row_leaves_the_journal_alone(
    blobs: FileBlobs, store: SqlStore, store_url: str
) -> None:
    """A repeat is forgotten each time it comes: mostly nothing of it was ever written."""
    journal, large = Path(f"{store_url.removeprefix('sqlite:///')}-wal"), os.urandom(SMALL + 1)
    await blobs.forget([])  # what a process before may have left
    await keep(blobs, store, [large], owner="msg-gone")
    await drop(store, "msg-gone")
    await keep(blobs, store, [b"wanted"])
    size = journal.stat().st_size

    await blobs.forget([digest_for(large), digest_for(b"wanted"), digest_for(b"never kept")])

    assert size > 0
    assert journal.stat().st_size >= size


def read(content: Readable) -> bytes:
    with content.open("rb") as opened:
        return opened.read()


async def test_a_scratch_for_few_bytes_makes_no_file_and_is_read_as_often_as_one_likes(
    blobs: FileBlobs, tmp_path: Path
) -> None:
    with blobs.scratch(few=True) as scratch:
        scratch.file.write(b"mot")
        first = scratch.content
        scratch.file.write(b" hai")

        assert [read(content) for content in (first, first, scratch.content)] == [b"mot", b"mot", b"mot hai"]
        assert (await blobs.keep(scratch, digest_for(b"mot hai"), 7)).body == b"mot hai"
        assert files(tmp_path / "content") == []


@pytest.mark.parametrize("size", [SMALL, SMALL + 1, FEW, FEW + 1])
async def test_content_that_grows_or_has_to_be_named_lies_in_a_complete_file(
    blobs: FileBlobs, tmp_path: Path, size: int
) -> None:
    content = random.Random(size).randbytes(size)
    with blobs.scratch(few=True) as scratch:
        for at in range(0, size, 1000):
            scratch.file.write(content[at : at + 1000])
        scratch.file.flush()

        assert read(scratch.content) == content
        assert scratch.path.read_bytes() == content
        assert scratch.content == scratch.path
        scratch.file.write(b"!")
        scratch.file.flush()
        assert scratch.path.read_bytes() == content + b"!"
    assert files(tmp_path / "content") == []


async def test_what_grew_beyond_a_row_is_kept_as_a_file(blobs: FileBlobs, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(SMALL + 1)
    with blobs.scratch(few=True) as scratch:
        scratch.file.write(content)
        digest = await blobs.keep(scratch, digest_for(content), len(content))

    assert digest.body is None
    assert path_of(tmp_path / "content", digest.digest).read_bytes() == content


async def test_a_server_does_not_try_to_compress_it(migrated_postgres_url: str) -> None:
    server = await asyncpg.connect(migrated_postgres_url)

    query = "SELECT attstorage FROM pg_attribute WHERE attrelid = 'blob'::regclass AND attname = 'body'"
    stored = await server.fetchval(query)
    await server.close()

    assert stored == b"e"
