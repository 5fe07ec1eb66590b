"""What a node's user may not do on the broker, tried against a real one: each is refused, not only left undone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused

from gateway.errors import Denied
from gateway.transport.amqp import topology
from gateway.transport.broker import management
from tests.support.cases import Cases
from tests.support.provisioned import Province

NORMAL = topology.LANES[1]
Try = Callable[[AbstractChannel, str, str], Awaitable[object]]


@pytest.fixture
async def channel(nodes: Province) -> AsyncIterator[AbstractChannel]:
    """Open a channel of the node `north`; the other node is `south`."""
    await nodes.bring({"Z91": "north", "Z92": "south"})
    async with nodes.session("north") as line:
        yield await line.channel(on_return_raises=True)


async def send(channel: AbstractChannel, exchange: str, key: str, user: str | None = None) -> None:
    target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    await target.publish(aio_pika.Message(b"x", user_id=user), key, mandatory=True)


async def get(channel: AbstractChannel, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).get(fail=False)


async def consume(channel: AbstractChannel, queue: str) -> None:
    async def ignored(_: object) -> None:
        """Ignore a message; none ever comes."""

    await (await channel.get_queue(queue, ensure=False)).consume(ignored)


async def purge(channel: AbstractChannel, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).purge()


async def bind(channel: AbstractChannel, queue: str, key: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).bind("lienthong.normal", key)


async def unbind(channel: AbstractChannel, queue: str, key: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).unbind("lienthong.normal", key)


async def with_cc(channel: AbstractChannel, north: str, south: str) -> None:
    target = await channel.get_exchange(topology.DEAD_EXCHANGE, ensure=False)
    message = aio_pika.Message(b"x", headers={"CC": [south]})
    await target.publish(message, north, mandatory=True)


REFUSED: dict[str, Try] = {
    "read another node's lane": lambda channel, _, south: get(channel, topology.lane_queue(south, NORMAL)),
    "read another node's dead": lambda channel, _, south: get(channel, topology.dead_queue(south)),
    "follow another node's lane": lambda channel, _, south: consume(
        channel, topology.lane_queue(south, NORMAL)
    ),
    "empty another node's lane": lambda channel, _, south: purge(channel, topology.lane_queue(south, NORMAL)),
    "read the sink": lambda channel, *_: get(channel, topology.SINK_QUEUE),
    "make a queue": lambda channel, *_: channel.declare_queue("lienthong.own.normal", durable=True),
    "make a nameless queue": lambda channel, *_: channel.declare_queue(exclusive=True),
    "make an exchange": lambda channel, *_: channel.declare_exchange("own"),
    "take another code": lambda channel, north, _: bind(channel, topology.lane_queue(north, NORMAL), "z92"),
    "let go of its own code": lambda channel, north, _: unbind(
        channel, topology.lane_queue(north, NORMAL), "z91"
    ),
    "take a code from another": lambda channel, _, south: unbind(
        channel, topology.lane_queue(south, NORMAL), "z92"
    ),
    "delete its own queue": lambda channel, north, _: channel.queue_delete(
        topology.lane_queue(north, NORMAL)
    ),
    "delete another node's queue": lambda channel, _, south: channel.queue_delete(
        topology.lane_queue(south, NORMAL)
    ),
    "delete a lane": lambda channel, *_: channel.exchange_delete("lienthong.normal"),
    "write past the lanes": lambda channel, _, south: send(channel, "", topology.lane_queue(south, NORMAL)),
    "write to another node's dead": lambda channel, _, south: send(channel, topology.DEAD_EXCHANGE, south),
    "write to its own dead": lambda channel, north, _: send(channel, topology.DEAD_EXCHANGE, north),
    "write to several dead": with_cc,
    "write to somebody's exchange": lambda channel, *_: send(channel, "amq.direct", "z92"),
}


async def test_the_broker_refuses_a_node_each_forbidden_act(nodes: Province, cases: Cases) -> None:
    """Each on a channel of its own, as the broker closes one that asked for too much."""
    await nodes.bring({"Z91": "north", "Z92": "south"})
    async with nodes.session("north") as line:
        for name, attempt in REFUSED.items():
            channel = await line.channel(on_return_raises=True)
            with cases.case(name), pytest.raises(ChannelAccessRefused):
                await attempt(channel, nodes.node("north"), nodes.node("south"))


@pytest.mark.parametrize("exchange", ["lienthong.urgent", "lienthong.normal", "lienthong.hosted"])
async def test_threat_085_a_node_may_not_send_in_another_nodes_name(
    nodes: Province, channel: AbstractChannel, exchange: str
) -> None:
    with pytest.raises(ChannelPreconditionFailed, match="user_id"):
        await send(channel, exchange, "z92", user=nodes.node("south"))


async def test_a_nodes_user_enters_neither_the_management_api_nor_another_vhost(nodes: Province) -> None:
    await nodes.bring({"Z91": "north"})
    north = nodes.node("north")

    with pytest.raises(Denied):
        async with management.opened(nodes.api, north, nodes.passwords[north], nodes.broker.vhost) as line:
            await line.state()
    entered = nodes.broker.ask("GET", f"/api/users/{north}/permissions")
    assert [vhost["vhost"] for vhost in entered] == [nodes.broker.vhost]
    assert nodes.broker.ask("GET", f"/api/users/{north}")["tags"] == []
