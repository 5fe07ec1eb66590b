"""One worker process and two on one PostgreSQL and one broker, on the way out: from the accepted document to the packet
that the broker has confirmed. In: nothing; it brings its own servers. Out: documents a second and their ratio, with a
signing service that takes 20 ms for each signature in one session per process, and with local keys; the CPU of workers,
broker and database; and whether any document was worked on twice."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import asyncpg

from bench import pair, stage, traffic
from bench.pair import Broken, Side
from gateway.bootstrap import open_node
from gateway.domain.event import EventKind
from gateway.settings import load
from tests.services import postgres, rabbit
from tests.support.broker import Broker
from tests.support.topology import Topology

SIZE = 10_000
DOCUMENTS = 400
WARM_UP = 16
ROUNDS = 3
SIGN_MS = 20.0
WANTED = 1.8
PATIENCE_S = 300.0
SETTLE_S = 3.0  # what every process does once at its start is done by then
_ACCEPTED = "accepted"
_HOLD = "UPDATE job SET not_before = 'infinity'"
_RELEASE = "UPDATE job SET not_before = NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """What the workers share."""

    database: postgres.Server
    broker: rabbit.Cluster
    topology: Topology
    folder: Path

    def address(self, name: str) -> str:
        return f"postgresql://{postgres.ADMIN}@127.0.0.1:{self.database.port}/{name}"

    def settings(self, name: str) -> dict[str, str]:
        """The sender's node on that database."""
        node = self.topology.name("sender")
        return {
            "GATEWAY_NODE_NAME": node,
            "GATEWAY_NODE_DATA_DIR": str(self.folder / "sender"),
            "GATEWAY_DATABASE_URL": self.address(name),
            "GATEWAY_AXIS_KIND": "amqp",
            "GATEWAY_AMQP_SERVERS": f"amqp://127.0.0.1:{self.broker.nodes[0].amqp_port}",
            "GATEWAY_AMQP_VHOST": self.topology.broker.vhost,
            "GATEWAY_AMQP_PASSWORD": self.topology.passwords[node],
            "GATEWAY_LOG_LEVEL": "warning",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One batch of documents, worked off by so many processes."""

    per_second: float
    worker_ms: float
    broker_ms: float
    database_ms: float
    twice: int


async def measure(folder: Path) -> dict[str, Any]:
    """One and two processes take turns: a machine that slows down slows both runs of a round, and their ratio stays."""
    folder.chmod(0o755)  # the database runs as a user of its own
    figures: dict[str, Any] = {
        "bytes": SIZE,
        "documents": DOCUMENTS,
        "rounds": ROUNDS,
        "sign_ms": SIGN_MS,
        "wanted": WANTED,
    }
    async with _servers(folder) as servers:
        for case, sign_ms in (("remote", SIGN_MS), ("local", 0.0)):
            runs: dict[int, list[Run]] = {1: [], 2: []}
            for n in range(ROUNDS):
                for count in (1, 2):
                    name = f"{case}{n}x{count}"
                    runs[count].append(await _run(servers, name, count, sign_ms))
            figures[case] = {str(count): _best(several) for count, several in runs.items()}
            ratios = [two.per_second / one.per_second for one, two in zip(runs[1], runs[2], strict=True)]
            figures[case] |= {"ratio": round(median(ratios), 2), "ratios": [round(one, 2) for one in ratios]}
    figures["twice"] = sum(figures[case][count]["twice"] for case in ("remote", "local") for count in "12")
    figures["holds"] = figures["twice"] == 0
    return figures


def _best(runs: Sequence[Run]) -> dict[str, Any]:
    """The fastest of the rounds: what else the machine did made the others slower. Of doubles, all."""
    best = max(runs, key=lambda run: run.per_second)
    return {
        "per_second": round(best.per_second, 1),
        "worker_ms": round(best.worker_ms, 1),
        "broker_ms": round(best.broker_ms, 1),
        "database_ms": round(best.database_ms, 1),
        "twice": sum(run.twice for run in runs),
    }


async def _run(servers: Servers, name: str, count: int, sign_ms: float) -> Run:
    """The workers are at work when the documents, accepted before, are released to them all at once. The first ones
    that they send warm them up."""
    await _tell(servers, f'CREATE DATABASE "{name}" TEMPLATE "{_ACCEPTED}"')
    async with AsyncExitStack() as stack:
        sides = [
            await stack.enter_async_context(_worker(servers.settings(name), sign_ms)) for _ in range(count)
        ]
        for side in sides:
            await side.tell("go")
        await asyncio.sleep(SETTLE_S)
        idle = [await side.ask("spent") for side in sides]
        broker, database = _broker_cpu(servers), _database_cpu(servers)
        sent = await _all_sent(servers, name)
        broker, database = _broker_cpu(servers) - broker, _database_cpu(servers) - database
        did = [await side.ask("spent") for side in sides]
    await _tell(servers, f'DROP DATABASE "{name}" WITH (FORCE)')
    worked = sum(one["signed"] + one["published"] for one in did)
    return Run(
        per_second=DOCUMENTS / (sent[-1] - sent[WARM_UP - 1]),
        worker_ms=sum(b["cpu"] - a["cpu"] for a, b in zip(idle, did, strict=True)) / len(sent) * 1000,
        broker_ms=broker / len(sent) * 1000,
        database_ms=database / len(sent) * 1000,
        twice=worked - 2 * len(sent),
    )


async def _all_sent(servers: Servers, name: str) -> list[float]:
    """When each document was sent, in order, by the node's own events."""
    connection = await asyncpg.connect(servers.address(name))
    count = "SELECT count(*) FROM outbox WHERE state <> 'waiting'"
    told = "SELECT extract(epoch FROM at)::float8 AS at FROM event WHERE kind = $1 ORDER BY at"
    await connection.execute(_RELEASE)
    until = monotonic() + PATIENCE_S
    while await connection.fetchval(count) < WARM_UP + DOCUMENTS and monotonic() < until:
        # Looking without a pause would take the time that is to be measured.
        await connection.execute("SELECT pg_sleep(0.25)")
    sent = [row["at"] for row in await connection.fetch(told, EventKind.DELIVERY_SENT.value)]
    await connection.close()
    if len(sent) < WARM_UP + DOCUMENTS:
        raise Broken(f"{WARM_UP + DOCUMENTS - len(sent)} documents were not sent")
    return sent


@asynccontextmanager
async def _worker(settings: Mapping[str, str], sign_ms: float) -> AsyncIterator[Side]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.worker", str(sign_ms)),
        stdin=PIPE,
        stdout=PIPE,
        env={"PATH": os.environ["PATH"], **settings},
    )
    side = Side(process)
    try:
        await side.heard()
        yield side
    finally:
        await side.stop()


@asynccontextmanager
async def _servers(folder: Path) -> AsyncIterator[Servers]:
    """A database with every document accepted, to make others from, and a broker that takes them."""
    async with AsyncExitStack() as stack:
        database = await asyncio.to_thread(postgres.start, folder / "postgres")
        stack.push_async_callback(asyncio.to_thread, database.stop)
        broker = await asyncio.to_thread(rabbit.start, folder)
        stack.push_async_callback(asyncio.to_thread, broker.stop)
        servers = Servers(database=database, broker=broker, topology=_topology(broker), folder=folder)
        await _tell(servers, f'CREATE DATABASE "{_ACCEPTED}"')
        await stage.prepare_one(load(None, servers.settings(_ACCEPTED)), [stage.SENDER, stage.RECEIVER])
        (paper,) = await pair.papers(folder / "papers", SIZE, 1)
        async with open_node(load(None, servers.settings(_ACCEPTED))) as node:
            scope = await traffic.scope_of(node)
            for number in range(1, WARM_UP + DOCUMENTS + 1):
                await traffic.send(node, scope, paper, str(number))
        await _tell(servers, _HOLD, _ACCEPTED)
        yield servers


def _topology(cluster: rabbit.Cluster) -> Topology:
    """The receiver has its queues and takes nothing out of them: the way out alone is measured."""
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
    axis.host({"sender": [stage.SENDER], "receiver": [stage.RECEIVER]})
    return axis


async def _tell(servers: Servers, statement: str, name: str = "postgres") -> None:
    connection = await asyncpg.connect(servers.address(name))
    await connection.execute(statement)
    await connection.close()


def _broker_cpu(servers: Servers) -> float:
    return _cpu(int((servers.broker.nodes[0].folder / "pid").read_text()))


def _database_cpu(servers: Servers) -> float:
    """Of the server and of every process that it has or had."""
    first = int((servers.database.folder / "data" / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return _cpu(first) + sum(map(_cpu, map(int, children)))


def _cpu(pid: int) -> float:
    """Seconds of a process and of its children that have ended; 0 when it ended just now."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, told.rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")
