"""Two nodes on a vhost of a real broker: one sends from Z91, two receives for Z92, each over a line that a test may cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.pool import ThreadPool
from gateway.ports import Fate
from gateway.transport.amqp.axis import AmqpAxis, AmqpOptions
from tests.support.broker import Broker
from tests.support.parcels import parcel
from tests.support.tcp_proxy import TcpProxy
from tests.support.topology import Topology, axis_of


@dataclass(kw_only=True)
class Stage:
    """Node one sends from Z91, node two receives for Z92, until a test says otherwise."""

    topology: Topology
    out_line: TcpProxy
    in_line: TcpProxy
    pool: ThreadPool
    folder: Path
    stack: AsyncExitStack

    async def sender(self, options: AmqpOptions | None = None) -> AmqpAxis:
        return await self.axis("one", ["Z91"], self.out_line, options)

    async def receiver(self, options: AmqpOptions | None = None, codes: Sequence[str] = ("Z92",)) -> AmqpAxis:
        return await self.axis("two", codes, self.in_line, options)

    async def axis(
        self, node: str, codes: Sequence[str], line: TcpProxy, options: AmqpOptions | None = None
    ) -> AmqpAxis:
        axis = axis_of(self.topology, node, self.folder, self.pool, port=line.port, options=options)
        await self.stack.enter_async_context(axis)
        await axis.host(codes)
        return axis


@asynccontextmanager
async def staged(broker: Broker, folder: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        topology = Topology(broker)
        stack.callback(topology.remove)
        topology.host({"one": ["Z91"], "two": ["Z92"]})
        pool = ThreadPool(2)
        stack.callback(pool.close)
        lines = [await stack.enter_async_context(TcpProxy(broker.host, broker.port)) for _ in range(2)]
        yield Stage(
            topology=topology, out_line=lines[0], in_line=lines[1], pool=pool, folder=folder, stack=stack
        )


@pytest.fixture
async def stage(broker: Broker, tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(broker, tmp_path) as made:
        yield made


async def until_delivered(axis: AmqpAxis, content: bytes, packet_id: str = "p1") -> bool:
    """As the courier does: what may heal is tried again."""
    async with asyncio.timeout(60):
        while (await axis.publish(parcel(packet_id, content), ["Z92"]))["Z92"].fate is Fate.LATER:
            pass
    return True
