"""Faults of broker and database: killed, restarted, under an alarm; and old parcels delivered once more, in another order.
In: the servers of the ground. Out: faults for the injector. Their calls block, so threads run them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.soak import broker
from bench.soak.plan import CAST
from gateway.domain.document import Lane
from gateway.transport.amqp import topology
from tests.services.postgres import Server
from tests.services.process import ServiceFailed
from tests.services.rabbit import BrokerNode, Cluster, quoted
from tests.support.topology import Topology

# The management interface carries a parcel as text; larger ones are not repeated.
_REPEATED_BYTES = 500_000
_REPEATED = 60


@dataclass
class DatabaseRestarted:
    """Every process of the database server dies; it recovers from its log."""

    server: Server
    name: str = "database restarted at once"
    resource: str = "database"
    seconds: tuple[float, float] = (0.0, 0.0)

    async def hurt(self) -> None:
        await asyncio.to_thread(self.server.restart_immediate)

    async def heal(self) -> None:
        """Return at once: it is up again when it was restarted."""


@dataclass
class BrokerKilled:
    """One node of the broker dies: the leader of a node's queue, or a follower."""

    cluster: Cluster
    axis: Topology
    leader: bool
    chance: Random
    resource: str = "broker"
    seconds: tuple[float, float] = (1.0, 5.0)
    victim: BrokerNode | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return f"broker {'leader' if self.leader else 'follower'} killed"

    async def hurt(self) -> None:
        leads = await asyncio.to_thread(self._leader)
        followers = [node for node in self.cluster.nodes if node is not leads]
        self.victim = leads if self.leader or not followers else self.chance.choice(followers)
        await asyncio.to_thread(self.victim.kill)

    async def heal(self) -> None:
        if self.victim is not None:
            await asyncio.to_thread(self.victim.start)

    def _leader(self) -> BrokerNode:
        """Return the leader of some node's queue. While the cluster elects a new one there may be none: then any node."""
        node = self.axis.name(self.chance.choice(list(CAST)))
        queue = topology.lane_queue(node, self.chance.choice(topology.LANES))
        try:
            return self.cluster.leader_of(broker.VHOST, queue)
        except (ServiceFailed, OSError, KeyError, StopIteration):
            return self.chance.choice(self.cluster.nodes)


@dataclass
class BrokerRestarted:
    """Every node of the broker dies at one moment."""

    cluster: Cluster
    name: str = "whole broker restarted"
    resource: str = "broker"
    seconds: tuple[float, float] = (0.0, 0.0)

    async def hurt(self) -> None:
        await asyncio.to_thread(self.cluster.restart)

    async def heal(self) -> None:
        """Return at once: it is up again when it was restarted."""


@dataclass
class MemoryAlarm:
    """The broker takes nothing more from any node."""

    cluster: Cluster
    name: str = "broker memory alarm"
    resource: str = "broker"
    seconds: tuple[float, float] = (2.0, 8.0)

    async def hurt(self) -> None:
        await asyncio.to_thread(self.cluster.nodes[0].alarm, True)

    async def heal(self) -> None:
        await asyncio.to_thread(self.cluster.nodes[0].alarm, False)


@dataclass
class Repeated:
    """Parcels of the last minutes come once more, in another order."""

    cluster: Cluster
    chance: Random
    name: str = "old parcels repeated and shuffled"
    resource: str = "broker"
    seconds: tuple[float, float] = (0.0, 0.0)
    repeated: int = 0

    async def hurt(self) -> None:
        self.repeated += await asyncio.to_thread(self._repeat)

    async def heal(self) -> None:
        """Return at once: nothing was broken."""

    def _repeat(self) -> int:
        at = quoted(broker.VHOST)
        request = {"count": _REPEATED, "ackmode": "ack_requeue_false", "encoding": "base64"}
        copies: list[dict[str, Any]] = self.cluster.ask(
            "POST", f"/api/queues/{at}/{quoted(broker.COPIES)}/get", request
        )
        small = [copy for copy in copies if copy["payload_bytes"] <= _REPEATED_BYTES]
        self.chance.shuffle(small)
        exchange = quoted(topology.lane_exchange(Lane.NORMAL))
        for copy in small:
            self.cluster.ask("POST", f"/api/exchanges/{at}/{exchange}/publish", _repeat_of(copy))
        return len(small)


def _repeat_of(copy: dict[str, Any]) -> dict[str, Any]:
    return {
        "properties": copy["properties"],
        "routing_key": copy["routing_key"],
        "payload": copy["payload"],
        "payload_encoding": "base64",
    }
