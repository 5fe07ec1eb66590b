"""The axes that the contract tests ask: each rig knows how to open nodes on one axis, how a consumer is lost, and how the
whole axis is closed and opened again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from gateway.clock import SystemClock
from gateway.domain.routes import Pattern, RouteTable, Rule
from gateway.pool import ThreadPool
from gateway.ports import AxisDesk, Clock, each_axis
from gateway.transport.amqp.axis import AmqpAxis, AmqpOptions
from gateway.transport.embedded import EmbeddedAxis
from gateway.transport.routed import RoutedAxis
from tests.support.broker import Broker
from tests.support.clock import ManualClock
from tests.support.parcels import LEASE_S
from tests.support.tcp_proxy import TcpProxy
from tests.support.topology import Topology, axis_of


class Rig(Protocol):
    """One axis and its nodes, with an end for every promise that needs the outside world."""

    async def node(self, name: str, codes: Sequence[str]) -> AxisDesk:
        """A node that hosts these codes; each call is a consumer of its own, also for the same name."""

    async def host(self, name: str, axis: AxisDesk, codes: Sequence[str]) -> None:
        """That node hosts these codes now, and whoever runs the axis has seen to it."""

    async def all_here(self, axis: AxisDesk, count: int) -> None:
        """So many parcels can be taken at this moment."""

    async def lose_consumer(self) -> None:
        """Whoever holds parcels now never settles them, and the axis has noticed."""

    async def reopen(self) -> None:
        """Everything is closed and the axis itself is started again; nodes must be opened anew."""

    async def dead(self) -> Sequence[tuple[str, str]]:
        """Packet ids on the dead list, each with its reason; at least one."""


async def until(true: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Returns as soon as it is true; fails with the words when it does not become so."""
    try:
        async with asyncio.timeout(timeout_s):
            while not true():  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not in {timeout_s} s: {what}") from None


async def until_told(true: Callable[[], Awaitable[bool]], what: str, timeout_s: float = 60.0) -> None:
    """As `until`, for what has to be asked for."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await true():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not in {timeout_s} s: {what}") from None


class LeaseClock(ManualClock):
    """Leases run out when the tests say so; a wait takes real time, so that a missed wake-up is seen."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


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

    async def host(self, name: str, axis: AxisDesk, codes: Sequence[str]) -> None:
        await axis.host(codes)

    async def all_here(self, axis: AxisDesk, count: int) -> None:
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

    async def host(self, name: str, axis: AxisDesk, codes: Sequence[str]) -> None:
        self.topology.host({name: codes})
        await axis.host(codes)

    async def all_here(self, axis: AxisDesk, count: int) -> None:
        async with asyncio.timeout(60):
            while (await axis.counts())["fetched"] < count:
                await axis.wait(0.01)

    async def lose_consumer(self) -> None:
        before = [axis.state().connected_since for axis in self.axes]
        await self.line.cut()
        for axis, since in zip(self.axes, before, strict=True):
            await until(lambda axis=axis, since=since: _is_newer(axis, since), "connected again")  # type: ignore[misc]

    async def reopen(self) -> None:
        while self.axes:
            await self.axes.pop().close()

    async def dead(self) -> Sequence[tuple[str, str]]:
        axis = self.axes[-1]

        async def any_dead() -> bool:
            return bool((await axis.counts())["dead"])

        await until_told(any_dead, "a dead parcel")
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
        each = {"first": await self._first.node(name, codes), "second": await self._second.node(name, codes)}
        rules = (
            Rule(to=Pattern.read("Z92"), axes=("first",)),
            Rule(to=Pattern.read("*"), axes=("second",)),
        )
        axis = RoutedAxis(each, RouteTable(rules), self.clock, patience_s=60.0, wait_s=60.0)
        self.axes.append(axis)
        await axis.host(codes)
        return axis

    @property
    def clock(self) -> Clock:
        return self._first.clock if isinstance(self._first, EmbeddedRig) else SystemClock()

    async def host(self, name: str, axis: AxisDesk, codes: Sequence[str]) -> None:
        for rig, one in zip((self._first, self._second), each_axis(axis).values(), strict=True):
            await rig.host(name, one, codes)
        await axis.host(codes)

    async def all_here(self, axis: AxisDesk, count: int) -> None:
        async def all_waiting() -> bool:
            counts = await axis.counts()
            broker = isinstance(self._second, AmqpRig)
            await axis.wait(0.01)
            ours = await each_axis(axis)["first"].counts()
            return counts["waiting"] == count and (not broker or counts["fetched"] + ours["waiting"] == count)

        await until_told(all_waiting, f"{count} parcels")

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
        topology = Topology(broker, delivery_limit=poison_limit - 1)
        stack.callback(topology.remove)
        pool = ThreadPool(2)
        stack.callback(pool.close)
        line = await stack.enter_async_context(TcpProxy(broker.host, broker.port))
        rig = AmqpRig(
            topology, line, folder, pool, AmqpOptions(max_bytes=max_bytes, delivery_limit=poison_limit - 1)
        )
        stack.push_async_callback(rig.reopen)
        yield rig
