"""A cluster of brokers loses one member: a parcel for several recipients is taken or put off, and never called unroutable,
whichever member it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.pool import ThreadPool
from gateway.ports.axis import Fate
from gateway.transport.amqp.axis import AmqpAxis
from tests.services import rabbit
from tests.services.rabbit import Cluster
from tests.support.broker import Broker
from tests.support.parcels import parcel
from tests.support.services import missing
from tests.support.topology import Topology, axis_of
from tests.support.waiting import wait_until

HOSTS = {"north": ["Z91"], "south": ["Z92", "Z92.01"]}
EVERYBODY = ["Z91", "Z92", "Z92.01"]

pytestmark = [pytest.mark.timeout(300)]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    if not rabbit.installed():
        missing("RabbitMQ is not installed")
    brokers = await asyncio.to_thread(rabbit.start, tmp_path, 3)
    yield brokers
    await asyncio.to_thread(brokers.stop)


def _axis_over(member: rabbit.BrokerNode) -> Broker:
    return Broker(
        host="127.0.0.1",
        port=member.amqp_port,
        api=member.api,
        vhost="lienthong",
        user=rabbit.ADMIN,
        password=member.password,
    )


async def test_no_recipient_is_called_unroutable_while_a_member_is_away(
    cluster: Cluster, tmp_path: Path
) -> None:
    broker = _axis_over(cluster.nodes[0])
    broker.ask("PUT", "/api/vhosts/{vhost}", {})
    rights = {"configure": ".*", "write": ".*", "read": ".*"}
    broker.ask("PUT", f"/api/permissions/{{vhost}}/{rabbit.ADMIN}", rights)
    topology = Topology(broker)
    await asyncio.to_thread(topology.host, HOSTS)
    pool = ThreadPool(2)

    for n, member in enumerate(cluster.nodes):
        other = cluster.nodes[(n + 1) % len(cluster.nodes)]
        async with axis_of(topology, "north", tmp_path / str(n), pool, port=other.amqp_port) as axis:
            await asyncio.to_thread(member.kill)
            fates = await _fates_until_delivered(axis, n)
            await asyncio.to_thread(member.start)

        assert Fate.NEVER not in fates, f"while member {n} was away"

    pool.close()


async def _fates_until_delivered(axis: AmqpAxis, n: int) -> set[Fate]:
    """Publish one parcel again until each recipient has it; return all fates."""
    fates: set[Fate] = set()

    async def is_decided() -> bool:
        published = await axis.publish(parcel(f"pkt_{n}", f"parcel {n}".encode()), EVERYBODY)
        outcomes = {outcome.fate for outcome in published.values()}
        fates.update(outcomes)
        return outcomes == {Fate.DELIVERED} or Fate.NEVER in outcomes

    await wait_until(is_decided, "everybody has it")
    return fates
