"""The embedded axis vouches for the node that published a parcel, and takes over a queue file from before it did."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack, closing
from pathlib import Path

from gateway.pool import ThreadPool
from gateway.transport import queue_file
from gateway.transport.embedded import EmbeddedAxis
from tests.support.clock import ManualClock
from tests.support.parcels import bytes_of, parcel, settled

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
