"""A joined packet is at the counter, or lies where a person sees it; nothing is held or offered for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.errors import StoreFailure
from gateway.pool import ThreadPool
from gateway.ports.axis import Arrival, DeadParcel
from gateway.transport.amqp.consumer import Assembly
from gateway.transport.amqp.dead import ParkedSets
from gateway.transport.amqp.handout import HandOut, Hosted
from gateway.transport.amqp.parts_spool import Spool
from tests.support.clock import ManualClock
from tests.support.parts import LIMITS, cut, land, opened

PACKET = b"the bytes of one large packet, cut into parts"
OFFERS = 3


@dataclass(kw_only=True)
class Desk:
    """One node's counter over a folder of parts."""

    folder: Path
    clock: ManualClock
    pool: ThreadPool
    hosted: Hosted
    handout: HandOut
    spool: Spool
    aside_sets: ParkedSets
    assembly: Assembly

    def sent(self, content: bytes = PACKET, *numbers: int, to: Sequence[str]) -> None:
        parts = cut(content)
        for n in numbers or range(1, len(parts) + 1):
            land(self.spool, parts[n - 1], to=to)

    async def take(self) -> Sequence[Arrival]:
        self.assembly.look_soon()
        await self.assembly.offer(10)
        return self.handout.take(10, 60)

    async def settled(self, arrivals: Sequence[Arrival], *, is_done: bool) -> None:
        for arrival in arrivals:
            await self.handout.settle(arrival.token, is_done=is_done)

    def dead(self) -> Sequence[DeadParcel]:
        return self.aside_sets.list()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock, pool, hosted, handout = ManualClock(), ThreadPool(1), Hosted(), HandOut()
    limits = replace(LIMITS, offers=OFFERS)
    folder = tmp_path / "parts"
    spool, aside_sets = opened(folder, clock, limits), ParkedSets(folder, limits)
    hosted.set(["Z92.01"])
    assembly = Assembly(spool, aside_sets, limits, hosted, handout, clock, pool, "n2")
    yield Desk(
        folder=folder,
        clock=clock,
        pool=pool,
        hosted=hosted,
        handout=handout,
        spool=spool,
        aside_sets=aside_sets,
        assembly=assembly,
    )
    await handout.close()
    await assembly.close()
    pool.close()


async def test_a_try_that_broke_off_is_given_up_when_only_another_nodes_agency_is_left(desk: Desk) -> None:
    desk.sent(PACKET, 1, 2, to=["Z92.01", "Z93"])
    desk.sent(to=["Z92.01"])
    await desk.settled(await desk.take(), is_done=True)
    desk.clock.advance(LIMITS.age)

    second = Assembly(
        desk.spool, desk.aside_sets, LIMITS, desk.hosted, desk.handout, desk.clock, desk.pool, "n2"
    )
    await second.offer(10)

    assert desk.handout.take(10, 60) == []
    assert desk.spool.counts()["sets"] == 0
    assert desk.dead() == []


async def test_a_whole_packet_whose_agency_left_is_with_the_dead_and_lands_when_it_is_back(
    desk: Desk,
) -> None:
    desk.sent(to=["Z92.01"])
    desk.hosted.set(["Z92.05"])

    assert await desk.take() == []
    (dead,) = desk.dead()
    assert (dead.packet_id, dead.recipient, dead.size) == ("p1", "z92.01", len(PACKET))
    assert "none of its codes is hosted here any more" in dead.reason

    await desk.assembly.hosting_changed()
    assert len(desk.dead()) == 1
    desk.hosted.set(["Z92.01"])
    await desk.assembly.hosting_changed()
    (arrival,) = await desk.take()
    assert arrival.recipient == "Z92.01"
    assert desk.dead() == []


async def test_what_is_never_settled_is_with_the_dead_after_the_limit(desk: Desk) -> None:
    desk.sent(to=["Z92.01"])
    delivery_counts = []
    for _ in range(OFFERS):
        arrivals = await desk.take()
        delivery_counts += [arrival.deliveries for arrival in arrivals]
        await desk.settled(arrivals, is_done=False)

    assert await desk.take() == []
    assert delivery_counts == [1, 2, 3]
    (dead,) = desk.dead()
    assert dead.deliveries == OFFERS
    assert dead.reason == "a packet of 5 parts: handed out 3 times and never settled"

    await desk.assembly.hosting_changed()
    assert await desk.take() == []
    desk.aside_sets.retry(dead.id)
    (arrival,) = await desk.take()
    assert arrival.deliveries == 1


async def test_a_disk_that_fails_at_the_overdue_takes_nothing_from_what_was_joined(desk: Desk) -> None:
    desk.sent(to=["Z92.01"])
    desk.sent(b"another packet, cut off", 1, to=["Z92.01"])
    desk.clock.advance(LIMITS.age)
    (broken,) = [
        path.parent / "hold" for path in desk.folder.rglob("000000001-*") if path.read_bytes()[:1] == b"a"
    ]
    broken.unlink()
    broken.mkdir()

    with pytest.raises(StoreFailure):
        await desk.assembly.offer(10)

    (arrival,) = desk.handout.take(10, 60)
    assert arrival.size == len(PACKET)
