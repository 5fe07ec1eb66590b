"""Plans how a broker is brought in line with the registry. In: its state, and the registry's hosting of a day. Out: the
wanted layout, with every exchange, queue, policy, user, right and binding named by `topology`; ordered steps; nodes that
the registry no longer names, with what can be removed of each; remarks for a person. Pure.

The order of steps keeps every code reachable: queues, limits and rights first, then new bindings (lanes before the
hosted exchange), then the removal of old ones (hosted exchange before lanes). A code that moves is bound at both nodes
for a moment: a packet may come twice, but is never lost. A queue that holds messages is never removed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from gateway.domain.registry import RESERVED_NODE_NAMES, Hosting, node_name_fault
from gateway.errors import Clash, Misconfigured
from gateway.transport.amqp import topology

_QUEUE_NAME = re.compile(r"lienthong\.(.+)\.(urgent|normal|dead)")
_POLICY_NAME = re.compile(r"lienthong\.(.+)")
_BINDING_ORDER = (
    topology.DEAD_EXCHANGE,
    *map(topology.lane_exchange, topology.LANES),
    topology.HOSTED_EXCHANGE,
)


class QueueBinding(NamedTuple):
    """Binding of a routing key. A tuple, because an axis has hundreds of thousands of them. `to` is `queue` or
    `exchange`; `props` is the broker's own key of the binding, needed to remove it."""

    source: str
    destination: str
    key: str
    to: str = "queue"
    props: str = ""

    @property
    def ends(self) -> QueueBinding:
        """The binding without `props`, so that equal bindings compare equal."""
        return self._replace(props="") if self.props else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Vhost:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    name: str
    kind: str = "direct"
    durable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue. `messages` and `consumers` are observed counts, and do not count in comparisons."""

    name: str
    kind: str = "quorum"
    durable: bool = True
    messages: int = field(default=0, compare=False)
    consumers: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePolicy:
    name: str
    pattern: str
    definition: Mapping[str, str | int]
    applies_to: str = "queues"
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of the broker. Without a password hash it cannot log in by password."""

    name: str
    tags: frozenset[str] = frozenset()
    password_hash: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Rights of a user in the vhost: three name patterns."""

    user: str
    configure: str
    write: str
    read: str


BrokerEntity: TypeAlias = Vhost | Exchange | Queue | QueuePolicy | User | Rights | QueueBinding


@dataclass(frozen=True, kw_only=True)
class State:
    """State of one vhost, and the users of the broker, each by name. `elsewhere` names users with rights in other
    vhosts."""

    vhost: str
    exists: bool = True
    exchanges: Mapping[str, Exchange] = field(default_factory=dict)
    queues: Mapping[str, Queue] = field(default_factory=dict)
    policies: Mapping[str, QueuePolicy] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)
    rights: Mapping[str, Rights] = field(default_factory=dict)
    bindings: frozenset[QueueBinding] = frozenset()
    elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerLayout:
    """The nodes, and the node of each routing key."""

    vhost: str
    nodes: tuple[str, ...]
    hosts: Mapping[str, str]


def layout(vhost: str, hostings: Iterable[Hosting]) -> BrokerLayout:
    """Build the layout from the hosting. Misconfigured for an invalid node name, Clash where a code would lead to two
    nodes."""
    hosts: dict[str, str] = {}
    nodes: dict[str, str] = {}
    for hosting in hostings:
        if nodes.setdefault(hosting.node.casefold(), hosting.node) != hosting.node:
            raise Misconfigured(
                f"two nodes are called {nodes[hosting.node.casefold()]} and {hosting.node}: letter case tells none apart",
                hint=f"see: gateway registry show {hosting.code}; then gateway registry set-host CODE NODE",
            )
        for code in (hosting.code, hosting.alias):
            if code is not None:
                _claim(hosts, topology.routing_key(code), hosting.node)
    for node in nodes.values():
        if (fault := node_name_fault(node)) is not None:
            raise Misconfigured(
                f"the registry names a host {node!r}: {fault}", hint="gateway registry set-host CODE NODE"
            )
    return BrokerLayout(vhost=vhost, nodes=tuple(sorted(nodes.values())), hosts=hosts)


def _claim(hosts: dict[str, str], key: str, node: str) -> None:
    if hosts.setdefault(key, node) != node:
        raise Clash(
            f"the code {key} would lead to two nodes, {hosts[key]} and {node}; correct code or alias in the registry"
        )


def wanted_state(axis: BrokerLayout, passwords: Mapping[str, str]) -> State:
    """Return the wanted state. `passwords` are hashes by node; a node without one gets a user that cannot log in."""
    return State(
        vhost=axis.vhost,
        exchanges={x.name: x for x in exchanges()},
        queues={x.name: x for x in queues(axis.nodes)},
        policies={x.name: x for x in policies(axis.nodes)},
        users={node: User(name=node, password_hash=passwords.get(node, "")) for node in axis.nodes},
        rights={node: rights_of(node) for node in axis.nodes},
        bindings=frozenset(bindings(axis)),
    )


def exchanges() -> Iterator[Exchange]:
    return (Exchange(name=name) for name in topology.EXCHANGES)


def queues(nodes: Iterable[str]) -> Iterator[Queue]:
    """Yield the sink queue, then three queues per node."""
    # A quorum queue, although it keeps nothing: a classic queue fails with its one broker, and every question would be
    # returned as if no node hosted the code. A quorum queue then refuses instead.
    yield Queue(name=topology.SINK_QUEUE)
    for node in nodes:
        yield from (Queue(name=name) for name in node_queues(node))


def node_queues(node: str) -> tuple[str, ...]:
    return (*(topology.lane_queue(node, lane) for lane in topology.LANES), topology.dead_queue(node))


def policies(nodes: Iterable[str]) -> Iterator[QueuePolicy]:
    yield QueuePolicy(
        name=topology.SINK_POLICY,
        pattern=rf"^{topology.SINK_QUEUE}$".replace(".", r"\."),
        definition=topology.sink_policy_definition(),
    )
    yield QueuePolicy(
        name=topology.DEAD_POLICY,
        pattern=r"^lienthong\..+\.dead$",
        definition=topology.dead_policy_definition(),
    )
    for node in nodes:
        yield QueuePolicy(
            name=topology.node_policy(node),
            pattern=topology.node_policy_pattern(node),
            definition=topology.node_policy_definition(node),
        )


def rights_of(node: str) -> Rights:
    """Return the minimal rights that a node works with."""
    return Rights(
        user=node, configure=topology.CONFIGURE, write=topology.WRITE, read=topology.read_right(node)
    )


def bindings(axis: BrokerLayout) -> Iterator[QueueBinding]:
    """Yield bindings exchange by exchange, the hosted exchange last, because a code must have a lane before it shows as
    hosted."""
    keys = {**axis.hosts, **{topology.routing_key(topology.node_route(node)): node for node in axis.nodes}}
    for node in axis.nodes:
        yield QueueBinding(topology.DEAD_EXCHANGE, topology.dead_queue(node), node)
    for lane in topology.LANES:
        exchange = topology.lane_exchange(lane)
        names = {node: topology.lane_queue(node, lane) for node in axis.nodes}
        for key, node in keys.items():
            yield QueueBinding(exchange, names[node], key)
    for key in keys:
        yield QueueBinding(topology.HOSTED_EXCHANGE, topology.SINK_QUEUE, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Departed:
    """A node that the registry no longer names. `keeps` lists its queues that still hold messages or are read;
    `entities` are to be removed, in that order, once it keeps nothing. `people` are its rights and its user, which can
    go at any time."""

    node: str
    queues: frozenset[str]
    keeps: tuple[Mapping[str, object], ...]
    entities: tuple[BrokerEntity, ...]
    people: tuple[BrokerEntity, ...]


def find_departed_nodes(live: State, target: State, admin: str) -> list[Departed]:
    """List the departed nodes by name: nodes with queues, policies or rights on the broker that the target does not
    have."""
    names = {match[1] for queue in live.queues if (match := _QUEUE_NAME.fullmatch(queue))}
    names |= {match[1] for policy in live.policies if (match := _POLICY_NAME.fullmatch(policy))}
    names |= {user for user, rights in live.rights.items() if rights == rights_of(user)}
    names -= {*target.rights, admin, *RESERVED_NODE_NAMES}
    return [_departed_node(live, node) for node in sorted(names)]


def _departed_node(live: State, node: str) -> Departed:
    queues = [live.queues[name] for name in node_queues(node) if name in live.queues]
    keeps: list[Mapping[str, object]] = [
        {"name": queue.name, "messages": queue.messages, "consumers": queue.consumers, "node": node}
        for queue in queues
        if queue.messages or queue.consumers
    ]
    # The dead queue's binding goes after the lanes that may still need it; the policy with the limits goes last.
    dead = {b for b in live.bindings if b[:2] == (topology.DEAD_EXCHANGE, topology.dead_queue(node))}
    entities: list[BrokerEntity] = [
        *queues[: len(topology.LANES)],
        *sorted(dead),
        *queues[len(topology.LANES) :],
    ]
    if (policy := live.policies.get(topology.node_policy(node))) is not None:
        entities.append(policy)
    return Departed(
        node=node,
        queues=frozenset(queue.name for queue in queues),
        keeps=tuple(keeps),
        entities=tuple(entities),
        people=tuple(_people_of(live, node)),
    )


def _people_of(live: State, node: str) -> Iterator[BrokerEntity]:
    if (right := live.rights.get(node)) is not None and right == rights_of(node):
        yield right
        user = live.users.get(node)
        # A user with a tag, or with rights elsewhere, serves other purposes too.
        if user is not None and not user.tags and node not in live.elsewhere:
            yield user


class Sign(StrEnum):
    """Change that a step makes to its entity."""

    ADD = "+"
    CHANGE = "~"
    REMOVE = "-"


@dataclass(frozen=True, slots=True)
class PlanStep:
    sign: Sign
    entity: BrokerEntity


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerRemark:
    """Finding that no step mends. `key` is a label below `broker.told.`; `serious`: the axis does not work rightly."""

    key: str
    params: Mapping[str, object] = field(default_factory=dict)
    serious: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPlan:
    steps: tuple[PlanStep, ...]
    remarks: tuple[BrokerRemark, ...]


def plan(live: State, target: State, *, admin: str, remove_nodes: bool = False) -> BrokerPlan:
    """Plan the steps from `live` to `target`. `admin` is the user who will carry them out: it is never treated as a
    node, and gets missing rights in the vhost while something is removed."""
    departed_nodes = find_departed_nodes(live, target, admin)
    additions = [*_rooms(live, target, admin), *_people(live, target, admin), *_new_bindings(live, target)]
    removals = _old_bindings(live, target, departed_nodes)
    remarks = [*_conflicts(live, target, admin), *_strangers(live, target, departed_nodes, admin)]
    for node in departed_nodes:
        remarks += [BrokerRemark(key="queue_kept", params=queue) for queue in node.keeps]
        if remove_nodes:
            # Rights and user go even while its queues hold messages, because a departed node sends nothing more.
            entities = node.people if node.keeps else (*node.people, *node.entities)
            removals += [PlanStep(Sign.REMOVE, entity) for entity in entities]
        elif not node.keeps:
            remarks.append(BrokerRemark(key="node_left", params={"node": node.node}))
    return BrokerPlan(steps=(*additions, *_with_right(live, removals, admin)), remarks=tuple(remarks))


def _rooms(live: State, target: State, admin: str) -> Iterator[PlanStep]:
    """Yield steps for vhost, exchanges, queues and policies, which must exist before anything arrives."""
    if not live.exists:
        yield PlanStep(Sign.ADD, Vhost(name=target.vhost))
        # The creator of a vhost gets all rights in it.
        yield PlanStep(Sign.REMOVE, _everything(admin))
    for entities, existing in ((target.exchanges, live.exchanges), (target.queues, live.queues)):
        yield from (PlanStep(Sign.ADD, entity) for name, entity in entities.items() if name not in existing)
    yield from _differences(live.policies, target.policies)


def _people(live: State, target: State, admin: str) -> Iterator[PlanStep]:
    """Yield steps for the nodes' users and rights."""
    for name, user in target.users.items():
        existing = live.users.get(name)
        if name == admin:
            continue
        if existing is None:
            yield PlanStep(Sign.ADD, user)
        elif existing.tags or (user.password_hash and user.password_hash != existing.password_hash):
            # Without a new password the present one stays.
            yield PlanStep(
                Sign.CHANGE, replace(user, password_hash=user.password_hash or existing.password_hash)
            )
    yield from (
        step for step in _differences(live.rights, target.rights) if getattr(step.entity, "user", "") != admin
    )


def _differences(live: Mapping[str, BrokerEntity], target: Mapping[str, BrokerEntity]) -> Iterator[PlanStep]:
    for name, entity in target.items():
        if name not in live:
            yield PlanStep(Sign.ADD, entity)
        elif live[name] != entity:
            yield PlanStep(Sign.CHANGE, entity)


def _new_bindings(live: State, target: State) -> list[PlanStep]:
    existing = {b.ends for b in live.bindings}
    missing = sorted(target.bindings - existing, key=lambda b: (_BINDING_ORDER.index(b.source), b))
    return [PlanStep(Sign.ADD, b) for b in missing]


def _old_bindings(live: State, target: State, departed_nodes: Sequence[Departed]) -> list[PlanStep]:
    """List removals of bindings of our exchanges that are not wanted. The dead-queue binding of a departed node stays as
    long as its queues."""
    dead_bindings = {(topology.DEAD_EXCHANGE, topology.dead_queue(b.node), b.node) for b in departed_nodes}
    old = {
        b
        for b in live.bindings
        if b.source in _BINDING_ORDER and b.ends not in target.bindings and b[:3] not in dead_bindings
    }
    in_order = sorted(old, key=lambda b: (-_BINDING_ORDER.index(b.source), b))
    return [PlanStep(Sign.REMOVE, b) for b in in_order]


def _with_right(live: State, removals: list[PlanStep], admin: str) -> list[PlanStep]:
    """Give the administrator rights around the removals, if needed: removing bindings and queues takes them."""
    all_of_it = _everything(admin)
    own_rights = live.rights.get(admin)
    if own_rights == all_of_it or not any(isinstance(step.entity, QueueBinding | Queue) for step in removals):
        return removals
    if own_rights is None:
        return [PlanStep(Sign.ADD, all_of_it), *removals, PlanStep(Sign.REMOVE, all_of_it)]
    return [PlanStep(Sign.CHANGE, all_of_it), *removals, PlanStep(Sign.CHANGE, own_rights)]


def _everything(user: str) -> Rights:
    return Rights(user=user, configure=".*", write=".*", read=".*")


def _conflicts(live: State, target: State, admin: str) -> Iterator[BrokerRemark]:
    """Yield remarks on entities that have our names but no step can change: a person must remove them first."""
    for entities, existing in ((target.exchanges, live.exchanges), (target.queues, live.queues)):
        for name, entity in entities.items():
            if name in existing and existing[name] != entity:
                params = {"name": name, "kind": existing[name].kind, "wanted": entity.kind}
                yield BrokerRemark(key="other_kind", params=params, serious=True)
    if admin in target.users:
        yield BrokerRemark(key="admin_is_node", params={"node": admin}, serious=True)
    for name, user in target.users.items():
        existing_user: User | None = live.users.get(name)
        if not user.password_hash and not (existing_user and existing_user.password_hash):
            yield BrokerRemark(key="no_password", params={"node": name}, serious=True)


def _strangers(
    live: State, target: State, departed_nodes: Sequence[Departed], admin: str
) -> Iterator[BrokerRemark]:
    """Yield remarks on entities in the vhost that are not ours; they are only reported, because a person made them."""
    names = {node.node for node in departed_nodes}
    for name in sorted(live.rights.keys() - target.rights.keys() - names - {admin}):
        yield BrokerRemark(key="stranger", params={"user": name})
    for name in sorted(live.queues.keys() - target.queues.keys()):
        if not any(name in node.queues for node in departed_nodes):
            yield BrokerRemark(
                key="foreign_queue", params={"name": name, "messages": live.queues[name].messages}
            )
    for name in sorted(live.policies.keys() - target.policies.keys()):
        # A foreign policy of higher priority would replace ours.
        if name.removeprefix("lienthong.") not in names and any(
            _touches(live.policies[name].pattern, queue) for queue in target.queues
        ):
            yield BrokerRemark(key="foreign_policy", params={"name": name}, serious=True)


def _touches(pattern: str, queue: str) -> bool:
    try:
        return re.search(pattern, queue) is not None
    except re.error:  # the broker's patterns are of another dialect; report rather than miss it
        return True
