"""Small parcels on the embedded axis: rows and never files, many to one commit, nothing left of them once they are gone,
and whole or not there at all whenever the power fails."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from gateway.errors import BrokerRefused, Unreachable
from gateway.pool import ThreadPool
from gateway.ports.axis import Fate, Parcel
from gateway.transport import embedded, queue_file
from gateway.transport.embedded import EmbeddedAxis
from gateway.transport.parcel import SMALL
from tests.support.clock import ManualClock
from tests.support.parcels import bytes_of, parcel, settled

MARK = b"known by these words alone"


class Commits:
    """Counts the commits of the axis's file, those that wait for the disk and those that do not, and fails those that it is
    told to fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counted, self.at_once, self.failing = 0, 0, False
        committed, finished = queue_file._QueueDriver.commit, queue_file.QueueFile._finish_at_once

        async def commit(driver: queue_file._QueueDriver) -> None:
            self.counted += 1
            self._fail()
            await committed(driver)

        def finish(file: queue_file.QueueFile, writer: sqlite3.Connection, do: Any) -> Any:
            self.at_once += 1

            def whole_unit(queue: sqlite3.Connection) -> Any:
                result = do(queue)
                self._fail()
                return result

            return finished(file, writer, whole_unit)

        monkeypatch.setattr(queue_file._QueueDriver, "commit", commit)
        monkeypatch.setattr(queue_file.QueueFile, "_finish_at_once", finish)

    def _fail(self) -> None:
        if self.failing:
            raise sqlite3.OperationalError("disk I/O error")

    def take_counts(self) -> tuple[int, int]:
        """Return both counts since the last call."""
        counted, self.counted, self.at_once = (self.counted, self.at_once), 0, 0
        return counted


@pytest.fixture
async def axis(tmp_path: Path, pool: ThreadPool) -> AsyncIterator[EmbeddedAxis]:
    async with EmbeddedAxis(tmp_path / "axis", "one", ManualClock(), pool, poison_limit=1) as opened:
        await opened.host(["Z92", "Z93"])
        yield opened


def query_queue(folder: Path, words: str, *query_parameters: str) -> list[tuple[object, ...]]:
    """Query the file as another program sees it that opens it now."""
    with closing(sqlite3.connect(folder / "axis.sqlite")) as other:
        return other.execute(words, query_parameters).fetchall()


def files_with(folder: Path, words: bytes) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and words in path.read_bytes()]
    return sorted(path.name for path in paths)


def numbered(count: int, content: bytes = b"packet") -> list[Parcel]:
    return [parcel(f"p{n}", content + b" %d" % n) for n in range(count)]


async def test_a_small_parcel_lies_as_a_row_and_costs_no_file_and_a_larger_one_is_a_file(
    axis: EmbeddedAxis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", synced.append)
        await axis.publish(parcel(content=b"s" * SMALL), ["Z92"])
    (small,) = await axis.take(1, 60)
    assert (synced, list((tmp_path / "axis" / "payload").iterdir())) == ([], [])
    assert query_queue(tmp_path / "axis", "SELECT length(bytes) FROM payload") == [(SMALL,)]
    assert bytes_of(small) == b"s" * SMALL

    large = parcel(content=b"l" * (SMALL + 1))
    await axis.publish(large, ["Z92"])
    (arrival,) = await axis.take(1, 60)
    assert [path.name for path in (tmp_path / "axis" / "payload").iterdir()] == [large.digest]
    assert query_queue(tmp_path / "axis", "SELECT length(bytes) FROM payload") == [(SMALL,)]
    assert bytes_of(arrival) == b"l" * (SMALL + 1)


async def test_the_bytes_go_with_the_last_who_needs_them_and_leave_nothing_that_can_be_read(
    axis: EmbeddedAxis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "QUIET_S", 0.0)
    await axis.publish(parcel(content=MARK * 500), ["Z92", "Z93"])
    first, second = await axis.take(2, 60)
    assert query_queue(tmp_path / "axis", "SELECT count(*) FROM payload") == [(1,)]

    await axis.settle(first, is_done=True)
    await axis.wait(0.1)
    assert query_queue(tmp_path / "axis", "SELECT count(*) FROM payload") == [(1,)]
    assert files_with(tmp_path, MARK)

    await axis.settle(second, is_done=True)
    await axis.wait(0.1)
    assert query_queue(tmp_path / "axis", "SELECT * FROM payload") == []
    assert files_with(tmp_path, MARK) == []


async def test_bytes_that_had_reached_the_file_itself_are_written_over(
    tmp_path: Path, pool: ThreadPool
) -> None:
    for _ in range(2):
        async with EmbeddedAxis(tmp_path, "one", ManualClock(), pool) as axis:
            await axis.host(["Z92"])
            await settled(axis, await axis.take(10, 60))
            await axis.publish(parcel(content=MARK * 500), ["Z92"])
        assert files_with(tmp_path, MARK) == ["axis.sqlite"]
    async with EmbeddedAxis(tmp_path, "one", ManualClock(), pool) as axis:
        await settled(axis, await axis.take(10, 60))

    assert files_with(tmp_path, MARK) == []


async def test_while_somebody_reads_the_log_stays_and_goes_afterwards(
    axis: EmbeddedAxis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "QUIET_S", 0.0)
    await axis.publish(parcel(content=MARK), ["Z92"])
    with closing(sqlite3.connect(tmp_path / "axis" / "axis.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM queue").fetchall()
        await settled(axis, await axis.take(1, 60))
        await axis.wait(0.1)
        assert files_with(tmp_path, MARK) == ["axis.sqlite-wal"]
        other.execute("COMMIT")

    await axis.wait(0.1)

    assert files_with(tmp_path, MARK) == []


async def test_what_is_dropped_from_the_dead_list_leaves_nothing(
    axis: EmbeddedAxis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "QUIET_S", 0.0)
    await axis.publish(parcel(content=MARK), ["Z92"])
    await settled(axis, await axis.take(1, 60), is_done=False)
    assert await axis.take(1, 60) == []
    (dead,) = await axis.dead_list()
    with await axis.dead_open(dead.id) as opened:
        assert opened.read() == MARK

    await axis.dead_drop(dead.id, "sent again by hand")
    await axis.wait(0.1)

    assert files_with(tmp_path, MARK) == []


async def test_what_a_unit_could_undo_is_noted_in_no_file_elsewhere(
    axis: EmbeddedAxis, tmp_path: Path
) -> None:
    """A temporary file would hold parcels in the clear, and be wanted where none can be made."""
    async with axis._queue.write() as queue:
        content = [(str(n), os.urandom(SMALL)) for n in range(20)]
        queue.executemany(queue_file.PUT_BYTES, content)

    async with axis._queue.write() as queue:
        queue.execute("DELETE FROM payload")
        opened = [os.readlink(x.path) for x in os.scandir("/proc/self/fd") if os.path.islink(x.path)]

    assert query_queue(tmp_path / "axis", "SELECT count(*) FROM payload") == [(0,)]
    assert str(tmp_path / "axis" / "axis.sqlite-wal") in opened
    assert [name for name in opened if "etilqs" in name] == []


async def test_publishes_side_by_side_share_commits_and_so_do_their_ends(
    axis: EmbeddedAxis, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = Commits(monkeypatch)

    await asyncio.gather(*(axis.publish(parcel, ["Z92"]) for parcel in numbered(40)))
    published = commits.take_counts()
    arrivals = await axis.take(40, 60)
    counts = commits.take_counts()
    await asyncio.gather(*(axis.settle(arrival, is_done=True) for arrival in arrivals))

    assert len(arrivals) == 40
    assert (published, counts, commits.take_counts()) == ((1, 0), (0, 1), (0, 1))


async def test_only_what_is_published_waits_for_the_disk_and_what_lies_in_a_file_is_gone_for_good_before_it(
    axis: EmbeddedAxis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease or an end that the power takes back makes the parcel come again; its file must not be gone then."""
    commits = Commits(monkeypatch)
    levels: list[int] = []

    def finish(step: str) -> None:
        connection = axis._queue._writer
        assert connection is not None
        levels.append(connection.execute("PRAGMA synchronous").fetchone()[0])
        counts_by_case[step] = commits.take_counts()

    counts_by_case: dict[str, tuple[int, int]] = {}
    for name, content in (("small", b"s"), ("large", b"l" * (SMALL + 1))):
        await axis.publish(parcel(name, content), ["Z92"])
        finish(f"publish {name}")
        (arrival,) = await axis.take(1, 60)
        finish(f"take {name}")
        await axis.settle(arrival, is_done=True)
        finish(f"settle {name}")

    full, normal = 2, 1
    assert counts_by_case == {
        "publish small": (1, 0),
        "take small": (0, 1),
        "settle small": (0, 1),
        "publish large": (1, 0),
        "take large": (0, 1),
        "settle large": (2, 0),
    }
    assert levels == [full, normal, normal, full, normal, full]


async def test_a_taker_waits_while_another_process_writes_and_joins_those_who_publish(
    axis: EmbeddedAxis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await axis.publish(parcel("p1"), ["Z92"])
    with closing(sqlite3.connect(tmp_path / "axis" / "axis.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        taking = asyncio.create_task(axis.take(1, 60))
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not taking.done()
        other.execute("COMMIT")
        (arrival,) = await taking

    commits = Commits(monkeypatch)
    async with axis._queue.write() as queue:
        ending = asyncio.create_task(axis.settle(arrival, is_done=True))
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(queue.execute("SELECT 1 FROM queue").fetchall()) == 1  # it waits for its turn
    await ending

    assert commits.take_counts() == (1, 0)
    assert query_queue(tmp_path / "axis", "SELECT count(*) FROM queue") == [(0,)]


async def test_one_that_cannot_be_read_fails_alone(axis: EmbeddedAxis) -> None:
    def open_missing() -> BinaryIO:
        raise FileNotFoundError("its file is gone")

    good, other = numbered(2)
    outcomes = await asyncio.gather(
        axis.publish(good, ["Z92"]),
        axis.publish(replace(other, open=open_missing), ["Z92"]),
        axis.publish(replace(other, digest=good.digest), ["Z92"]),
        return_exceptions=True,
    )

    assert [type(x) for x in outcomes[1:]] == [Unreachable, BrokerRefused]
    assert [x.packet_id for x in await axis.take(10, 60)] == ["p0"]


async def test_g2_a_publish_returns_when_another_program_sees_it_on_the_disk(
    axis: EmbeddedAxis, tmp_path: Path
) -> None:
    async def is_on_disk(parcel: Parcel) -> bool:
        await axis.publish(parcel, ["Z92"])
        words = "SELECT 1 FROM queue JOIN payload USING (digest) WHERE packet_id = ?"
        return len(query_queue(tmp_path / "axis", words, parcel.packet_id)) == 1

    assert await asyncio.gather(*(is_on_disk(parcel) for parcel in numbered(8))) == [True] * 8


async def test_a_machine_that_stops_before_the_commit_has_neither_row_nor_bytes_and_after_it_both(
    axis: EmbeddedAxis, tmp_path: Path, pool: ThreadPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each copy of the folder is what would be found after the machine stopped there."""
    committed = queue_file._QueueDriver.commit

    async def commit(driver: queue_file._QueueDriver) -> None:
        shutil.copytree(tmp_path / "axis", tmp_path / "before")
        await committed(driver)
        shutil.copytree(tmp_path / "axis", tmp_path / "after")

    monkeypatch.setattr(queue_file._QueueDriver, "commit", commit)
    await asyncio.gather(*(axis.publish(x, ["Z92"]) for x in numbered(3, MARK)))
    monkeypatch.undo()

    bytes_by_name = {}
    for name in ("before", "after"):
        async with EmbeddedAxis(tmp_path / name, "one", ManualClock(), pool) as restarted:
            bytes_by_name[name] = sorted(bytes_of(x) for x in await restarted.take(10, 60))
    assert bytes_by_name == {"before": [], "after": [MARK + b" %d" % n for n in range(3)]}


async def test_a_commit_that_fails_reaches_every_publisher_and_leaves_no_rows(
    axis: EmbeddedAxis, tmp_path: Path, pool: ThreadPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G2: a parcel whose end never reached the disk comes again with its bytes."""
    commits = Commits(monkeypatch)
    commits.failing = True
    outcomes = await asyncio.gather(*(axis.publish(x, ["Z92"]) for x in numbered(3)), return_exceptions=True)
    commits.failing = False
    assert [type(x) for x in outcomes] == [Unreachable] * 3
    assert query_queue(tmp_path / "axis", "SELECT count(*) FROM payload") == [(0,)]
    assert (await axis.publish(parcel("after", MARK), ["Z92"]))["Z92"].fate is Fate.DELIVERED
    (arrival,) = await axis.take(10, 60)
    assert arrival.packet_id == "after"

    commits.failing = True
    with pytest.raises(Unreachable):
        await axis.settle(arrival, is_done=True)
    commits.failing = False
    later_clock = ManualClock()
    later_clock.advance(61)
    async with EmbeddedAxis(tmp_path / "axis", "one", later_clock, pool) as restarted:
        assert [bytes_of(x) for x in await restarted.take(1, 60)] == [MARK]


async def test_while_another_process_writes_the_loop_goes_on_and_a_file_that_stays_locked_heals(
    axis: EmbeddedAxis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "axis" / "axis.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        mine = asyncio.create_task(axis.publish(parcel(), ["Z92"]))
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not mine.done()
        assert await axis.unhosted(["Z92", "Z99"]) == frozenset({"Z99"})  # a reader waits for no lock
        other.execute("COMMIT")
        assert (await mine)["Z92"].fate is Fate.DELIVERED

        monkeypatch.setattr(queue_file, "BUSY_S", 0.05)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unreachable, match="locked"):
            await axis.publish(parcel(), ["Z92"])
    assert (await axis.publish(parcel(), ["Z92"]))["Z92"].fate is Fate.DELIVERED
