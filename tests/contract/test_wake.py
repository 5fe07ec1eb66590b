"""Rings between processes on either database are heard elsewhere, once; on one SQLite file also while a process hangs or
died."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.domain.event import EventKind
from gateway.store import outbox
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.ear import Ear, listening
from tests.support.stores import committing, opened, outbox_item, stored, with_agencies
from tests.support.waiting import within_limit


@pytest.fixture
def wakers(url: str) -> Path:
    """Return the folder in which listeners have their pipes."""
    if not url.startswith("sqlite"):
        pytest.skip("a server tells of rings itself")
    return Path(f"{url.removeprefix('sqlite:///')}-bells")


@pytest.fixture
async def first(url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
    async with with_agencies(url, clock) as store:
        yield store


@pytest.fixture
async def two(url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
    async with opened(url, clock) as store:
        yield store


async def test_a_ring_is_heard_in_another_process_and_only_once_at_home_and_of_a_moment_none_is_missing(
    first: SqlStore, two: SqlStore
) -> None:
    local_ear, remote_ear = await listening(first), await listening(two)

    first.wake.ring("packer")
    two.wake.ring("back")

    await remote_ear.wait_for("packer")
    await local_ear.wait_for("back")
    assert local_ear.names.count("packer") == 1
    assert remote_ear.names.count("packer") == 1

    names = [f"bell{n}" for n in range(200)]

    for name in names:
        first.wake.ring(name)

    await remote_ear.wait_for(*names)


async def test_only_who_rang_itself_has_made_the_work_and_only_once(first: SqlStore, two: SqlStore) -> None:
    remote_ear = await listening(two)

    first.wake.ring("packer", "dispatcher")
    await remote_ear.wait_for("packer", "dispatcher")

    assert [store.wake.has_made("dispatcher") for store in (first, first, two)] == [True, False, False]
    assert first.wake.has_made("packer")


async def test_what_was_just_made_here_is_claimed_without_looking_first_and_anything_else_is_not(
    first: SqlStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored(first, outbox_item(clock), outbox_item(clock))
    first.wake.ring("dispatcher")
    with monkeypatch.context() as nobody_looks:
        nobody_looks.setattr(outbox, "any_due", None)
        assert len(await first.claim_outbox(1, 60.0)) == 1

    assert len(await first.claim_outbox(5, 60.0)) == 1
    first.wake.ring("dispatcher")
    assert await first.claim_outbox(5, 60.0) == []


async def test_a_reader_of_events_is_woken_by_the_sequencer_of_another_process(
    first: SqlStore, two: SqlStore, clock: ManualClock
) -> None:
    await listening(two)
    waiting = asyncio.create_task(two.wait_events(3600))
    await asyncio.sleep(0)
    async with committing(first) as work:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "msg-1", clock.now())

    await first.number_events()

    await within_limit(waiting, "the reader is woken")


async def test_the_ring_of_a_command_that_ends_at_once_arrives(two: SqlStore, url: str) -> None:
    remote_ear = await listening(two)

    async with opened(url, ManualClock()) as short:
        short.wake.ring("packer")
        short.wake.ring("dispatcher")

    await remote_ear.wait_for("packer", "dispatcher")


async def test_the_pipe_of_who_was_killed_goes_at_the_next_ring(
    first: SqlStore, two: SqlStore, wakers: Path
) -> None:
    remote_ear = Ear(two)
    os.mkfifo(wakers / "1-dead")

    first.wake.ring("packer")

    await remote_ear.wait_for("packer")
    assert not (wakers / "1-dead").exists()
    assert len([*wakers.iterdir()]) == 1


async def test_who_hears_and_never_reads_holds_nobody_up(
    first: SqlStore, two: SqlStore, wakers: Path
) -> None:
    remote_ear = Ear(two)
    os.mkfifo(wakers / "1-hangs")
    hangs = os.open(wakers / "1-hangs", os.O_RDWR | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while os.write(hangs, b"x\n" * 4096):
            pass

    first.wake.ring("packer")

    await remote_ear.wait_for("packer")
    assert (wakers / "1-hangs").exists()
    os.close(hangs)


async def test_who_closes_leaves_no_pipe_and_the_others_go_on(
    first: SqlStore, url: str, wakers: Path
) -> None:
    local_ear = Ear(first)
    async with opened(url, ManualClock()) as other:
        Ear(other)
        assert len([*wakers.iterdir()]) == 2
    assert len([*wakers.iterdir()]) == 1

    first.wake.ring("packer")
    await local_ear.wait_for("packer")


async def test_without_a_place_for_pipes_it_rings_at_home_and_says_so(
    first: SqlStore, wakers: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wakers.write_text("a file of another hand")

    local_ear = Ear(first)
    first.wake.ring("packer")

    assert local_ear.names == ["packer"]
    assert [getattr(record, "action", "") for record in caplog.records] == ["wake.lost"]
