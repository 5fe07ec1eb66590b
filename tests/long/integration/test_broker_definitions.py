"""A definitions file for a province loads into a real broker, by its own command and through its API, and leaves a plan
nothing to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import pytest

from gateway.domain.registry import Hosting
from gateway.transport.amqp import topology
from gateway.transport.broker import definitions, management
from gateway.transport.broker import plan as layout
from gateway.transport.broker.plan import plan
from tests.services import rabbit
from tests.services.rabbit import Cluster
from tests.support import services

NODES, AGENCIES = 5, 500


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Start a broker for one test: a definitions file makes users, who belong to a whole broker."""
    if not rabbit.installed():
        services.missing("RabbitMQ is not installed")
    brokers = rabbit.start(tmp_path)
    yield brokers
    brokers.stop()


@pytest.mark.parametrize("tool", ["rabbitmqctl", "api"])
async def test_five_hundred_agencies_on_five_nodes_are_all_loaded(
    cluster: Cluster, tmp_path: Path, tool: str
) -> None:
    hostings = [
        Hosting(
            node=f"node-{n % NODES}",
            code=f"Z91.{n:03}",
            alias=f"000.00.{n:02}.Z91" if n < 100 else None,
        )
        for n in range(AGENCIES)
    ]
    axis = layout.layout("lienthong", hostings)
    secrets = definitions.read_passwords(tmp_path / "passwords", axis.nodes, make=True)
    hashes = definitions.password_hashes(secrets, {})
    file = tmp_path / "definitions.json"
    file.write_text("".join(definitions.pieces(axis, hashes)))

    if tool == "rabbitmqctl":
        cluster.nodes[0].ctl("import_definitions", str(file))
    else:
        cluster.ask("POST", "/api/definitions", json.loads(file.read_text()))

    api, parts = cluster.nodes[0].api, urlsplit(cluster.nodes[0].api)
    plain = f"{parts.scheme}://{parts.hostname}:{parts.port}"
    async with management.opened(plain, rabbit.ADMIN, urlsplit(api).password or "", "lienthong") as line:
        live = await line.state()
    changes = plan(live, layout.wanted_state(axis, hashes), admin=rabbit.ADMIN)
    assert (changes.steps, changes.remarks) == ((), ())
    assert len(live.bindings) == NODES + 3 * (AGENCIES + 100 + NODES)
    await _goes_from_one_to_another(cluster, secrets)


async def _goes_from_one_to_another(cluster: Cluster, secrets: dict[str, str]) -> None:
    """Send from one node to another by code and by alias, with the passwords of the files."""
    amqp = urlsplit(cluster.nodes[0].amqp)

    async def connected(node: str) -> aio_pika.abc.AbstractConnection:
        return await aio_pika.connect(
            host="127.0.0.1",
            port=amqp.port or 5672,
            login=node,
            password=secrets[node],
            virtualhost="lienthong",
        )

    async with await connected("node-0") as sender, await connected("node-3") as receiver:
        channel = await sender.channel(on_return_raises=True)
        exchange = await channel.get_exchange("lienthong.normal", ensure=False)
        for key in ("z91.498", "000.00.03.z91"):
            await exchange.publish(aio_pika.Message(key.encode(), user_id="node-0"), key, mandatory=True)
        queue = await (await receiver.channel()).get_queue(
            topology.lane_queue("node-3", topology.LANES[1]), ensure=False
        )
        bodies = [(await queue.get(no_ack=True)).body for _ in range(2)]

    assert bodies == [b"z91.498", b"000.00.03.z91"]
