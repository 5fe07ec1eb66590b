"""A maintenance in the middle of mail: two real nodes with their workers; first one, then both exchange nothing
for a while. Mail and statuses wait where they are, and each arrives once when it is over."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.domain.document import OutgoingDocument
from gateway.errors import InMaintenance
from gateway.settings import Settings
from gateway.store import maintenance
from tests.support.clock import MovableClock
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Town, opened
from tests.support.town.builder import at_work
from tests.support.waiting import wait_until

HOURS = timedelta(hours=2)


@dataclass(kw_only=True)
class Pair:
    """Two nodes on one axis: the department's, and the one of the province and the commune."""

    clock: MovableClock
    north: Town
    south: Town

    async def pause(self, town: Town) -> None:
        """State a maintenance as another process does, and wait until the node knows it."""
        node = town.node
        await maintenance.begin(node.store, self.clock, "prn_operator", self.clock.now() + HOURS, "Nâng cấp")
        await wait_until(lambda: node.maintenance.current, "a node that knows of its maintenance")

    async def turn_loops(self, town: Town) -> None:
        """Wake each loop that exchanges until it has taken a step or two."""
        pulse, names = town.node.pulse, set(town.node.pulse.loops()) & set(maintenance.EXCHANGING)
        for _ in range(2):
            start = pulse.now_s()
            town.node.store.wake.ring(*names)
            await wait_until(lambda: all(pulse._turned[n] > start for n in names), "loops that turned")  # noqa: B023

    async def arrived(self, document: OutgoingDocument) -> int:
        return len([d for d in await self.south.incoming(PROVINCE) if d.document_id == document.document_id])

    async def has_state(self, document: OutgoingDocument, state: str) -> bool:
        return bool((await self.north.delivery(document)).state == state)

    async def waits_on_axis(self, count: int) -> bool:
        return (await self.north.node.axis.counts())["waiting"] == count


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    clock, codes = MovableClock(), {"north": [DEPARTMENT], "south": [PROVINCE, COMMUNE]}
    towns: dict[str, Town] = {}

    def beside_north(name: str, settings: Settings) -> Settings:
        """Put the south, a copy of the same stage, on the axis of the north under a name of its own."""
        if name == "north":
            return settings
        folder = tmp_path / "north" / settings.axis.folder.relative_to(tmp_path / name)
        return replace(
            settings, node=replace(settings.node, name=name), axis=replace(settings.axis, folder=folder)
        )

    async with AsyncExitStack() as stack:
        for name in codes:
            town = opened(tmp_path / name, clock, change=partial(beside_north, name))
            towns[name] = await stack.enter_async_context(town)
            await stack.enter_async_context(at_work(towns[name]))
        for name, own in codes.items():
            await wait_until(partial(_has_named_codes, towns[name]), "a node that named its codes")
            # Each was set up for all three agencies.
            await towns[name].node.axis.host(own)
        yield Pair(clock=clock, north=towns["north"], south=towns["south"])


def _has_named_codes(town: Town) -> bool:
    settings = town.node.settings
    with closing(sqlite3.connect(settings.axis.folder / "axis.sqlite")) as axis:
        query = "SELECT code FROM hosting WHERE node = ?"
        return len(axis.execute(query, (settings.node.name,)).fetchall()) > len((DEPARTMENT, PROVINCE))


async def test_mail_and_statuses_wait_during_a_maintenance_and_each_arrives_once_after_it(pair: Pair) -> None:
    first = await pair.north.send("15")
    await wait_until(
        partial(pair.has_state, first, "delivered"), "mail before the maintenance, and its answer"
    )

    await pair.pause(pair.south)
    second = await pair.north.send("16")
    await wait_until(partial(pair.waits_on_axis, 1), "mail that waits on the axis")
    document = (await pair.south.incoming(PROVINCE))[0]
    await pair.south.status(document, "03")
    await pair.pause(pair.north)
    with pytest.raises(InMaintenance) as refused:
        await pair.north.send("17")

    await pair.turn_loops(pair.south)
    await pair.turn_loops(pair.north)
    assert float(str(refused.value.params["seconds"])) > HOURS.total_seconds() / 2
    assert (await pair.arrived(second), await pair.waits_on_axis(1)) == (0, True)
    assert (await pair.north.delivery(first)).state == "delivered"

    pair.clock.skip(HOURS)
    await wait_until(partial(pair.arrived, second), "mail after the maintenance")
    await wait_until(partial(pair.has_state, first, "accepted"), "the status after the maintenance")
    third = await pair.north.send("17")
    await wait_until(partial(pair.arrived, third), "mail that is sent again")
    assert [await pair.arrived(d) for d in (first, second, third)] == [1, 1, 1]
