"""Some work must go on while everything else of a node is busy: the thread pool, the writer, the disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.pool import ThreadPool
from gateway.store.blobs import FileBlobs
from gateway.store.store import SqlStore
from tests.contract.test_blobs import keep
from tests.support.stores import NORTH
from tests.support.waiting import within_limit


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    threads = ThreadPool(1)
    yield threads
    threads.close()


@pytest.mark.usefixtures("lies_in")
async def test_content_can_be_opened_while_every_thread_of_the_pool_is_busy(
    blobs: FileBlobs, store: SqlStore, pool: ThreadPool
) -> None:
    """Threads that verify wait for a connection: a connection must never wait for a thread, or both wait for ever."""
    name = await keep(blobs, store, b"content")
    go_on = threading.Event()
    worker = asyncio.create_task(pool.run(go_on.wait))

    async with store.read(NORTH) as work:
        opener = await within_limit(blobs.open(work, name), "the content is opened")
    with opener() as file:
        content = file.read()

    go_on.set()
    await worker
    assert content == b"content"


async def test_a_scratch_that_nobody_fills_never_touches_the_disk_and_one_may_be_discarded_before_its_end(
    blobs: FileBlobs, tmp_path: Path
) -> None:
    with blobs.scratch() as scratch:
        path = scratch.path

    assert not path.parent.exists()

    with blobs.scratch() as scratch:
        scratch.file.write(b"content")
        scratch.discard()
        is_removed = not scratch.path.exists()
        scratch.discard()

    assert is_removed
