"""Two nodes and a broker between them, and a province on a broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from gateway.ports.axis import DeadParcel
from gateway.transport.amqp.access import Access
from gateway.transport.amqp.axis import AmqpAxis
from tests.support.broker import Broker
from tests.support.provisioned import Province, province
from tests.support.town.rigs import Stage, staged
from tests.support.waiting import wait_until


@pytest.fixture
async def stage(broker: Broker, tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(broker, tmp_path) as stage:
        yield stage


@pytest.fixture
def nodes(broker: Broker) -> Iterator[Province]:
    with province(broker) as nodes:
        yield nodes


@asynccontextmanager
async def channel_of(access: Access) -> AsyncIterator[AbstractChannel]:
    """A channel with the rights of a node, and none of our program behind it."""
    server = access.servers[0]
    connection = await aio_pika.connect(
        host=server.host,
        port=server.port,
        login=access.user,
        password=access.password,
        virtualhost=access.vhost,
    )
    async with connection:
        yield await connection.channel(publisher_confirms=True, on_return_raises=True)


async def dead(axis: AmqpAxis, count: int = 1) -> Sequence[DeadParcel]:
    """Return the list once the broker has put so many there."""

    async def are_dead() -> bool:
        return (await axis.counts())["dead"] == count

    await wait_until(are_dead, f"{count} dead")
    return await axis.dead_list()
