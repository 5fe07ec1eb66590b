"""A PostgreSQL and a RabbitMQ of the bench's own, which the processes of one node share. In: a folder, and the codes of
each node. Out: the settings that lead there, and the CPU seconds of both servers so far."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench import machine
from tests.services import postgres, rabbit
from tests.support.broker import Broker
from tests.support.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The servers that the processes share."""

    database: postgres.Server
    broker: rabbit.Cluster
    topology: Topology
    folder: Path
    node: str

    def address(self, database: str) -> str:
        return f"postgresql://{postgres.ADMIN}@127.0.0.1:{self.database.port}/{database}"

    def settings(self, database: str) -> dict[str, str]:
        """Return the settings of the node on that database."""
        name = self.topology.name(self.node)
        return {
            "GATEWAY_NODE_NAME": name,
            "GATEWAY_NODE_DATA_DIR": str(self.folder / self.node),
            "GATEWAY_DATABASE_URL": self.address(database),
            "GATEWAY_AXIS_KIND": "amqp",
            "GATEWAY_AMQP_SERVERS": f"amqp://127.0.0.1:{self.broker.nodes[0].amqp_port}",
            "GATEWAY_AMQP_VHOST": self.topology.broker.vhost,
            "GATEWAY_AMQP_PASSWORD": self.topology.passwords[name],
            "GATEWAY_LOG_LEVEL": "warning",
        }

    async def tell(self, statement: str, database: str = "postgres") -> None:
        connection = await asyncpg.connect(self.address(database))
        await connection.execute(statement)
        await connection.close()

    def broker_cpu(self) -> float:
        return machine.cpu(int((self.broker.nodes[0].folder / "pid").read_text()))

    def database_cpu(self) -> float:
        """Return the CPU of the server and of every process that it has or had."""
        return machine.cpu(int((self.database.folder / "data" / "postmaster.pid").read_text().split()[0]))


def installed() -> bool:
    return postgres.installed() and rabbit.installed()


@asynccontextmanager
async def opened(folder: Path, node: str, hosts: Mapping[str, Sequence[str]]) -> AsyncIterator[Servers]:
    """Start both, empty; stopped at the end whatever happened. `node` is the one whose settings are given."""
    folder.chmod(0o755)  # the database runs as a user of its own
    async with AsyncExitStack() as stack:
        database = await asyncio.to_thread(postgres.start, folder / "postgres")
        stack.push_async_callback(asyncio.to_thread, database.stop)
        broker = await asyncio.to_thread(rabbit.start, folder)
        stack.push_async_callback(asyncio.to_thread, broker.stop)
        topology = topology_of(broker, hosts)
        yield Servers(database=database, broker=broker, topology=topology, folder=folder, node=node)


def topology_of(cluster: rabbit.Cluster, hosts: Mapping[str, Sequence[str]]) -> Topology:
    """Make a vhost with these nodes on that broker."""
    node = cluster.nodes[0]
    broker = Broker(
        host="127.0.0.1",
        port=node.amqp_port,
        api=node.api,
        vhost="bench",
        user=rabbit.ADMIN,
        password=node.password,
    )
    broker.ask("PUT", "/api/vhosts/{vhost}", {})
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    broker.ask("PUT", f"/api/permissions/{{vhost}}/{rabbit.ADMIN}", everything)
    axis = Topology(broker)
    axis.host(hosts)
    return axis
