"""A wrong clock does no harm: while it is far from the database server's nothing is claimed or sealed and the process is
not ready; days that never were end no document and purge nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.domain.diagnosis import check_words, condition
from gateway.errors import StoreFailure, Unreachable
from gateway.ops.checks import Watch
from gateway.ops.metrics import Scrape
from gateway.words.labels import say
from gateway.workers.clock_guard import LOOK_EVERY, ClockGuard
from tests.support.faulty import Faulty
from tests.support.node import LEASE_S, PROVINCE, Packet, Town, opened, recall_of
from tests.support.waiting import wait_until

DAY = timedelta(days=1)


class Server:
    """A database server whose clock is that far behind this machine's."""

    def __init__(self, town: Town) -> None:
        self.behind = timedelta()
        self.guard = ClockGuard(measure=self._measure, clock=town.clock, lease_s=LEASE_S)

    async def _measure(self) -> timedelta:
        return self.behind


def guarded(town: Town) -> tuple[Town, Server]:
    server = Server(town)
    return replace(town, node=replace(town.node, guard=server.guard)), server


@asynccontextmanager
async def working(town: Town) -> AsyncIterator[None]:
    """Run the loops of a worker process; enter the block when each of them has turned since then."""
    stop = asyncio.Event()
    town.node.pulse.take_beats()
    process = asyncio.create_task(town.node.run_workers(stop))
    try:
        await wait_until(
            lambda: {"clocks", "packer", "dispatcher", "sealer"} <= town.node.pulse._beats.keys(), "the loops"
        )
        yield
    finally:
        stop.set()
        await process


async def test_the_gap_is_measured_while_the_process_runs_and_follows_a_jump_at_once(town: Town) -> None:
    town, server = guarded(town)
    server.behind = timedelta(seconds=LEASE_S / 3)
    await server.guard.step()
    assert server.guard.agrees()

    town.clock.jump(timedelta(seconds=1))
    assert not server.guard.agrees()
    town.clock.jump(timedelta(seconds=-1))
    assert server.guard.agrees()

    server.behind = timedelta(minutes=-2)
    town.clock.advance(LOOK_EVERY)
    await server.guard.step()
    assert server.guard.gap() == timedelta(minutes=-2)
    assert not server.guard.agrees()


async def test_far_from_the_servers_clock_nothing_is_claimed_or_sealed_and_the_process_is_not_ready(
    town: Town,
) -> None:
    town, server = guarded(town)
    server.behind = timedelta(days=2)
    await server.guard.step()
    document = await town.send("15")
    head_before = await town.node.store.log.head()

    async with working(town):
        pass

    ready = await Watch(node=town.node).ready()
    scrape = text_string_to_metric_families((await Scrape(node=town.node).text()).decode())
    gaps = [sample.value for family in scrape for sample in family.samples if "clock_gap" in sample.name]
    assert (await town.delivery(document)).state == "queued"
    assert (await town.node.store.log.head()).seal == head_before.seal
    assert (condition(ready), check_words(ready)["clock"]) == ("not-well", "apart")
    assert gaps == [timedelta(days=2).total_seconds()]
    with pytest.raises(StoreFailure, match="apart") as refused:
        await server.guard.check()
    assert (refused.value.code, refused.value.permanent) == ("GW-S-511", False)


async def test_days_that_never_were_end_nothing_that_waits(town: Town) -> None:
    """Forwards by forty days, and back. Days that pass end it."""
    packet = town.forge(recall_of())
    await town.brought(packet)

    town.clock.jump(40 * DAY)
    async with working(town):
        pass
    ahead = await town.row(PROVINCE, packet)
    town.clock.jump(-40 * DAY)
    async with working(town):
        pass
    back = await town.row(PROVINCE, packet)

    async with working(town):
        town.clock.advance(4 * DAY)
        await wait_until(lambda: _ended(town, packet), "the end of the packet")

    assert (ahead.state, back.state) == ("waiting", "waiting")


async def test_each_loop_of_a_process_has_its_name_in_both_languages(town: Town) -> None:
    """The page of operations shows them all."""
    async with working(town):
        loops = town.node.pulse.loops()

    assert loops
    for name in loops:
        assert all(say(f"operating.loop.{name}", lang) for lang in ("vi", "en"))


async def _ended(town: Town, packet: Packet) -> bool:
    return (await town.row(PROVINCE, packet)).state == "quarantined"


async def test_a_jump_of_the_clock_fails_no_document_for_good(tmp_path: Path) -> None:
    """Not the first try after it, nor the tries of some hours; back again it is sent."""
    axis = Faulty("axis", "publish")
    axis.error = Unreachable("the axis does not answer")
    async with opened(tmp_path / "node", wrap=axis) as town:
        await town._host()
        document = await town.send("15")
        await town.pack()
        await town.dispatch()

        town.clock.jump(40 * DAY)
        for _ in range(8):
            town.clock.advance(timedelta(minutes=31))
            await town.dispatch()
        ahead = (await town.delivery(document)).state
        axis.error = None
        town.clock.jump(-40 * DAY)
        await town.dispatch()

        assert ahead == "sending"
        assert (await town.delivery(document)).state == "sent"
