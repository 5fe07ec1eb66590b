"""The ground of a soak's nodes: broker and database servers of their own, a disk for each node, and between each node and
each server a line that can be cut. In: a plan and a folder. Out: the settings that lead each node over its lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from bench.soak import broker
from bench.soak.disk import Disk
from bench.soak.plan import Plan
from tests.services import postgres, rabbit
from tests.services.process import kept_ports
from tests.support.tcp_proxy import TcpProxy
from tests.support.topology import Topology


@dataclass(slots=True, kw_only=True)
class Ground:
    """The servers, disks and lines below the nodes, by node where each has its own."""

    plan: Plan
    folder: Path
    disks: dict[str, Disk] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    cluster: rabbit.Cluster | None = None
    topology: Topology | None = None
    server: postgres.Server | None = None
    axis_lines: dict[str, list[TcpProxy]] = field(default_factory=dict)
    database_lines: dict[str, TcpProxy] = field(default_factory=dict)

    def data_dir(self, node: str) -> Path:
        return self.disks[node].folder

    def switches(self, node: str) -> Path:
        return self.folder / "switches" / node

    def env(self, node: str) -> dict[str, str]:
        """Return the settings of one node, for its environment."""
        return {
            "GATEWAY_NODE_NAME": self.topology.name(node) if self.topology else node,
            "GATEWAY_NODE_DATA_DIR": str(self.data_dir(node)),
            "GATEWAY_API_PORT": str(self.ports[node]),
            "GATEWAY_WORKERS_LEASE_S": str(self.plan.lease_s),
            "GATEWAY_WORKERS_POLL_S": "0.5",
            "GATEWAY_LOG_LEVEL": "info",
            **self._database(node),
            **self._axis(node),
            **self.plan.settings,
        }

    def database_url(self, node: str) -> str:
        """Return the node's database without its line, to read from."""
        if self.server is None:
            return f"sqlite+aiosqlite:///{self.data_dir(node) / 'gateway.db'}"
        return f"postgresql+asyncpg://{postgres.ADMIN}@127.0.0.1:{self.server.port}/{node}"

    def _database(self, node: str) -> dict[str, str]:
        if self.server is None:
            return {}
        port = self.database_lines[node].port
        return {"GATEWAY_DATABASE_URL": f"postgresql+asyncpg://{postgres.ADMIN}@127.0.0.1:{port}/{node}"}

    def _axis(self, node: str) -> dict[str, str]:
        if self.topology is None:
            return {"GATEWAY_AXIS_FOLDER": str(self.folder / "axis")}
        return broker.settings(self.topology, node, [line.port for line in self.axis_lines[node]])


@asynccontextmanager
async def prepared(plan: Plan, folder: Path) -> AsyncIterator[Ground]:
    """Start everything, empty; taken down again whatever happened."""
    async with AsyncExitStack() as stack:
        ground = Ground(plan=plan, folder=folder)
        folder.chmod(0o755)  # PostgreSQL runs as a user of its own
        ports = stack.enter_context(kept_ports(len(plan.cast)))
        for node, port in zip(plan.cast, ports, strict=True):
            ground.disks[node] = disk = Disk(folder / node)
            stack.callback(disk.close)
            ground.ports[node] = port
            ground.switches(node).mkdir(parents=True, exist_ok=True)
        if plan.database == "postgresql":
            await _database(ground, stack)
        if plan.axis == "amqp":
            await _broker(ground, stack)
        yield ground


async def _database(ground: Ground, stack: AsyncExitStack) -> None:
    ground.server = server = await asyncio.to_thread(postgres.start, ground.folder / "postgres")
    stack.push_async_callback(asyncio.to_thread, server.stop)
    connection = await asyncpg.connect(server.url)
    for node in ground.plan.cast:
        await connection.execute(f'CREATE DATABASE "{node}"')
        ground.database_lines[node] = await stack.enter_async_context(TcpProxy("127.0.0.1", server.port))
    await connection.close()


async def _broker(ground: Ground, stack: AsyncExitStack) -> None:
    cluster = await asyncio.to_thread(rabbit.start, ground.folder, ground.plan.broker_nodes)
    ground.cluster = cluster
    stack.push_async_callback(asyncio.to_thread, cluster.stop)
    ground.topology = await asyncio.to_thread(broker.set_up, cluster, ground.plan.cast)
    for node in ground.plan.cast:
        ground.axis_lines[node] = [
            await stack.enter_async_context(TcpProxy("127.0.0.1", n.amqp_port)) for n in cluster.nodes
        ]
