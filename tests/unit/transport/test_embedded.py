"""The embedded axis is tested beyond the contract: its files, its dead list, its failures, its wake-ups."""

from __future__ import annotations

import asyncio
import io
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.domain.document import Lane
from gateway.errors import BrokerRefused, Misconfigured, NotFound, Unreachable
from gateway.pool import ThreadPool
from gateway.ports.axis import NO_ROOM_REASON, DeadCause, Fate, Parcel
from gateway.transport import queue_file
from gateway.transport.embedded import EmbeddedAxis
from gateway.transport.parcel import SMALL, STALE_S
from tests.support.clock import ManualClock
from tests.support.parcels import bytes_of, parcel, settled
from tests.support.waiting import within_limit

T = TypeVar("T")
LARGE = b"large" * SMALL


class NeverLater(ManualClock):
    """Clock on which no time passes: a waiter is woken by something else, or never."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def clock() -> ManualClock:
    return NeverLater()


@pytest.fixture
async def axis(tmp_path: Path, clock: ManualClock, pool: ThreadPool) -> AsyncIterator[EmbeddedAxis]:
    async with EmbeddedAxis(tmp_path, "one", clock, pool, poison_limit=2) as opened:
        await opened.host(["Z92", "Z93"])
        yield opened


@pytest.fixture
async def pool() -> AsyncIterator[ThreadPool]:
    threads = ThreadPool(1)
    yield threads
    threads.close()


def payloads(folder: Path) -> list[str]:
    return sorted(entry.name for entry in (folder / "payload").iterdir())


def leave(folder: Path, name: str, age_s: float) -> Path:
    """Write a file as a crash may have left it, changed so long ago."""
    (folder / "payload").mkdir(exist_ok=True)
    stray_file = folder / "payload" / name
    stray_file.write_bytes(b"left behind")
    changed = stray_file.stat().st_mtime - age_s
    os.utime(stray_file, (changed, changed))
    return stray_file


async def poison(axis: EmbeddedAxis, packet_id: str = "p1") -> str:
    """Put a parcel on the dead list; return its id there."""
    await axis.publish(parcel(packet_id), ["Z92"])
    for _ in range(2):
        (arrival,) = await axis.take(1, 60)
        await axis.settle(arrival, is_done=False)
    assert await axis.take(1, 60) == []
    (dead,) = await axis.dead_list()
    return dead.id


async def test_one_payload_serves_many_recipients_and_goes_with_the_last(
    axis: EmbeddedAxis, tmp_path: Path
) -> None:
    """A code named twice gets one parcel; nothing is copied for codes that no node hosts."""
    sent = parcel(content=LARGE)
    assert (await axis.publish(sent, ["Z99"]))["Z99"].fate is Fate.NEVER
    assert payloads(tmp_path) == []
    await axis.publish(sent, ["Z92", "z92", "Z93", "Z92"])
    assert payloads(tmp_path) == [sent.digest]

    first, second = await axis.take(10, 60)
    await axis.settle(first, is_done=True)
    assert payloads(tmp_path) == [sent.digest]

    await axis.settle(second, is_done=True)
    assert payloads(tmp_path) == []


def in_a_file(folder: Path, mode: int = 0o600) -> tuple[Parcel, Path]:
    """Return a parcel whose bytes lie in a file of its sender's store, written long ago."""
    file = folder / "content"
    file.write_bytes(LARGE)
    file.chmod(mode)
    os.utime(file, (0, 0))
    return replace(parcel(content=LARGE), open=lambda: file.open("rb")), file


async def test_a_file_for_this_node_alone_gets_a_second_name_and_is_as_young_as_a_copy(
    axis: EmbeddedAxis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is durable before its row, and the sender's own name is not touched when the parcel goes."""
    sent, file = in_a_file(tmp_path)
    synced: list[int] = []
    sync = os.fsync

    def noted(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)

    assert (await axis.publish(sent, ["Z92", "Z93"]))["Z92"].fate is Fate.DELIVERED
    payload = tmp_path / "payload" / sent.digest
    assert payload.samefile(file)
    assert payload.stat().st_mtime > STALE_S
    assert {file.stat().st_ino, payload.parent.stat().st_ino} <= set(synced)

    await settled(axis, await axis.take(10, 60))
    assert payloads(tmp_path) == []
    assert file.read_bytes() == LARGE


@pytest.mark.parametrize(
    "why", ["another node hosts it", "others may read it", "it has grown", "others write here"]
)
async def test_a_file_that_may_not_be_shared_is_copied(
    axis: EmbeddedAxis, tmp_path: Path, clock: ManualClock, pool: ThreadPool, why: str
) -> None:
    """Two stores never share a file, since one of them might be damaged."""
    sent, file = in_a_file(tmp_path, 0o640 if why == "others may read it" else 0o600)
    if why == "it has grown":
        file.write_bytes(LARGE + b"more")
        with pytest.raises(BrokerRefused):
            await axis.publish(sent, ["Z92"])
        assert payloads(tmp_path) == []
        return
    if why == "others write here":
        (tmp_path / "payload").chmod(0o777)
    async with EmbeddedAxis(tmp_path, "two", clock, pool) as other:
        if why == "another node hosts it":
            await other.host(["z93"])

        await axis.publish(sent, ["Z92", "Z93"])

        payload = tmp_path / "payload" / sent.digest
        assert not payload.samefile(file)
        assert payload.read_bytes() == LARGE
        assert file.stat().st_nlink == 1


async def test_bytes_that_are_not_as_announced_are_refused_and_leave_nothing(
    axis: EmbeddedAxis, tmp_path: Path
) -> None:
    for content in (b"as announced", LARGE):
        damaged = replace(parcel(content=content), open=lambda: io.BytesIO(b"as found now"))
        with pytest.raises(BrokerRefused, match="packet p1: its bytes are not what was announced"):
            await axis.publish(damaged, ["Z92"])
    assert payloads(tmp_path) == []
    assert await axis.take(1, 60) == ()


async def test_a_code_that_moves_takes_its_waiting_parcels_with_it(
    axis: EmbeddedAxis, tmp_path: Path, clock: ManualClock, pool: ThreadPool
) -> None:
    await axis.publish(parcel(), ["Z92"])
    async with EmbeddedAxis(tmp_path, "two", clock, pool) as other:
        await axis.host([])
        await other.host(["z92"])

        assert await axis.take(10, 60) == ()
        assert [arrival.recipient for arrival in await other.take(10, 60)] == ["z92"]


async def test_who_hosts_a_code_is_known_at_once_whoever_changed_it(
    axis: EmbeddedAxis, tmp_path: Path, clock: ManualClock, pool: ThreadPool
) -> None:
    async def fates() -> list[Fate]:
        outcomes = await axis.publish(parcel(), ["Z92", "Z94"])
        return [outcomes[code].fate for code in ("Z92", "Z94")]

    async with EmbeddedAxis(tmp_path, "two", clock, pool) as other:
        for _ in range(2):
            assert await fates() == [Fate.DELIVERED, Fate.NEVER]
        await other.host(["Z94"])
        assert await fates() == [Fate.DELIVERED, Fate.DELIVERED]
        await axis.host([])
        assert await fates() == [Fate.NEVER, Fate.DELIVERED]
        await other.host([])
        assert await fates() == [Fate.NEVER, Fate.NEVER]


async def test_what_a_full_batch_left_and_what_another_published_is_taken_by_the_next_look(
    axis: EmbeddedAxis, tmp_path: Path, clock: ManualClock, pool: ThreadPool
) -> None:
    async with EmbeddedAxis(tmp_path, "two", clock, pool) as other:
        assert await axis.take(10, 60) == ()
        for n in range(3):
            await axis.publish(parcel(f"p{n}"), ["Z92"])
        counts = [len(await axis.take(2, 60)) for _ in range(3)]
        assert counts == [2, 1, 0]

        axis._bell.take()
        await other.publish(parcel("p3"), ["Z92"])
        axis._bell.take()  # as from another process, whose bell is not heard here
        assert len(await axis.take(2, 60)) == 1


async def test_a_publish_wakes_another_node_of_the_process_at_once_and_what_lies_there_is_not_waited_for(
    axis: EmbeddedAxis, tmp_path: Path, clock: ManualClock, pool: ThreadPool
) -> None:
    async with EmbeddedAxis(tmp_path, "two", clock, pool) as other:
        await other.host(["Z94"])
        waiting = asyncio.create_task(other.wait(3600))
        await asyncio.sleep(0)
        await axis.publish(parcel(), ["Z94"])
        await within_limit(waiting, "a wait before the publish")
        await within_limit(other.wait(3600), "a wait after it")
        assert len(await other.take(1, 60)) == 1


async def test_a_lease_that_ran_out_ends_the_wait(tmp_path: Path, pool: ThreadPool) -> None:
    clock = ManualClock()
    async with EmbeddedAxis(tmp_path, "one", clock, pool) as axis:
        await axis.host(["Z92"])
        await axis.publish(parcel(), ["Z92"])
        await axis.take(1, 60)

        await axis.wait(3600)

        assert len(await axis.take(1, 60)) == 1
        assert 60 <= (clock.now() - ManualClock().now()).total_seconds() < 62


async def test_a_lease_taken_while_the_clock_was_ahead_is_over_once_the_clock_is_right(
    axis: EmbeddedAxis, clock: ManualClock
) -> None:
    clock.advance(timedelta(days=400))
    await axis.publish(parcel(), ["Z92"])
    (ahead,) = await axis.take(1, 60)

    clock.advance(timedelta(days=-400))
    assert await axis.counts() == {"waiting": 1, "urgent": 0, "leased": 0, "dead": 0}
    assert await axis.leased_ahead() == 1
    await within_limit(axis.wait(3600), "the end of a lease that lies ahead")
    (right,) = await axis.take(1, 60)

    assert await axis.take(1, 60) == ()
    assert await axis.counts() == {"waiting": 0, "urgent": 0, "leased": 1, "dead": 0}
    await axis.settle(ahead, is_done=True)  # its token is stale
    assert (await axis.counts())["leased"] == 1
    await axis.settle(right, is_done=True)


async def test_counts_tell_waiting_urgent_leased_and_dead_and_the_dead_say_what_they_were_and_why(
    axis: EmbeddedAxis,
) -> None:
    await poison(axis)
    await axis.publish(parcel("p2"), ["Z92"])
    await axis.take(1, 60)
    await axis.publish(parcel("p3"), ["Z92"])
    await axis.publish(parcel("p4", lane=Lane.URGENT), ["Z92"])
    assert await axis.counts() == {"waiting": 2, "urgent": 1, "leased": 1, "dead": 1}
    (dead,) = await axis.dead_list()
    assert (dead.packet_id, dead.recipient, dead.sender, dead.deliveries) == ("p1", "Z92", "Z91.07", 2)
    assert (dead.cause, dead.reason) == (DeadCause.TRIES, "delivered 2 times and never settled")
    assert dead.dead_at is not None
    assert dead.dead_at.tzinfo is UTC


async def test_a_dead_parcel_can_be_tried_again_from_the_start_or_dropped_with_a_reason_in_the_log(
    axis: EmbeddedAxis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """G4: not silently. Only what is dead can be."""
    await axis.dead_retry(await poison(axis))
    assert await axis.dead_list() == []
    (arrival,) = await axis.take(1, 60)
    assert arrival.deliveries == 1
    with arrival.open() as source:
        assert source.read() == b"bytes of a packet"
    with pytest.raises(NotFound, match="no parcel '1' on the dead list"):
        await axis.dead_retry("1")
    with pytest.raises(NotFound):
        await axis.dead_drop("nonsense", "because")
    assert (await axis.counts())["leased"] == 1
    await axis.settle(arrival, is_done=True)

    id = await poison(axis)
    caplog.clear()
    with caplog.at_level("INFO"):
        await axis.dead_drop(id, "sent again by hand")
    assert await axis.dead_list() == []
    assert payloads(tmp_path) == []
    assert [(record.__dict__["reason"], record.__dict__["packet_id"]) for record in caplog.records] == [
        ("sent again by hand", "p1")
    ]


async def test_a_late_settle_does_not_touch_a_dead_parcel(axis: EmbeddedAxis, clock: ManualClock) -> None:
    await axis.publish(parcel(), ["Z92"])
    for _ in range(2):
        (last,) = await axis.take(1, 60)
        clock.advance(61)
    assert await axis.take(1, 60) == []

    await axis.settle(last, is_done=True)

    assert len(await axis.dead_list()) == 1


async def test_opening_removes_what_a_crash_left_an_hour_ago(
    tmp_path: Path, clock: ManualClock, pool: ThreadPool
) -> None:
    async with EmbeddedAxis(tmp_path, "one", clock, pool) as axis:
        await axis.host(["Z92"])
        await axis.publish(parcel(content=LARGE), ["Z92"])
    needed = leave(tmp_path, parcel(content=LARGE).digest, 2 * STALE_S)
    leave(tmp_path, "0" * 64, 2 * STALE_S)
    leave(tmp_path, "aa.part", 2 * STALE_S)
    young = [leave(tmp_path, "1" * 64, STALE_S / 2), leave(tmp_path, "bb.part", STALE_S / 2)]
    foreign = leave(tmp_path, "notes.txt", 2 * STALE_S)

    async with EmbeddedAxis(tmp_path, "one", clock, pool) as axis:
        await axis.counts()

    assert payloads(tmp_path) == sorted(path.name for path in (needed, foreign, *young))


async def test_a_payload_that_is_gone_is_a_failure_with_its_name(axis: EmbeddedAxis, tmp_path: Path) -> None:
    await axis.publish(parcel(content=LARGE), ["Z92"])
    (arrival,) = await axis.take(1, 60)
    (tmp_path / "payload" / arrival.digest).unlink()

    with pytest.raises(Unreachable, match=str(arrival.digest)):
        arrival.open()


async def test_a_folder_that_cannot_be_made_is_unreachable_and_heals(
    tmp_path: Path, clock: ManualClock, pool: ThreadPool
) -> None:
    blocking_file = tmp_path / "axis"
    blocking_file.write_text("a file where the folder should be")
    async with EmbeddedAxis(blocking_file, "one", clock, pool) as axis:
        with pytest.raises(Unreachable, match=r"axis\.sqlite did not answer") as caught:
            await axis.host(["Z92"])
        blocking_file.unlink()
        await axis.host(["Z92"])

        assert isinstance(caught.value.__cause__, OSError)
        assert not caught.value.permanent
        assert (await axis.publish(parcel(), ["Z92"]))["Z92"].fate is Fate.DELIVERED


async def test_a_file_that_is_no_database_is_unreachable_and_one_of_a_newer_program_is_left_alone(
    tmp_path: Path, clock: ManualClock, pool: ThreadPool
) -> None:
    (tmp_path / "axis.sqlite").write_bytes(b"not a database, " * 1000)
    async with EmbeddedAxis(tmp_path, "one", clock, pool) as axis:
        with pytest.raises(Unreachable) as caught:
            await axis.take(1, 60)
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)

    (tmp_path / "axis.sqlite").unlink()
    newer = queue_file.SCHEMA_VERSION + 1
    with closing(sqlite3.connect(tmp_path / "axis.sqlite")) as queue:
        queue.execute(f"PRAGMA user_version = {newer}")
    async with EmbeddedAxis(tmp_path, "one", clock, pool) as axis:
        with pytest.raises(Misconfigured, match=f"has queue format {newer}"):
            await axis.counts()


async def test_a_closed_axis_says_so(tmp_path: Path, clock: ManualClock, pool: ThreadPool) -> None:
    axis = EmbeddedAxis(tmp_path, "one", clock, pool)
    await axis.host(["Z92"])
    await axis.close()
    await axis.close()

    with pytest.raises(Unreachable, match="was closed"):
        await axis.take(1, 60)


class Slow:
    """A pool whose work is held back until the test lets it go on."""

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()

    async def run(self, work: Callable[[], T]) -> T:
        self.reached.set()
        await self.go_on.wait()
        return await self._pool.run(work)

    async def brief(self, work: Callable[[], T]) -> T:
        return await self.run(work)


async def test_a_publish_that_is_cancelled_leaves_nothing_half_done(
    tmp_path: Path, clock: ManualClock, pool: ThreadPool
) -> None:
    """While it reads, and while it copies; inside the transaction: `test_embedded_cut_short`."""
    slow = Slow(pool)
    async with EmbeddedAxis(tmp_path, "one", clock, slow) as axis:
        await axis.host(["Z92"])
        for content in (b"small", LARGE):
            slow.reached.clear()
            slow.go_on.clear()
            publishing = asyncio.create_task(axis.publish(parcel(content=content), ["Z92"]))
            await slow.reached.wait()
            publishing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await publishing
            slow.go_on.set()
            assert await axis.take(1, 60) == ()
            assert (await axis.publish(parcel(content=content), ["Z92"]))["Z92"].fate is Fate.DELIVERED
            (arrival,) = await axis.take(10, 60)
            await axis.settle(arrival, is_done=True)


def test_a_long_backlog_is_searched_by_index(tmp_path: Path) -> None:
    query_parameters = {"node": "one", "now": 0.0, "far": 120.0, "most": 10}
    with closing(sqlite3.connect(tmp_path / "axis.sqlite", isolation_level=None)) as queue:
        queue.executescript(queue_file.SCHEMA)
        for which in (queue_file.DUE, queue_file.DUE_ORDINARY):
            plan = [row[3] for row in queue.execute("EXPLAIN QUERY PLAN " + which, query_parameters)]
            assert any("USING COVERING INDEX queue_due" in step for step in plan)
            assert not any(step.startswith("SCAN q") for step in plan)


async def test_an_idle_axis_is_asked_when_somebody_wrote_and_once_a_second_for_leases(
    tmp_path: Path, clock: ManualClock, pool: ThreadPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    read = queue_file.QueueFile.read

    # Any: as the file itself is asked
    async def noted(queue: queue_file.QueueFile, words: str, query_parameters: Any = ()) -> list[Any]:
        statements.append(words)
        return await read(queue, words, query_parameters)

    async with (
        EmbeddedAxis(tmp_path, "one", clock, pool) as axis,
        EmbeddedAxis(tmp_path, "one", clock, pool) as other,
    ):
        await axis.host(["Z92"])
        assert await axis.take(10, 60) == ()
        assert await axis.take(10, 60) == ()
        monkeypatch.setattr(queue_file.QueueFile, "read", noted)
        for _ in range(5):
            assert await axis.take(10, 60) == ()
        assert statements == []

        await other.publish(parcel("p1"), ["Z92"])
        axis._bell.take()  # another process would not have rung it
        (theirs,) = await axis.take(10, 60)
        assert (theirs.packet_id, await axis.take(10, 60)) == ("p1", ())

        clock.advance(61)
        (next_arrival,) = await axis.take(10, 60)
        await axis.settle(next_arrival, is_done=True)


async def test_what_was_published_here_is_taken_without_asking_first(
    tmp_path: Path, clock: ManualClock, pool: ThreadPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with EmbeddedAxis(tmp_path, "one", clock, pool) as axis:
        await axis.host(["Z92"])
        assert await axis.take(10, 60) == ()
        await axis.publish(parcel("p1", b"words"), ["Z92"])
        with monkeypatch.context() as nobody_asks:
            nobody_asks.setattr(queue_file.QueueFile, "read", None)
            (arrival,) = await axis.take(10, 60)
        assert (arrival.packet_id, bytes_of(arrival)) == ("p1", b"words")


@pytest.mark.parametrize(
    ("stored", "cause"),
    [
        (DeadCause.NO_ROOM, DeadCause.NO_ROOM),
        (NO_ROOM_REASON, DeadCause.NO_ROOM),
        ("delivered 2 times and never settled", DeadCause.TRIES),
    ],
)
def test_a_dead_row_has_its_cause_and_one_of_an_earlier_version_too(stored: str, cause: DeadCause) -> None:
    row = (1, "A", "p", "edoc", "B", 0, "0" * 64, 1, 2, 0.0, stored)
    assert queue_file.dead_parcels(row).cause is cause
