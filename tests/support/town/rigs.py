"""Axes without a node. Each rig knows how to open nodes on one axis, how a consumer is lost, and how the whole axis is
closed and opened again; a stage is two nodes on a broker, each over a line that a test cuts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from gateway.clock import SystemClock
from gateway.domain.routes import Pattern, RouteTable, Rule
from gateway.pool import ThreadPool
from gateway.ports.axis import Fate, ManagedAxis, each_axis
from gateway.ports.services import Clock
from gateway.transport.amqp.axis import AmqpAxis, AmqpOptions
from gateway.transport.embedded import EmbeddedAxis
from gateway.transport.routed import RoutedAxis
from tests.support.broker import Broker
from tests.support.clock import LeaseClock
from tests.support.parcels import LEASE_S, parcel
from tests.support.tcp_proxy import TcpProxy
from tests.support.topology import Topology, axis_of, topology_on
from tests.support.waiting import PAUSE_S, wait_until


class Rig(Protocol):
    """One axis and its nodes, with an end for every promise that needs the outside world."""

    async def node(self, name: str, codes: Sequence[str]) -> ManagedAxis:
        """A node that hosts these codes; each call is a consumer of its own, also for the same name."""

    async def host(self, name: str, axis: ManagedAxis, codes: Sequence[str]) -> None:
        """Let that node host these codes, and the axis know it."""

    async def wait_for_parcels(self, axis: ManagedAxis, count: int) -> None:
        """Wait until so many parcels can be taken."""

    async def lose_consumer(self) -> None:
        """Lose the consumers that hold parcels: they never settle them, and the axis has noticed."""

    async def reopen(self) -> None:
        """Close everything and start the axis itself again; nodes must be opened anew."""

    async def dead(self) -> Sequence[tuple[str, str]]:
        """Packet ids on the dead list, each with its reason; at least one."""


class EmbeddedRig:
    """Nodes on one folder, with a clock that the tests move."""

    def __init__(self, folder: Path, pool: ThreadPool, poison_limit: int, max_bytes: int) -> None:
        self.folder, self.pool = folder, pool
        self.clock = LeaseClock()
        self.axes: list[EmbeddedAxis] = []
        self._poison_limit, self._max_bytes = poison_limit, max_bytes

    async def node(self, name: str, codes: Sequence[str]) -> EmbeddedAxis:
        axis = EmbeddedAxis(
            self.folder,
            name,
            self.clock,
            self.pool,
            poison_limit=self._poison_limit,
            max_bytes=self._max_bytes,
        )
        self.axes.append(axis)
        await axis.host(codes)
        return axis

    async def host(self, name: str, axis: ManagedAxis, codes: Sequence[str]) -> None:
        await axis.host(codes)

    async def wait_for_parcels(self, axis: ManagedAxis, count: int) -> None:
        assert (await axis.counts())["waiting"] == count

    async def lose_consumer(self) -> None:
        self.clock.advance(LEASE_S + 1)

    async def reopen(self) -> None:
        while self.axes:
            await self.axes.pop().close()

    async def dead(self) -> Sequence[tuple[str, str]]:
        axis = await self.node("operator", [])
        return [(parcel.packet_id, parcel.reason) for parcel in await axis.dead_list()]


class AmqpRig:
    """Nodes on one vhost of a real broker, behind a line that can be cut."""

    def __init__(
        self, topology: Topology, line: TcpProxy, folder: Path, pool: ThreadPool, options: AmqpOptions
    ) -> None:
        self.topology, self.line, self.folder, self.pool = topology, line, folder, pool
        self.axes: list[AmqpAxis] = []
        self._options, self._last = options, ""

    async def node(self, name: str, codes: Sequence[str]) -> AmqpAxis:
        self._last = name
        self.topology.host({name: codes})
        axis = axis_of(
            self.topology, name, self.folder, self.pool, port=self.line.port, options=self._options
        )
        self.axes.append(axis)
        await axis.__aenter__()
        await axis.host(codes)
        return axis

    async def host(self, name: str, axis: ManagedAxis, codes: Sequence[str]) -> None:
        self.topology.host({name: codes})
        await axis.host(codes)

    async def wait_for_parcels(self, axis: ManagedAxis, count: int) -> None:
        async def are_fetched() -> bool:
            await axis.wait(PAUSE_S)
            return (await axis.counts())["fetched"] >= count

        await wait_until(are_fetched, f"{count} parcels")

    async def lose_consumer(self) -> None:
        connected = [axis.state().connected_since for axis in self.axes]
        await self.line.cut()
        for axis, since in zip(self.axes, connected, strict=True):
            await wait_until(partial(_is_newer, axis, since), "connected again")

    async def reopen(self) -> None:
        while self.axes:
            await self.axes.pop().close()

    async def dead(self) -> Sequence[tuple[str, str]]:
        axis = self.axes[-1]

        async def any_dead() -> bool:
            return bool((await axis.counts())["dead"])

        await wait_until(any_dead, "a dead parcel")
        return [(parcel.packet_id, parcel.reason) for parcel in await axis.dead_list()]


def _is_newer(axis: AmqpAxis, since: object) -> bool:
    now = axis.state().connected_since
    return now is not None and now != since


class RoutedRig:
    """Nodes that are each on two axes: mail for Z92 goes by the first, everything else by the second."""

    def __init__(self, first: Rig, second: Rig) -> None:
        self._first, self._second = first, second
        self.axes: list[RoutedAxis] = []

    async def node(self, name: str, codes: Sequence[str]) -> RoutedAxis:
        axes = {"first": await self._first.node(name, codes), "second": await self._second.node(name, codes)}
        rules = (
            Rule(to=Pattern.read("Z92"), axes=("first",)),
            Rule(to=Pattern.read("*"), axes=("second",)),
        )
        axis = RoutedAxis(axes, RouteTable(rules), self.clock, patience_s=60.0, wait_s=60.0)
        self.axes.append(axis)
        await axis.host(codes)
        return axis

    @property
    def clock(self) -> Clock:
        return self._first.clock if isinstance(self._first, EmbeddedRig) else SystemClock()

    async def host(self, name: str, axis: ManagedAxis, codes: Sequence[str]) -> None:
        for rig, part in zip((self._first, self._second), each_axis(axis).values(), strict=True):
            await rig.host(name, part, codes)
        await axis.host(codes)

    async def wait_for_parcels(self, axis: ManagedAxis, count: int) -> None:
        async def all_waiting() -> bool:
            counts = await axis.counts()
            broker = isinstance(self._second, AmqpRig)
            await axis.wait(PAUSE_S)
            ours = await each_axis(axis)["first"].counts()
            return counts["waiting"] == count and (not broker or counts["fetched"] + ours["waiting"] == count)

        await wait_until(all_waiting, f"{count} parcels")

    async def lose_consumer(self) -> None:
        await self._first.lose_consumer()
        await self._second.lose_consumer()

    async def reopen(self) -> None:
        while self.axes:
            await self.axes.pop().close()
        await self._first.reopen()
        await self._second.reopen()

    async def dead(self) -> Sequence[tuple[str, str]]:
        return await self._first.dead()


@asynccontextmanager
async def embedded_rig(folder: Path, poison_limit: int, max_bytes: int) -> AsyncIterator[EmbeddedRig]:
    pool = ThreadPool(2)
    rig = EmbeddedRig(folder, pool, poison_limit, max_bytes)
    try:
        yield rig
    finally:
        await rig.reopen()
        pool.close()


@asynccontextmanager
async def amqp_rig(broker: Broker, folder: Path, poison_limit: int, max_bytes: int) -> AsyncIterator[AmqpRig]:
    async with AsyncExitStack() as stack:
        # The broker's limit counts how often a message comes back, which is one less than it is delivered.
        topology = stack.enter_context(topology_on(broker, {}, delivery_limit=poison_limit - 1))
        pool = ThreadPool(2)
        stack.callback(pool.close)
        line = await stack.enter_async_context(TcpProxy(broker.host, broker.port))
        rig = AmqpRig(
            topology, line, folder, pool, AmqpOptions(max_bytes=max_bytes, delivery_limit=poison_limit - 1)
        )
        stack.push_async_callback(rig.reopen)
        yield rig


@dataclass(kw_only=True)
class Stage:
    """Two nodes on a vhost of a real broker, each over a line that a test may cut: node one sends from Z91, node two
    receives for Z92, until a test says otherwise."""

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
        topology = stack.enter_context(topology_on(broker, {"one": ["Z91"], "two": ["Z92"]}))
        pool = ThreadPool(2)
        stack.callback(pool.close)
        lines = [await stack.enter_async_context(TcpProxy(broker.host, broker.port)) for _ in range(2)]
        yield Stage(
            topology=topology, out_line=lines[0], in_line=lines[1], pool=pool, folder=folder, stack=stack
        )


async def until_delivered(axis: AmqpAxis, content: bytes, packet_id: str = "p1") -> bool:
    """Publish like the courier, which retries outcomes that may heal."""

    async def is_delivered() -> bool:
        return (await axis.publish(parcel(packet_id, content), ["Z92"]))["Z92"].fate is not Fate.RETRY

    return await wait_until(is_delivered, f"{packet_id} at the broker")
