"""Packets fetched from a foreign axis lie on a shelf of the node. A cancelled fetch leaves no file and no lock
behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.pool import ThreadPool
from gateway_foreign.rest.fetched_queue import FetchedQueue, PartialDownload
from gateway_foreign.rest.line import NotSent


def test_a_file_exists_from_its_first_byte_until_it_is_discarded_and_is_never_recreated(
    tmp_path: Path,
) -> None:
    draft = PartialDownload(tmp_path / "drafts")
    assert list(tmp_path.iterdir()) == []
    draft.begin().write(b"half")
    draft.begin().write(b"whole")
    draft.flushed()
    assert (draft.path.read_bytes(), draft.size) == (b"whole", 5)
    draft.discard()
    with pytest.raises(NotSent):
        draft.begin()
    assert not draft.path.exists()


async def test_whoever_is_cancelled_while_he_waits_for_the_lock_does_not_have_it(tmp_path: Path) -> None:
    pool = ThreadPool(1)
    shelf = FetchedQueue(tmp_path, "node", SystemClock(), pool, poison_limit=5, lease_s=60.0)
    try:
        may_go_on, loop = asyncio.Event(), asyncio.get_running_loop()
        busy = asyncio.create_task(
            pool.run(lambda: asyncio.run_coroutine_threadsafe(may_go_on.wait(), loop).result())
        )
        waiting = asyncio.create_task(_alone(shelf))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        may_go_on.set()
        await busy

        assert await _alone(shelf)
    finally:
        await shelf.close()
        pool.close()


async def _alone(shelf: FetchedQueue) -> bool:
    async with shelf.alone() as alone:
        return alone
