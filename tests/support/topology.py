"""Brings a test's vhost to the topology of the axis, as its administrator does with `gateway axis apply`. In: a broker and
which node hosts which codes. Out: queues, rights and bindings in force, and a user with a password per node. A change of
hosts is brought about the same way. What it should be is worked out by the program's own code."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.clock import SystemClock
from gateway.pool import ThreadPool
from gateway.ports.services import Clock
from gateway.transport.amqp import topology as names
from gateway.transport.amqp.access import Access, Server
from gateway.transport.amqp.axis import AmqpAxis, AmqpOptions
from gateway.transport.broker import plan
from gateway.transport.broker.definitions import document
from gateway.transport.broker.plan import BrokerEntity, QueueBinding, QueuePolicy
from tests.services.rabbit import quoted
from tests.support.broker import Broker
from tests.support.leaks import WATCH


class Topology:
    """The axis on one vhost. Users belong to the whole broker, so the vhost is part of a node's name."""

    def __init__(self, broker: Broker, delivery_limit: int = names.DELIVERY_LIMIT) -> None:
        self.broker = broker
        self.passwords: dict[str, str] = {}
        self._limit = delivery_limit
        self._hosts: dict[str, Sequence[str]] = {}
        self._bound: frozenset[QueueBinding] = frozenset()

    def name(self, node: str) -> str:
        """Return the name of a test's node on the broker."""
        return f"{node}-{self.broker.vhost}"

    def host(self, hosts: Mapping[str, Sequence[str]]) -> None:
        """These nodes host these codes from now on; other nodes are left as they are."""
        self._hosts |= {self.name(node): codes for node, codes in hosts.items()}
        keys = {names.routing_key(code): node for node, codes in self._hosts.items() for code in codes}
        axis = plan.BrokerLayout(vhost=self.broker.vhost, nodes=tuple(self._hosts), hosts=keys)
        bound = frozenset(plan.bindings(axis))
        policies = [self._policy(p) for p in plan.policies(axis.nodes)]
        parts: list[BrokerEntity] = [*plan.exchanges(), *plan.queues(axis.nodes), *policies, *bound]
        self.broker.ask("POST", "/api/definitions/{vhost}", document(parts, self.broker.vhost))
        for old in self._bound - bound:
            key = quoted(old.key)
            self.broker.ask(
                "DELETE", f"/api/bindings/{{vhost}}/e/{old.source}/q/{quoted(old.destination)}/{key}"
            )
        self._bound = bound
        for node in axis.nodes:
            self._let_in(node)

    def access(self, node: str, port: int | None = None) -> Access:
        """Return the node's access to the broker; another port where a test's line is between."""
        return Access(
            servers=(Server(host=self.broker.host, port=port or self.broker.port, tls=False),),
            vhost=self.broker.vhost,
            user=self.name(node),
            password=self.passwords[self.name(node)],
        )

    def remove(self) -> None:
        for user in self.passwords:
            self.broker.ask("DELETE", f"/api/users/{quoted(user)}")

    def _policy(self, policy: QueuePolicy) -> QueuePolicy:
        if policy.name in (names.SINK_POLICY, names.DEAD_POLICY):
            return policy
        node = policy.name.removeprefix("lienthong.")
        return QueuePolicy(
            name=policy.name,
            pattern=policy.pattern,
            definition=names.node_policy_definition(node, self._limit),
        )

    def _let_in(self, node: str) -> None:
        if node not in self.passwords:
            self.passwords[node] = WATCH.remember(secrets.token_hex(8))
            self.broker.ask(
                "PUT", f"/api/users/{quoted(node)}", {"password": self.passwords[node], "tags": ""}
            )
        rights = plan.rights_of(node)
        permissions = {"configure": rights.configure, "write": rights.write, "read": rights.read}
        self.broker.ask("PUT", f"/api/permissions/{{vhost}}/{quoted(node)}", permissions)


@contextmanager
def topology_on(broker: Broker, hosts: Mapping[str, Sequence[str]], **more: int) -> Iterator[Topology]:
    """In force with these nodes and codes until the block ends."""
    topology = Topology(broker, **more)
    topology.host(hosts)
    try:
        yield topology
    finally:
        topology.remove()


def axis_of(
    topology: Topology,
    node: str,
    folder: Path,
    pool: ThreadPool,
    *,
    port: int | None = None,
    clock: Clock | None = None,
    options: AmqpOptions | None = None,
) -> AmqpAxis:
    """Open a node's own axis; the caller closes it."""
    return AmqpAxis(
        topology.access(node, port),
        topology.name(node),
        folder / f"parts-{node}",
        clock or SystemClock(),
        pool,
        options or AmqpOptions(),
    )
