"""Ready is what it says: a disk without room, a database that is gone, an old schema and a process that goes make a node
unready with one word each, and it is ready again by itself. An axis that is down does not stop intake."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import text

from gateway.errors import StoreFailure
from gateway.ops import metrics
from gateway.ops.metrics import Watch
from gateway.ports import AxisState
from gateway.store import data_folder
from gateway.store.data_folder import Room
from gateway.workers import couriers
from gateway.workers.pulse import EVERY, HEARD_LATELY
from tests.support.clock import START
from tests.support.faulty import lose_database
from tests.support.node import LEASE_S, Town, opened

MB = 1024 * 1024


class Time:
    """The seconds that a watch counts; a test says when they pass."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def watch(town: Town, time: Time) -> Watch:
    """Of a node whose workers have sealed what happened while it was set up."""
    await town.node.store.number_events()
    await town.node.sealer.step()
    await town.node.pulse.beat()
    return Watch(node=town.node, now_s=time)


async def checks(watch: Watch, time: Time) -> dict[str, str]:
    """What a look finds now, not what was found two seconds ago."""
    time.s += metrics.REMEMBERED_S
    return dict((await watch.ready()).checks)


async def test_a_healthy_node_is_ready_and_one_that_goes_is_not_and_is_alive_to_the_end(watch: Watch) -> None:
    ready, alive = await watch.ready(), await watch.alive()

    assert ready.well
    assert not ready.degraded
    assert ready.checks == {"database": "ok", "disk": "ok", "axis": "ok", "log": "ok", "workers": "ok"}
    assert alive.well

    assert (await watch.ready()).well

    watch.drain()

    found = await watch.ready()
    assert not found.well
    assert found.checks == {"process": "draining"}
    assert (await watch.alive()).well


async def test_a_node_without_a_living_worker_is_degraded_and_stays_ready(
    watch: Watch, town: Town, time: Time
) -> None:
    """A balancer that heeds it must not drop every process that answers."""
    town.clock.advance(HEARD_LATELY)
    missed = await watch.ready()
    await town.node.pulse.beat(works=False)
    only_answers = await checks(watch, time)
    town.clock.advance(EVERY)
    await town.node.pulse.beat()

    assert (missed.well, missed.degraded, missed.checks["workers"]) == (True, True, "none")
    assert only_answers["workers"] == "none"
    assert (await checks(watch, time))["workers"] == "ok"


async def test_however_often_it_is_asked_it_looks_every_two_seconds(
    watch: Watch, town: Town, time: Time
) -> None:
    first = await watch.ready()
    time.s += metrics.REMEMBERED_S - 0.1

    assert all(each is first for each in await asyncio.gather(*(watch.ready() for _ in range(50))))
    time.s += 0.1
    assert await watch.ready() is not first


async def test_a_schema_that_moved_on_or_a_database_that_is_gone_makes_it_unready(
    watch: Watch, town: Town, time: Time
) -> None:
    async with town.node.store.writer.connect() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await connection.commit()
    time.s += metrics.SCHEMA_EVERY_S
    assert (await checks(watch, time))["database"] == "newer-schema"

    await lose_database(town)
    assert (await checks(watch, time))["database"] == "down"


def test_the_axis_has_one_word_for_each_state() -> None:
    rows = [
        (AxisState(), "ok"),
        (AxisState(connected_since=START), "ok"),
        (AxisState(down_since=START, reason="refused"), "down"),
        (AxisState(connected_since=START, blocked_since=START, reason="memory"), "blocked"),
    ]
    assert [metrics.axis_word(state) for state, _ in rows] == [word for _, word in rows]


@pytest.fixture
async def cramped(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Town, Path]]:
    """A node on a file system in memory, where it keeps back all but half a gigabyte of what is free: others use it too. It
    is filled faster than any disk."""
    monkeypatch.setattr(data_folder, "_ENOUGH_FOR_S", 0.0)
    with TemporaryDirectory(dir="/dev/shm", prefix="gateway-") as folder:
        async with opened(Path(folder) / "node") as town:
            free = Room(folder=Path(folder), reserve=1).space().bytes
            room = Room(folder=town.node.room.folder, reserve=free - 512 * MB)
            town.node.blobs._room = room
            town.node = replace(town.node, room=room)
            yield town, Path(folder) / "ballast"


def fill(ballast: Path) -> None:
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1024 * MB)


async def test_a_full_disk_stops_intake_and_landing_loses_nothing_and_heals_by_itself(
    cramped: tuple[Town, Path], time: Time
) -> None:
    town, ballast = cramped
    watch, intake = Watch(node=town.node, now_s=time), couriers.Intake()
    await town._host()
    await town.send("14")
    await town.pack()
    await town.dispatch()
    rows = {table: await town.count(table) for table in ("outgoing_document", "delivery", "blob", "event")}

    fill(ballast)
    with pytest.raises(StoreFailure) as refused:
        await town.send("15")
    with pytest.raises(StoreFailure):
        await intake.step(town.node.inn, 10, LEASE_S)

    assert refused.value.code == "GW-S-507"
    assert (await checks(watch, time))["disk"] == "full"
    assert {table: await town.count(table) for table in rows} == rows
    assert await town.count("inbox") == 0
    with pytest.raises(StoreFailure):
        await intake.step(town.node.inn, 10, LEASE_S)

    ballast.unlink()
    town.clock.advance(timedelta(seconds=LEASE_S))

    assert (await checks(watch, time))["disk"] == "ok"
    assert await intake.step(town.node.inn, 10, LEASE_S)
    assert await town.count("inbox") == 1
    await town.send("15")
    assert list((town.node.settings.node.data_dir / "content" / "scratch").glob("*")) == []
