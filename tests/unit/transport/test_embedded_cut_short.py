"""A call that is cut short on the embedded axis, as at a stop, takes nothing away from others and leaves no file behind;
removed content leaves the log of its file wherever the axis is taken from; nodes and versions that share the file."""

from __future__ import annotations

import asyncio
import io
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import commits
from gateway.pool import ThreadPool
from gateway.ports.axis import Fate, Parcel
from gateway.transport import embedded, queue_file
from gateway.transport.embedded import EmbeddedAxis
from gateway.transport.parcel import SMALL, PayloadFolder
from tests.support.clock import ManualClock
from tests.support.parcels import bytes_of, parcel, settled
from tests.support.waiting import LIMIT_S, within_limit

LARGE = b"x" * (SMALL + 1)


class Blockade:
    """A step that stops in its thread until it may go on. Any: whatever the step is called with."""

    def __init__(self) -> None:
        self.began, self._go_on = threading.Event(), threading.Event()

    def stop(self) -> None:
        self.began.set()
        assert self._go_on.wait(LIMIT_S)

    def block_before(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def blocked_step(*words: Any) -> Any:
            self.stop()
            return step(*words)

        return blocked_step

    def block_after(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def blocked_step(*words: Any) -> Any:
            step_value = step(*words)
            self.stop()
            return step_value

        return blocked_step

    async def cut_short(self, work: asyncio.Task[Any]) -> None:
        """Cancel the work in the middle of its step, and let the step go on."""
        assert await asyncio.to_thread(self.began.wait, LIMIT_S)
        work.cancel()
        await asyncio.sleep(0)
        self._go_on.set()
        await asyncio.wait([work])
        assert work.cancelled()


@pytest.fixture
async def axis(tmp_path: Path, pool: ThreadPool) -> AsyncIterator[EmbeddedAxis]:
    async with EmbeddedAxis(tmp_path / "axis", "one", ManualClock(), pool) as opened:
        await opened.host(["Z92"])
        yield opened


def files(tmp_path: Path) -> list[str]:
    return [file.name for file in (tmp_path / "axis" / "payload").iterdir()]


async def test_g2_an_end_that_is_cut_short_takes_no_bytes_that_another_has_published_meanwhile(
    axis: EmbeddedAxis, tmp_path: Path, pool: ThreadPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, blockade = parcel("p1", LARGE), Blockade()
    await axis.publish(large, ["Z92"])
    (arrival,) = await axis.take(1, 60)
    monkeypatch.setattr(PayloadFolder, "remove", blockade.block_before(PayloadFolder.remove))
    async with EmbeddedAxis(tmp_path / "axis", "two", ManualClock(), pool) as other:
        ending = asyncio.create_task(axis.settle(arrival, is_done=True))
        assert await asyncio.to_thread(blockade.began.wait, LIMIT_S)
        ending.cancel()
        second = asyncio.create_task(other.publish(replace(large, packet_id="p2"), ["Z92"]))
        await asyncio.wait([second], timeout=0.2)  # it would be over by now, did it not wait for the lock
        await blockade.cut_short(ending)

        assert (await second)["Z92"].fate is Fate.DELIVERED
        (arrived,) = await axis.take(1, 60)
        assert (arrived.packet_id, bytes_of(arrived)) == ("p2", LARGE)


async def test_a_copy_that_is_cut_short_leaves_no_file(tmp_path: Path) -> None:
    blockade, pool = Blockade(), ThreadPool(1)
    axis = EmbeddedAxis(tmp_path / "axis", "one", ManualClock(), pool)
    await axis.host(["Z92"])

    class Slow(io.BytesIO):
        read = blockade.block_before(io.BytesIO.read)

    slow: Parcel = replace(parcel("p1", LARGE), open=lambda: Slow(LARGE))
    await blockade.cut_short(asyncio.create_task(axis.publish(slow, ["Z92"])))
    await axis.close()
    pool.close()  # its thread has ended

    assert files(tmp_path) == []


async def test_a_finished_file_goes_with_the_publish_that_is_cut_short_and_stays_for_another(
    axis: EmbeddedAxis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = parcel("p1", LARGE)
    with monkeypatch.context() as patched:
        blockade = Blockade()
        patched.setattr(PayloadFolder, "adopt", blockade.block_after(PayloadFolder.adopt))
        await blockade.cut_short(asyncio.create_task(axis.publish(large, ["Z92"])))
    assert files(tmp_path) == []

    await axis.publish(large, ["Z92"])
    blockade = Blockade()
    monkeypatch.setattr(PayloadFolder, "adopt", blockade.block_after(PayloadFolder.adopt))
    await blockade.cut_short(asyncio.create_task(axis.publish(replace(large, packet_id="p2"), ["Z92"])))
    (arrived,) = await axis.take(2, 60)
    assert (arrived.packet_id, bytes_of(arrived)) == ("p1", LARGE)


async def test_who_is_cut_short_while_the_others_are_committed_leaves_them_their_answer(
    axis: EmbeddedAxis, monkeypatch: pytest.MonkeyPatch
) -> None:
    blockade, inside, go_on = Blockade(), asyncio.Event(), asyncio.Event()
    commit = queue_file._QueueDriver.commit

    async def slowly(driver: queue_file._QueueDriver) -> None:
        await commits.run_in_thread(blockade.stop)
        await commit(driver)

    async def unit() -> str:
        async with axis._queue.write() as queue:
            queue.execute(queue_file.FORGET_NODE, ("nobody",))
            inside.set()
            await go_on.wait()
        return "committed"

    monkeypatch.setattr(queue_file._QueueDriver, "commit", slowly)
    neighbour = asyncio.create_task(unit())
    await inside.wait()
    shortening = asyncio.create_task(axis._queue.shorten())
    await asyncio.sleep(0)  # it waits for the turn
    go_on.set()
    await blockade.cut_short(shortening)

    assert await within_limit(neighbour, "the unit of the neighbour") == "committed"


async def test_what_is_gone_leaves_the_log_also_where_nobody_waits_for_parcels(
    axis: EmbeddedAxis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers take again and again, and never wait."""
    monkeypatch.setattr(embedded, "QUIET_S", 0.0)
    await axis.publish(parcel("p1", b"words of a secret"), ["Z92"])
    (arrival,) = await axis.take(1, 60)
    await axis.settle(arrival, is_done=True)
    log = tmp_path / "axis" / "axis.sqlite-wal"
    assert b"words of a secret" in log.read_bytes()

    assert await axis.take(1, 60) == ()

    assert log.stat().st_size == 0


CONTENT = b"a packet"
PARCEL = parcel(content=CONTENT)
# As the first version of the program made it.
FIRST = """
CREATE TABLE hosting (folded TEXT NOT NULL, node TEXT NOT NULL, code TEXT NOT NULL, PRIMARY KEY (folded, node))
WITHOUT ROWID;
CREATE TABLE queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    folded TEXT NOT NULL, lane INTEGER NOT NULL, recipient TEXT NOT NULL, packet_id TEXT NOT NULL,
    kind TEXT NOT NULL, sender TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    published_at REAL NOT NULL, deliveries INTEGER NOT NULL DEFAULT 0,
    token TEXT, leased_until REAL NOT NULL DEFAULT 0, dead_at REAL, dead_reason TEXT
);
PRAGMA user_version = 1;
"""


async def test_an_arrival_names_the_node_that_published_it(tmp_path: Path, pool: ThreadPool) -> None:
    clock = ManualClock()
    async with (
        EmbeddedAxis(tmp_path, "one", clock, pool) as first_node,
        EmbeddedAxis(tmp_path, "two", clock, pool) as second_node,
    ):
        await second_node.host(["Z92"])
        await first_node.publish(PARCEL, ["Z92"])
        await second_node.publish(PARCEL, ["Z92"])

        assert [arrival.node for arrival in await second_node.take(10, 60)] == ["one", "two"]


async def test_a_queue_file_of_the_first_version_is_taken_over_with_what_lies_in_it(
    tmp_path: Path, pool: ThreadPool
) -> None:
    """The format is changed once by several processes at once, and no node is named where none was recorded. A payload
    in a file, because no payload was a row then, is read and goes like any other."""
    (tmp_path / "payload").mkdir()
    (tmp_path / "payload" / PARCEL.digest).write_bytes(CONTENT)
    row = ("z92", 1, "Z92", "old", "edoc", "Z91", PARCEL.digest, PARCEL.size, 0.0)
    with closing(sqlite3.connect(tmp_path / "axis.sqlite")) as queue:
        queue.executescript(FIRST)
        queue.execute(
            "INSERT INTO queue (folded, lane, recipient, packet_id, kind, sender, digest, size, published_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        queue.commit()

    async with AsyncExitStack() as stack:
        axes = [
            await stack.enter_async_context(EmbeddedAxis(tmp_path, "one", ManualClock(), pool))
            for _ in range(4)
        ]
        await asyncio.gather(*(axis.counts() for axis in axes))
        await axes[0].host(["Z92"])
        earlier_arrivals = await axes[1].take(1, 60)
        read = [bytes_of(arrival) for arrival in earlier_arrivals]
        await axes[0].publish(PARCEL, ["Z92"])
        arrivals = [*earlier_arrivals, *await axes[1].take(10, 60)]
        await settled(axes[1], arrivals)

    ids_and_nodes = [(arrival.packet_id, arrival.node) for arrival in arrivals]
    assert read == [CONTENT]
    assert list((tmp_path / "payload").iterdir()) == []
    assert ids_and_nodes == [("old", None), ("p1", "one")]
    with closing(sqlite3.connect(tmp_path / "axis.sqlite")) as queue:
        assert queue.execute("PRAGMA user_version").fetchone() == (queue_file.SCHEMA_VERSION,)
        assert queue.execute("SELECT * FROM payload").fetchall() == []
