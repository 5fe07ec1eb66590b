"""Mail under way on the axis is counted with the parcels that other processes of the node report to hold; an axis that
takes nothing from them, or that they cannot reach, is not called well."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.ops import axis_view
from gateway.pool import ThreadPool
from gateway.ports.axis import AxisState
from gateway.transport.embedded import EmbeddedAxis
from gateway.workers.heartbeat import HEARD_LATELY, Pulse, own_name
from tests.support.clock import START, ManualClock
from tests.support.parcels import parcel

HELD_ROWS = {"waiting": 5, "urgent": 2, "fetched": 5, "leased": 3}


@pytest.fixture
async def axis(tmp_path: Path) -> AsyncIterator[EmbeddedAxis]:
    pool = ThreadPool(1)
    async with EmbeddedAxis(tmp_path / "axis", "one", ManualClock(), pool) as opened:
        await opened.host(["Z92"])
        await opened.publish(parcel(), ["Z92"])
        yield opened
    pool.close()


def beat(folder: Path, process: str, at: datetime, holds: object = HELD_ROWS, **more: object) -> None:
    folder.mkdir(exist_ok=True)
    heartbeat = {"at": at.isoformat(), "since": START.isoformat(), "stuck": [], "holds": holds, **more}
    (folder / f"{process}.json").write_text(json.dumps(heartbeat), encoding="utf-8")


async def test_what_the_workers_of_other_processes_hold_is_counted(
    axis: EmbeddedAxis, tmp_path: Path
) -> None:
    for process in ("here-1", "there-2"):
        beat(tmp_path / "beats", process, START - timedelta(seconds=9))

    view = await axis_view.look(axis, tmp_path / "beats", START)

    assert view.counts == {"waiting": 11, "urgent": 4, "leased": 6, "dead": 0, "fetched": 10}
    assert view.state.connected_since is not None


async def test_what_this_process_holds_is_not_counted_twice_and_a_silent_one_holds_nothing(
    axis: EmbeddedAxis, tmp_path: Path
) -> None:
    beat(tmp_path / "beats", own_name(), START)
    beat(tmp_path / "beats", "died-3", START - HEARD_LATELY)
    beat(tmp_path / "beats", "odd-4", START, holds=["no", "table"])

    view = await axis_view.look(axis, tmp_path / "beats", START)

    assert view.counts == {"waiting": 1, "urgent": 0, "leased": 0, "dead": 0}


async def test_an_axis_that_blocks_the_worker_is_blocked_for_whoever_asks_from_another_process(
    axis: EmbeddedAxis, tmp_path: Path
) -> None:
    """A broker tells of its alarm only on a line that publishes."""
    pool, blocked = (
        ThreadPool(1),
        AxisState(connected_since=START, blocked_since=START, reason="short of memory"),
    )
    worker = Pulse(
        folder=tmp_path / "beats", clock=ManualClock(), pool=pool, axes=lambda: {"": blocked, "one": blocked}
    )
    await worker.beat()
    (tmp_path / "beats" / f"{own_name()}.json").rename(tmp_path / "beats" / "worker-1.json")
    pool.close()

    view = await axis_view.look(axis, tmp_path / "beats", START)
    states, _ = axis_view.collect_states(axis, tmp_path / "beats", START)
    silent = await axis_view.look(axis, tmp_path / "beats", START + HEARD_LATELY)

    assert (view.state.blocked_since, view.state.reason) == (START, "short of memory")
    assert states == view.state
    assert view.counts
    assert silent.state.blocked_since is None


async def test_since_when_the_node_is_connected_is_what_its_workers_say_and_not_the_line_of_a_command(
    axis: EmbeddedAxis, tmp_path: Path
) -> None:
    at = START - timedelta(hours=3)
    beat(tmp_path / "beats", "worker-1", START, axes={"": [at.isoformat(), "", "", ""]})

    view = await axis_view.look(axis, tmp_path / "beats", START)

    assert view.state.connected_since == at


async def test_an_axis_is_down_where_no_worker_reaches_it_though_a_command_does(
    axis: EmbeddedAxis, tmp_path: Path
) -> None:
    """A broker whose queue of the node was deleted still answers a command that only counts."""
    at = START.isoformat()
    beat(tmp_path / "beats", "worker-1", START, axes={"": ["", at, "", "NOT_FOUND: no queue"]})

    view = await axis_view.look(axis, tmp_path / "beats", START)

    assert (view.state.word, view.state.reason) == ("down", "NOT_FOUND: no queue")

    beat(tmp_path / "beats", "worker-2", START, axes={"": [at, "", "", ""]})
    assert (await axis_view.look(axis, tmp_path / "beats", START)).state.word == "partly"


async def test_a_beat_of_another_version_says_nothing_of_the_axis(axis: EmbeddedAxis, tmp_path: Path) -> None:
    beat(tmp_path / "beats", "newer-1", START, axes={"": ["", "", "", "", "a fifth word"]})
    beat(tmp_path / "beats", "older-2", START)

    view = await axis_view.look(axis, tmp_path / "beats", START)

    assert (view.state.down_since, view.state.blocked_since) == (None, None)
