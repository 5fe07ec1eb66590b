"""What the axis should be on a broker, worked out from who hosts what. In: the registry's hosting of a day. Out: a
`Layout`, and from it every exchange, queue, policy, user, right and binding. Pure; exactly the names of `topology`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.domain.node_name import node_name_fault
from gateway.domain.registry import Hosting
from gateway.errors import Clash, Misconfigured
from gateway.transport.amqp import topology
from gateway.transport.broker.things import Binding, Exchange, Policy, Queue, Rights, State, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The nodes, and which of them each routing key leads to."""

    vhost: str
    nodes: tuple[str, ...]
    hosts: Mapping[str, str]


def layout(vhost: str, hostings: Iterable[Hosting]) -> Layout:
    """Misconfigured for a node name that cannot be one, Clash where a code would lead to two nodes."""
    hosts: dict[str, str] = {}
    nodes: dict[str, str] = {}
    for each in hostings:
        if nodes.setdefault(each.node.casefold(), each.node) != each.node:
            raise Misconfigured(
                f"two nodes are called {nodes[each.node.casefold()]} and {each.node}: letter case tells none apart",
                hint=f"see: gateway registry show {each.code}; then gateway registry set-host CODE NODE",
            )
        for code in (each.code, each.alias):
            if code is not None:
                _claim(hosts, topology.routing_key(code), each.node)
    for node in nodes.values():
        if (fault := node_name_fault(node)) is not None:
            raise Misconfigured(
                f"the registry names a host {node!r}: {fault}", hint="gateway registry set-host CODE NODE"
            )
    return Layout(vhost=vhost, nodes=tuple(sorted(nodes.values())), hosts=hosts)


def _claim(hosts: dict[str, str], key: str, node: str) -> None:
    if hosts.setdefault(key, node) != node:
        raise Clash(
            f"the code {key} would lead to two nodes, {hosts[key]} and {node}; correct code or alias in the registry"
        )


def wanted(axis: Layout, passwords: Mapping[str, str]) -> State:
    """The whole of it as a state. `passwords` are hashes by node; a node without one has a user that cannot log in."""
    return State(
        vhost=axis.vhost,
        exchanges={each.name: each for each in exchanges()},
        queues={each.name: each for each in queues(axis.nodes)},
        policies={each.name: each for each in policies(axis.nodes)},
        users={node: User(name=node, password_hash=passwords.get(node, "")) for node in axis.nodes},
        rights={node: rights(node) for node in axis.nodes},
        bindings=frozenset(bindings(axis)),
    )


def exchanges() -> Iterator[Exchange]:
    return (Exchange(name=name) for name in topology.EXCHANGES)


def queues(nodes: Iterable[str]) -> Iterator[Queue]:
    """The sink, then three queues per node."""
    # Quorum, although it keeps nothing: a classic queue dies with its one broker, and the question would come back as if
    # nobody hosted any code. This one says "not now" instead.
    yield Queue(name=topology.SINK_QUEUE)
    for node in nodes:
        yield from (Queue(name=name) for name in node_queues(node))


def node_queues(node: str) -> tuple[str, ...]:
    return (*(topology.lane_queue(node, lane) for lane in topology.LANES), topology.dead_queue(node))


def policies(nodes: Iterable[str]) -> Iterator[Policy]:
    yield Policy(
        name=topology.SINK_POLICY,
        pattern=rf"^{topology.SINK_QUEUE}$".replace(".", r"\."),
        definition=topology.sink_policy_definition(),
    )
    yield Policy(
        name=topology.DEAD_POLICY,
        pattern=r"^lienthong\..+\.dead$",
        definition=topology.dead_policy_definition(),
    )
    for node in nodes:
        yield Policy(
            name=topology.node_policy(node),
            pattern=topology.node_policy_pattern(node),
            definition=topology.node_policy_definition(node),
        )


def rights(node: str) -> Rights:
    """The least a node can work with."""
    return Rights(
        user=node, configure=topology.CONFIGURE, write=topology.WRITE, read=topology.read_right(node)
    )


def bindings(axis: Layout) -> Iterator[Binding]:
    """By exchange, because a code must lead to a lane before anybody hears that it is hosted."""
    keys = {**axis.hosts, **{topology.routing_key(topology.node_route(node)): node for node in axis.nodes}}
    for node in axis.nodes:
        yield Binding(topology.DEAD_EXCHANGE, topology.dead_queue(node), node)
    for lane in topology.LANES:
        exchange, names = (
            topology.lane_exchange(lane),
            {node: topology.lane_queue(node, lane) for node in axis.nodes},
        )
        for key, node in keys.items():
            yield Binding(exchange, names[node], key)
    for key in keys:
        yield Binding(topology.HOSTED_EXCHANGE, topology.SINK_QUEUE, key)
