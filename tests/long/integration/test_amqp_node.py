"""A whole node over the broker, on the wiring that its settings make: a document goes out, is taken in, and its 01 comes
back; a large one in parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench import papers
from gateway.bootstrap.axis import broker_access, open_axis
from gateway.demo import stage as demo
from gateway.domain.document import InState, OutgoingDocument
from gateway.errors import Misconfigured
from gateway.office.bootstrap.office import open_office
from gateway.settings import Secret, Settings
from gateway.transport.amqp.axis import AmqpAxis
from tests.support.broker import Broker
from tests.support.clock import ManualClock
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Town, opened
from tests.support.topology import Topology
from tests.support.waiting import until


@asynccontextmanager
async def town_over(broker: Broker, folder: Path) -> AsyncIterator[Town]:
    async with opened(folder):
        pass  # the stage is there now
    topology = Topology(broker)
    topology.host({"town": [PROVINCE, DEPARTMENT, COMMUNE]})
    clock = ManualClock()
    try:
        async with open_office(over(demo.settings_for(folder), topology), clock) as node:
            yield Town(node=node, clock=clock)
    finally:
        topology.remove()


def over(settings: Settings, topology: Topology) -> Settings:
    """The same node with the broker as its axis."""
    access = topology.access("town")
    return replace(
        settings,
        node=replace(settings.node, name=topology.name("town")),
        axis=replace(settings.axis, kind="amqp"),
        amqp=replace(
            settings.amqp,
            servers=str(access.servers[0]),
            vhost=access.vhost,
            password=Secret(access.password),
            part_mb=1,
        ),
    )


async def carried(town: Town, true: Callable[[], Awaitable[bool]]) -> None:
    async def step() -> bool:
        await town.carry()
        return await true()

    await until(step, "everything went its way")


@pytest.mark.parametrize("size", [20_000, 3_000_000], ids=["one message", "in parts"])
async def test_a_document_goes_over_the_broker_and_its_receipt_comes_back(
    broker: Broker, tmp_path: Path, size: int
) -> None:
    async with town_over(broker, tmp_path / "node") as town:
        content = papers.content(size, 1)
        sent = await town.send("15", PROVINCE, files=(("15.pdf", content),))

        async def answered() -> bool:
            return await is_delivered(town, sent)

        await carried(town, answered)

        taken = await town.only(PROVINCE)
        assert taken.state is InState.NEW
        assert await town.read(taken) == content
        assert (await town.inbox(PROVINCE))[0].transport_node == town.node.settings.node.name


async def is_delivered(town: Town, sent: OutgoingDocument) -> bool:
    return (await town.standing(sent)).shown == "delivered"


async def test_the_settings_choose_the_axis_and_say_what_is_missing(broker: Broker, tmp_path: Path) -> None:
    topology = Topology(broker)
    topology.host({"town": [PROVINCE]})
    settings = over(demo.settings_for(tmp_path), topology)
    try:
        async with open_axis(settings) as axis:
            assert isinstance(axis, AmqpAxis)
            assert (await axis.counts())["waiting"] == 0
    finally:
        topology.remove()

    with pytest.raises(Misconfigured) as caught:
        broker_access(replace(settings, amqp=replace(settings.amqp, password=None)))
    assert "GATEWAY_AMQP_PASSWORD_FILE" in caught.value.hint
