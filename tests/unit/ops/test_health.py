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

from gateway.domain.diagnosis import Tag, check_words, condition
from gateway.errors import StoreFailure
from gateway.ops.checks import KEPT_FOR, Watch
from gateway.ops.subject import SCHEMA_EVERY
from gateway.ports.axis import AxisState
from gateway.store import data_folder
from gateway.store.data_folder import Room
from gateway.workers import couriers
from gateway.workers.heartbeat import EVERY, HEARD_LATELY
from tests.support.clock import START
from tests.support.faulty import lose_database
from tests.support.node import LEASE_S, Town, opened

MB = 1024 * 1024


@pytest.fixture
async def watch(town: Town) -> Watch:
    """Watch a node whose workers have sealed the events of its own set-up."""
    await town.node.store.number_events()
    await town.node.sealer.step()
    await town.node.pulse.beat()
    return Watch(node=town.node)


async def checks(watch: Watch, town: Town) -> dict[str, str]:
    """Return the findings of a new look, not those of two seconds ago."""
    town.clock.advance(KEPT_FOR[Tag.READY])
    return check_words(await watch.ready())


async def test_a_healthy_node_is_ready_and_one_that_goes_is_not_and_is_alive_to_the_end(watch: Watch) -> None:
    ready, alive = await watch.ready(), await watch.alive()

    assert condition(ready) == condition(alive) == condition(await watch.ready()) == "ok"
    assert check_words(ready) == dict.fromkeys(("database", "disk", "axis", "log", "workers"), "ok")

    watch.drain()

    report = await watch.ready()
    assert (condition(report), check_words(report)) == ("not-well", {"process": "draining"})
    assert condition(await watch.alive()) == "ok"


async def test_a_node_without_a_living_worker_is_degraded_and_stays_ready(watch: Watch, town: Town) -> None:
    """A balancer that heeds it must not drop every process that answers."""
    town.clock.advance(HEARD_LATELY)
    missed = await watch.ready()
    await town.node.pulse.beat(works=False)
    only_answers = await checks(watch, town)
    town.clock.advance(EVERY)
    await town.node.pulse.beat()

    assert (condition(missed), check_words(missed)["workers"]) == ("degraded", "none")
    assert only_answers["workers"] == "none"
    assert (await checks(watch, town))["workers"] == "ok"


async def test_however_often_it_is_asked_it_looks_every_two_seconds(watch: Watch, town: Town) -> None:
    first = await watch.ready()
    town.clock.advance(1.9)

    assert all(report is first for report in await asyncio.gather(*(watch.ready() for _ in range(50))))
    town.clock.advance(0.1)
    assert await watch.ready() is not first


async def test_a_schema_that_moved_on_or_a_database_that_is_gone_makes_it_unready(
    watch: Watch, town: Town
) -> None:
    async with town.node.store.writer.connect() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await connection.commit()
    town.clock.advance(SCHEMA_EVERY)
    assert (await checks(watch, town))["database"] == "newer-schema"

    await lose_database(town)
    assert (await checks(watch, town))["database"] == "down"


def test_the_axis_has_one_word_for_each_state() -> None:
    rows = [
        (AxisState(), "idle"),
        (AxisState(connected_since=START), "up"),
        (AxisState(connected_since=START, down_since=START, reason="one of two"), "partly"),
        (AxisState(down_since=START, reason="refused"), "down"),
        (AxisState(connected_since=START, blocked_since=START, reason="memory"), "blocked"),
    ]
    assert [state.word for state, _ in rows] == [word for _, word in rows]


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
    cramped: tuple[Town, Path],
) -> None:
    town, ballast = cramped
    watch, intake = Watch(node=town.node), couriers.Intake()
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
    assert (await checks(watch, town))["disk"] == "full"
    assert {table: await town.count(table) for table in rows} == rows
    assert await town.count("inbox") == 0
    with pytest.raises(StoreFailure):
        await intake.step(town.node.inn, 10, LEASE_S)

    ballast.unlink()
    town.clock.advance(timedelta(seconds=LEASE_S))

    assert (await checks(watch, town))["disk"] == "ok"
    assert await intake.step(town.node.inn, 10, LEASE_S)
    assert await town.count("inbox") == 1
    await town.send("15")
    assert list((town.node.settings.node.data_dir / "content" / "scratch").glob("*")) == []
