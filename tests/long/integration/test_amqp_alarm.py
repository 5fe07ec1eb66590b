"""What only a broker of one's own can show: an alarm that blocks publishers ("axis blocked"), a restart, and TLS on both
sides."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.bootstrap.axis import open_axis
from gateway.clock import SystemClock
from gateway.ops import axis_view, checks
from gateway.ops.subject import Subject
from gateway.pool import ThreadPool
from gateway.ports.axis import Fate
from gateway.transport.amqp.access import Access, Server
from gateway.transport.amqp.axis import AmqpAxis, AmqpOptions
from gateway.workers.heartbeat import EVERY, HEARD_LATELY, own_name
from tests.services import rabbit
from tests.services.process import free_ports
from tests.support import pki
from tests.support.broker import Broker
from tests.support.node import PROVINCE, opened
from tests.support.parcels import bytes_of, nothing_more, parcel, received, settled
from tests.support.services import missing
from tests.support.topology import Topology, axis_of, topology_on
from tests.support.town.axes import CODES, over_broker
from tests.support.town.rigs import until_delivered
from tests.support.waiting import wait_until, within_limit
from tests.unit.ops.test_alarms import alarms_fired, scraped


@dataclass(frozen=True, kw_only=True)
class Papers:
    """Certificates of the broker and of one client, all under one authority."""

    ca: Path
    server: Path
    client: Path
    keys: dict[str, Path]


@dataclass(frozen=True, kw_only=True)
class Own:
    """A broker that tests may hurt, with TLS beside its plain port."""

    cluster: rabbit.Cluster
    papers: Papers
    tls_port: int

    @property
    def node(self) -> rabbit.BrokerNode:
        return self.cluster.nodes[0]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    if not rabbit.installed():
        missing("RabbitMQ is not installed here")
    folder = tmp_path_factory.mktemp("own")
    papers, (port,) = _papers(folder), free_ports(1)
    lines = [
        f"listeners.ssl.1 = 127.0.0.1:{port}",
        f"ssl_options.cacertfile = {papers.ca}",
        f"ssl_options.certfile = {papers.server}",
        f"ssl_options.keyfile = {papers.keys['server']}",
        "ssl_options.verify = verify_peer",
        "ssl_options.fail_if_no_peer_cert = true",
    ]
    cluster = rabbit.start(folder / "broker", extra=lines)
    yield Own(cluster=cluster, papers=papers, tls_port=port)
    cluster.stop()


def _papers(folder: Path) -> Papers:
    authority = pki.root()
    files: dict[str, Path] = {}
    keys: dict[str, Path] = {}
    for name in ("server", "client"):
        key = pki.key("p256", name)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(pki.NOT_BEFORE)
            .not_valid_after(pki.NOT_AFTER)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(authority.private_key, SHA256())
        )
        files[name], keys[name] = folder / f"{name}.pem", folder / f"{name}.key"
        files[name].write_bytes(certificate.public_bytes(Encoding.PEM))
        keys[name].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    ca = folder / "ca.pem"
    ca.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    for file in (*files.values(), *keys.values(), ca):
        file.chmod(0o644)  # the broker runs as a user of its own
    folder.chmod(0o755)
    return Papers(ca=ca, server=files["server"], client=files["client"], keys=keys)


@dataclass(frozen=True, kw_only=True)
class Pair:
    topology: Topology
    pool: ThreadPool
    sender: AmqpAxis
    receiver: AmqpAxis
    folder: Path


@asynccontextmanager
async def pair(own: Own, folder: Path) -> AsyncIterator[Pair]:
    """Open two axes on a vhost of this test: one sends to Z92 at two."""
    async with AsyncExitStack() as stack:
        topology = Topology(vhost(own, folder))
        topology.host({"one": ["Z91"], "two": ["Z92"]})
        pool = ThreadPool(2)
        stack.callback(pool.close)
        sender, receiver = [
            await stack.enter_async_context(axis_of(topology, name, folder, pool)) for name in ("one", "two")
        ]
        await sender.host(["Z91"])
        await receiver.host(["Z92"])
        yield Pair(topology=topology, pool=pool, sender=sender, receiver=receiver, folder=folder)


def vhost(own: Own, folder: Path) -> Broker:
    broker = Broker(
        host="127.0.0.1",
        port=own.node.amqp_port,
        api=own.node.api,
        vhost=folder.name.replace("_", "-")[:40],
        user=rabbit.ADMIN,
        password=own.node.password,
    )
    broker.ask("PUT", "/api/vhosts/{vhost}", {})
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    broker.ask("PUT", f"/api/permissions/{{vhost}}/{rabbit.ADMIN}", everything)
    return broker


async def test_threat_091_an_alarm_says_later_at_once_and_heals_by_itself(own: Own, tmp_path: Path) -> None:
    """Parcels on their way to be acknowledged are not held up by it."""
    async with pair(own, tmp_path) as nodes:
        sender, receiver = nodes.sender, nodes.receiver
        await sender.publish(parcel("before"), ["Z92"])
        arrivals = await received(receiver)

        await asyncio.to_thread(own.node.alarm, True)
        try:
            first = await within_limit(sender.publish(parcel("p1"), ["Z92"]), "word of the alarm")
            second = await within_limit(sender.publish(parcel("p1"), ["Z92", "Z93"]), "word of the alarm")
            await settled(receiver, arrivals)
            state = sender.state()
        finally:
            await asyncio.to_thread(own.node.alarm, False)
        await wait_until(lambda: sender.state().blocked_since is None, "unblocked")
        healed = await until_delivered(sender, b"bytes of a packet")

        assert {(outcome.fate, outcome.code) for outcome in (*first.values(), *second.values())} == {
            (Fate.RETRY, "axis-blocked")
        }
        assert state.blocked_since is not None
        assert "memory or disk" in state.reason
        assert state.connected_since is not None
        assert healed
        assert sender.state().reason == ""
        assert {arrival.packet_id for arrival in await received(receiver)} == {"p1"}


async def test_an_alarm_of_the_broker_is_seen_by_other_processes_and_fires_the_alarm_of_the_page(
    own: Own, tmp_path: Path
) -> None:
    """A broker reports an alarm only on lines that publish; other processes learn it from the worker."""
    with topology_on(vhost(own, tmp_path), {"town": CODES}) as topology:
        async with opened(tmp_path / "node", change=over_broker(topology, "town")) as town:
            node = town.node
            await node.pulse.beat()
            old_samples = await scraped(town)
            await asyncio.to_thread(own.node.alarm, True)
            try:
                sent = await town.send("15", PROVINCE)
                await town.pack()
                await town.dispatch()
                await wait_until(lambda: node.axis.state().blocked_since is not None, "blocked")
                during = await scraped(town)
                town.clock.advance(EVERY)
                await node.pulse.beat()
                beat = node.pulse.folder / f"{own_name()}.json"
                beat.rename(beat.with_name("worker-1.json"))
                async with open_axis(node.settings) as looking:
                    axis_state = await axis_view.look(looking, node.pulse.folder, town.clock.now())
                    by_itself = looking.state()
                subject = Subject(settings=node.settings, pool=node.pool, clock=town.clock)
                (diagnosis,) = [d for d in await checks.examine(subject) if d.check == "axis"]
            finally:
                await asyncio.to_thread(own.node.alarm, False)
            await wait_until(lambda: node.axis.state().blocked_since is None, "unblocked")

            town.clock.advance(HEARD_LATELY)  # the worker that said so has gone
            assert (by_itself.blocked_since, (await town.delivery(sent)).state) == (None, "sending")
            assert axis_state.state.blocked_since is not None
            assert (diagnosis.level, diagnosis.cause) == ("red", "axis.blocked")
            assert alarms_fired(old_samples, during) == {"axis blocked"}
            await node.pulse.beat()
            assert alarms_fired(old_samples, await scraped(town)) == set()


async def test_threat_084_confirmed_parcels_survive_a_broker_that_is_killed(own: Own, tmp_path: Path) -> None:
    async with pair(own, tmp_path) as nodes:
        sender, receiver = nodes.sender, nodes.receiver
        sent = [f"p{n}" for n in range(20)]
        for packet_id in sent:
            assert (await sender.publish(parcel(packet_id), ["Z92"]))["Z92"].fate is Fate.DELIVERED

        await asyncio.to_thread(own.cluster.restart)
        await wait_until(lambda: sender.state().connected_since is not None, "connected again")
        arrived: set[str] = set()
        while len(arrived) < len(sent):
            arrivals = await received(receiver)
            arrived |= {arrival.packet_id for arrival in arrivals}
            await settled(receiver, arrivals)

        assert arrived == set(sent)
        await until_delivered(sender, b"bytes of a packet")


async def test_tls_with_certificates_on_both_sides(own: Own, tmp_path: Path) -> None:
    """R135 (security of links)."""
    async with pair(own, tmp_path) as nodes:
        access = _over_tls(nodes, own)
        async with AmqpAxis(
            access, nodes.topology.name("one"), tmp_path, SystemClock(), nodes.pool, AmqpOptions()
        ) as axis:
            await wait_until(lambda: axis.state().connected_since is not None, "connected over TLS")
            await axis.publish(parcel("p1"), ["Z92"])
            (arrival,) = await received(nodes.receiver)

            assert axis.state().servers == (f"amqps://127.0.0.1:{own.tls_port}",)
            assert bytes_of(arrival) == b"bytes of a packet"
            await settled(nodes.receiver, [arrival])
        await nothing_more(nodes.receiver)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ca": None}, "the broker's certificate is not accepted"),
        ({"host": "localhost"}, "the broker's certificate is not accepted"),
        ({"certificate": None, "key": None}, "see amqp.certificate"),
        ({"certificate": Path("/nowhere/client.pem")}, "check amqp.ca, amqp.certificate and amqp.key"),
    ],
    ids=["unknown authority", "another name", "no client certificate", "no such file"],
)
async def test_tls_that_does_not_hold_is_refused_with_a_reason(
    own: Own, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    """R135 (security of links)."""
    async with pair(own, tmp_path) as nodes:
        access = _over_tls(nodes, own)
        host = change.pop("host", None)
        if host is not None:
            change["servers"] = (Server(host=str(host), port=own.tls_port, tls=True),)
        wrong = replace(access, **change)  # type: ignore[arg-type]  # one field of its type each
        async with AmqpAxis(
            wrong, nodes.topology.name("one"), tmp_path, SystemClock(), nodes.pool, AmqpOptions()
        ) as axis:
            await wait_until(lambda: bool(axis.state().reason), "a reason")

            assert axis.state().connected_since is None
            assert reason in axis.state().reason


def _over_tls(nodes: Pair, own: Own) -> Access:
    papers = own.papers
    return replace(
        nodes.topology.access("one"),
        servers=(Server(host="127.0.0.1", port=own.tls_port, tls=True),),
        ca=papers.ca,
        certificate=papers.client,
        key=papers.keys["client"],
    )
