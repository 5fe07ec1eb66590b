"""Nodes that the registry no longer names and that left things on the broker. In: the state there is and the one
wanted. Out: what of each can go, and which queues keep it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.domain.node_name import RESERVED
from gateway.transport.amqp import topology
from gateway.transport.broker.layout import node_queues, rights
from gateway.transport.broker.things import State, Thing

_QUEUE = re.compile(r"lienthong\.(.+)\.(urgent|normal|dead)")
_POLICY = re.compile(r"lienthong\.(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Departed:
    """`keeps` names each queue that still holds messages or is read; `things` are what to remove once it keeps nothing, in
    that order. `people` are the rights and the user: they can go at any time."""

    node: str
    queues: frozenset[str]
    keeps: tuple[Mapping[str, object], ...]
    things: tuple[Thing, ...]
    people: tuple[Thing, ...]


def departed(live: State, wanted: State, admin: str) -> list[Departed]:
    """Every such node, by name."""
    names = {match[1] for queue in live.queues if (match := _QUEUE.fullmatch(queue))}
    names |= {match[1] for policy in live.policies if (match := _POLICY.fullmatch(policy))}
    names |= {user for user, found in live.rights.items() if found == rights(user)}
    names -= {*wanted.rights, admin, *RESERVED}
    return [_of(live, node) for node in sorted(names)]


def _of(live: State, node: str) -> Departed:
    queues = [live.queues[name] for name in node_queues(node) if name in live.queues]
    keeps: list[Mapping[str, object]] = [
        {"name": queue.name, "messages": queue.messages, "consumers": queue.consumers, "node": node}
        for queue in queues
        if queue.messages or queue.consumers
    ]
    # The way to the dead queue goes after the lanes that could still use it; the limits go after both.
    dead = {each for each in live.bindings if each[:2] == (topology.DEAD_EXCHANGE, topology.dead_queue(node))}
    things: list[Thing] = [*queues[: len(topology.LANES)], *sorted(dead), *queues[len(topology.LANES) :]]
    if (policy := live.policies.get(topology.node_policy(node))) is not None:
        things.append(policy)
    return Departed(
        node=node,
        queues=frozenset(queue.name for queue in queues),
        keeps=tuple(keeps),
        things=tuple(things),
        people=tuple(_people(live, node)),
    )


def _people(live: State, node: str) -> Iterator[Thing]:
    if (right := live.rights.get(node)) is not None and right == rights(node):
        yield right
        user = live.users.get(node)
        # A user that somebody gave a tag, or rights elsewhere, is more than this node's.
        if user is not None and not user.tags and node not in live.elsewhere:
            yield user
