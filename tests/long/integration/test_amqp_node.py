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
from gateway.domain.document import InState, OutgoingDocument
from gateway.errors import Misconfigured
from gateway.transport.amqp.axis import AmqpAxis
from gateway_labs.demo import stage as demo
from tests.support.broker import Broker
from tests.support.node import PROVINCE, Town, opened
from tests.support.topology import topology_on
from tests.support.town.axes import CODES, over_broker
from tests.support.waiting import wait_until


@asynccontextmanager
async def town_over(broker: Broker, folder: Path) -> AsyncIterator[Town]:
    with topology_on(broker, {"town": CODES}) as topology:
        async with opened(folder, change=over_broker(topology, "town", part_mb=1)) as town:
            yield town


async def carry_until(town: Town, true: Callable[[], Awaitable[bool]]) -> None:
    async def carries() -> bool:
        await town.carry()
        return await true()

    await wait_until(carries, "what goes over the broker")


@pytest.mark.parametrize("size", [20_000, 3_000_000], ids=["one message", "in parts"])
async def test_a_document_goes_over_the_broker_and_its_receipt_comes_back(
    broker: Broker, tmp_path: Path, size: int
) -> None:
    async with town_over(broker, tmp_path / "node") as town:
        content = papers.content(size, 1)
        sent = await town.send("15", PROVINCE, files=(("15.pdf", content),))

        async def answered() -> bool:
            return await is_delivered(town, sent)

        await carry_until(town, answered)

        document = await town.only(PROVINCE)
        assert document.state is InState.NEW
        assert await town.read(document) == content
        assert (await town.inbox(PROVINCE))[0].transport_node == town.node.settings.node.name


async def is_delivered(town: Town, sent: OutgoingDocument) -> bool:
    return (await town.standing(sent)).word == "delivered"


async def test_the_settings_choose_the_axis_and_say_what_is_missing(broker: Broker, tmp_path: Path) -> None:
    with topology_on(broker, {"town": [PROVINCE]}) as topology:
        settings = over_broker(topology, "town")(demo.settings_for(tmp_path))
        async with open_axis(settings) as axis:
            assert isinstance(axis, AmqpAxis)
            assert (await axis.counts())["waiting"] == 0

    with pytest.raises(Misconfigured) as caught:
        broker_access(replace(settings, amqp=replace(settings.amqp, password=None)))
    assert "GATEWAY_AMQP_PASSWORD_FILE" in caught.value.hint
